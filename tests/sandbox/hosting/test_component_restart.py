"""Inference components after the end of a sandbox: nothing runs, and what is described is true."""

from __future__ import annotations

import time
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

REASON = "The sandbox that ran this inference component ended; delete it and create it again."


@pytest.mark.parametrize("kill", [True, False], ids=["SIGKILL", "SIGTERM"])
def test_components_are_failed_with_a_reason_and_no_copy_is_left(components: Any, kill: bool) -> None:
    endpoint = components.endpoint()
    serving = components.deploy(endpoint, num_copies=2)
    creating = components.create(endpoint, environment={"START_DELAY_S": "60"})
    pids = components.pids(endpoint, serving, 2)
    components.hosting.sandbox.restart(kill=kill)
    deadline_s = time.monotonic() + 300
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not any(map(psutil.pid_exists, pids))
    for name in (serving, creating):
        described = components.wait(name)
        assert (described["InferenceComponentStatus"], described["FailureReason"]) == ("Failed", REASON)
        if name == serving:
            assert described["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 0}
    with pytest.raises(ClientError, match="not found"):
        components.ask(endpoint, serving)
    assert not (components.hosting.sandbox.home / "components").exists()
    for name in (serving, creating):
        components.delete(name)
    components.hosting.delete(endpoint)
    endpoint = components.endpoint()
    again = components.deploy(endpoint, serving)
    assert components.ask(endpoint, again)["pid"] not in pids
    components.delete(again)
    components.hosting.delete(endpoint)


def test_a_deletion_that_was_cut_short_is_completed(components: Any) -> None:
    endpoint = components.endpoint()
    name = components.deploy(endpoint, environment={"IGNORE_SIGTERM": "1"})
    components.sagemaker.delete_inference_component(InferenceComponentName=name)
    assert components.describe(name)["InferenceComponentStatus"] == "Deleting"
    components.hosting.sandbox.restart(kill=True)
    deadline_s = time.monotonic() + 300
    while components.sagemaker.list_inference_components(NameContains=name)["InferenceComponents"]:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_copies_of_a_component_that_is_being_deleted_end_before_the_sandbox_does(components: Any) -> None:
    endpoint = components.endpoint()
    name = components.deploy(endpoint, environment={"IGNORE_SIGTERM": "1"})
    (pid,) = components.pids(endpoint, name, 1)
    components.sagemaker.delete_inference_component(InferenceComponentName=name)
    with pytest.raises(ClientError, match="not found"):
        components.ask(endpoint, name)
    assert components.hosting.sandbox.stop() == 0
    assert not psutil.pid_exists(pid)
    components.hosting.sandbox.start()
    assert not components.sagemaker.list_inference_components(NameContains=name)["InferenceComponents"]
