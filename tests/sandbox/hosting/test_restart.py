"""After the end of a sandbox, however it ends: nothing runs, and what is described is true."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

REASON = "The sandbox that ran this endpoint ended; delete the endpoint and create it again."


@pytest.mark.parametrize("kill", [True, False], ids=["SIGKILL", "SIGTERM"])
def test_endpoints_are_failed_with_a_reason_and_no_server_is_left(hosting: Any, kill: bool) -> None:
    serving = hosting.deploy(variants=({"InitialInstanceCount": 2},))
    failed = hosting.create(environment={"DIE_AT_START": "1"})
    reason_before = hosting.wait(failed)["FailureReason"]
    creating = hosting.create(environment={"START_DELAY_S": "60"})
    reported = {answer["pid"]: answer for answer in (hosting.ask(serving) for _ in range(20))}
    pids, temporary = set(reported), [Path(answer["environ"]["TMPDIR"]) for answer in reported.values()]
    assert len(pids) == 2
    assert all(path.is_dir() for path in temporary)
    hosting.sandbox.restart(kill=kill)
    described = {}
    deadline_s = time.monotonic() + 300
    while not described and time.monotonic() < deadline_s:  # it listens before it has reported of them
        listed = hosting.sagemaker.list_endpoints()["Endpoints"]
        if {"Creating", "InService"}.isdisjoint(entry["EndpointStatus"] for entry in listed):
            described = {
                name: hosting.sagemaker.describe_endpoint(EndpointName=name)
                for name in (serving, creating, failed)
            }
        time.sleep(0.02)
    assert {entry["EndpointStatus"] for entry in described.values()} == {"Failed"}
    assert described[serving]["FailureReason"] == described[creating]["FailureReason"] == REASON
    assert described[failed]["FailureReason"] == reason_before
    assert "ProductionVariants" not in described[serving]
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not any(map(psutil.pid_exists, pids))
    assert not list((hosting.sandbox.home / "endpoints").glob("*/*"))
    assert not any(path.parent.exists() for path in temporary)
    with pytest.raises(hosting.runtime.exceptions.ValidationError, match="not found"):
        hosting.ask(serving)
    for name in (serving, creating, failed):
        hosting.delete(name)
    name = hosting.deploy()
    assert hosting.ask(name)["pid"] not in pids
    hosting.delete(name)


def test_the_truth_is_on_disk_when_the_sandbox_has_ended(hosting: Any) -> None:
    name = hosting.deploy()
    assert hosting.sandbox.stop() == 0
    (path,) = (hosting.sandbox.home / "resources").rglob(f"endpoint/{name}.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    hosting.sandbox.start()
    assert (record["EndpointStatus"], record["FailureReason"]) == ("Failed", REASON)
    hosting.delete(name)


def test_a_deletion_that_was_cut_short_is_completed(hosting: Any) -> None:
    name = hosting.deploy(environment={"IGNORE_SIGTERM": "1"})
    hosting.sagemaker.delete_endpoint(EndpointName=name)
    assert hosting.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Deleting"
    hosting.sandbox.restart(kill=True)
    deadline_s = time.monotonic() + 300
    while hosting.sagemaker.list_endpoints(NameContains=name)["Endpoints"]:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
