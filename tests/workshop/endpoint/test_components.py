"""Waits for components end well, or say why they do not; a watch sees what happens meanwhile."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from tests.workshop.components_on_sandbox import create_component, create_model

from workshop.aws.resources import is_there
from workshop.aws.session import Aws
from workshop.aws.waits import Wait
from workshop.endpoint.components import (
    Series,
    component_log_lines,
    components_table,
    copies_of,
    metric_queries,
    metric_series,
    wait_for_component,
    wait_for_copies,
    wait_for_instances,
)
from workshop.endpoint.rollout_watch import CopiesWatch
from workshop.endpoint.scaling import COPIES, deregister_targets, registered_targets
from workshop.errors import WorkshopError
from workshop.inference import TGI

TIMEOUT_S = 600


def test_a_component_is_waited_for_watched_and_shown(sample_aws: Aws, endpoint: str) -> None:
    sagemaker, model = sample_aws.client("sagemaker"), create_model(sample_aws, f"{endpoint}-good")
    missing = f"{endpoint}-missing"
    with CopiesWatch(sample_aws, endpoint, [f"{endpoint}-a", missing], interval_s=0.02) as watch:
        name = create_component(sample_aws, endpoint, "a", model)
        described = wait_for_component(sample_aws, name, timeout_s=TIMEOUT_S)
        assert described["RuntimeConfig"] == {"CurrentCopyCount": 1, "DesiredCopyCount": 1}
        looked = Wait(title=name, timeout_s=600, interval_s=0.01, expected="a look at it", next_step="")
        looked.until(
            lambda: [snapshot.copies.get(name) for snapshot in watch.snapshots],
            is_done=lambda seen: (1, 1) in seen,
            text=str,
        )
        sagemaker.update_inference_component_runtime_config(
            InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": 2}
        )
        wait_for_copies(sample_aws, name, 2, timeout_s=TIMEOUT_S)
        wait_for_component(sample_aws, name, timeout_s=TIMEOUT_S)
    seen = [snapshot.copies.get(name) for snapshot in watch.snapshots]
    assert {(0, 1), (1, 1), (2, 2)} <= set(seen)
    assert seen[-1] == (2, 2)
    assert all(missing not in snapshot.copies for snapshot in watch.snapshots)
    assert {snapshot.num_instances for snapshot in watch.snapshots} == {1}
    row = components_table(sample_aws, endpoint).loc[name]
    assert (row["status"], row["serves"], row["copies"]) == ("InService", model, "2 of 2")
    assert (row["GPUs"], row["CPU cores"], row["memory MiB"]) == (1, 4, 4096)
    assert component_log_lines(sample_aws, name, 3)


def test_a_component_whose_copy_was_killed_is_waited_for_until_it_has_another(
    sample_aws: Aws, endpoint: str, sandbox_home: Path
) -> None:
    name = create_component(sample_aws, endpoint, "killed", create_model(sample_aws, f"{endpoint}-killed"))
    wait_for_component(sample_aws, name, timeout_s=TIMEOUT_S)
    killed = processes_of(sandbox_home / "sample" / "sandbox", name)
    assert killed
    for process in killed:
        with suppress(psutil.NoSuchProcess):  # one may end with the other
            process.kill()
    describe = sample_aws.client("sagemaker").describe_inference_component
    gone = Wait(title=name, timeout_s=600, interval_s=0.01, expected="its end noticed", next_step="")
    gone.until(
        lambda: copies_of(describe(InferenceComponentName=name)),
        is_done=lambda seen: seen == (0, 1),
        text=str,
    )
    described = wait_for_component(sample_aws, name, timeout_s=TIMEOUT_S)
    assert copies_of(described) == (1, 1)
    others = processes_of(sandbox_home / "sample" / "sandbox", name)
    assert others
    assert not set(others) & set(killed)


def processes_of(sandbox_home: Path, component: str) -> list[psutil.Process]:
    """Return the servers of a component's copies: they work in its folder."""
    server = psutil.Process(json.loads((sandbox_home / "server.json").read_text())["pid"])
    found = []
    for process in server.children(recursive=True):
        with suppress(psutil.Error):
            # From outside, the folder of a server that has a mount of its own has no name.
            mounts = Path(f"/proc/{process.pid}/mountinfo")
            known = f"{process.cwd()}/ {mounts.read_text() if mounts.exists() else ''}"
            if f"/{component}/" in known:
                found.append(process)
    # A server may have a child for a moment, when it looks for a library.
    numbers = {process.pid for process in found}
    return [process for process in found if process.ppid() not in numbers]


def test_a_copy_that_cannot_start_shows_its_reason_and_its_last_lines(sample_aws: Aws, endpoint: str) -> None:
    model = create_model(sample_aws, f"{endpoint}-bad", MAX_INPUT_TOKENS="many")
    name = create_component(sample_aws, endpoint, "bad", model)
    with pytest.raises(WorkshopError, match=r"last lines[\s\S]*MAX_INPUT_TOKENS") as caught:
        wait_for_component(sample_aws, name, timeout_s=TIMEOUT_S)
    assert name in caught.value.found
    assert "Delete" in caught.value.next_step


def test_a_wait_that_is_over_says_what_goes_on(sample_aws: Aws, endpoint: str) -> None:
    name = create_component(
        sample_aws, endpoint, "slow", create_model(sample_aws, f"{endpoint}-slow"), num_copies=0
    )
    with pytest.raises(WorkshopError, match=r"0 of 0 copies after[\s\S]*3 copies"):
        wait_for_copies(sample_aws, name, 3, timeout_s=0)
    with pytest.raises(WorkshopError, match=r"7 instances[\s\S]*cost"):
        wait_for_instances(sample_aws, endpoint, 7, timeout_s=0)


def test_targets_are_registered_until_they_are_taken_away(sample_aws: Aws, endpoint: str) -> None:
    scaling = sample_aws.client("application-autoscaling")
    model = create_model(sample_aws, f"{endpoint}-scaled")
    names = [
        create_component(sample_aws, endpoint, suffix, model, num_copies=0) for suffix in ("scaled", "fixed")
    ]
    scaling.register_scalable_target(
        ServiceNamespace="sagemaker", ResourceId=f"inference-component/{names[0]}", ScalableDimension=COPIES,
        MinCapacity=0, MaxCapacity=1,
    )  # fmt: skip
    assert registered_targets(sample_aws, [*names, "never"]) == names[:1]
    assert deregister_targets(sample_aws, names) == names[:1]
    assert registered_targets(sample_aws, names) == deregister_targets(sample_aws, names) == []


def test_calls_of_a_component_are_counted_in_cloudwatch_under_its_name(
    sample_aws: Aws, endpoint: str
) -> None:
    name = create_component(sample_aws, endpoint, "counted", create_model(sample_aws, f"{endpoint}-counted"))
    other = create_component(
        sample_aws, endpoint, "idle", create_model(sample_aws, f"{endpoint}-idle"), num_copies=0
    )
    wait_for_component(sample_aws, name, timeout_s=TIMEOUT_S)
    since = datetime.now(UTC) - timedelta(minutes=1)
    body = TGI.body("가나다", max_new_tokens=2)
    for _ in range(3):
        sample_aws.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, InferenceComponentName=name, ContentType="application/json", Body=body
        )
    queries = metric_queries([name, other], {"Invocations": "Sum", "ModelLatency": "Average"}, period_s=1)

    def look() -> Series:
        found = sample_aws.client("cloudwatch").get_metric_data(
            MetricDataQueries=queries, StartTime=since, EndTime=datetime.now(UTC) + timedelta(minutes=1)
        )
        return metric_series(found["MetricDataResults"])

    wait = Wait(title="metrics", timeout_s=600, interval_s=0.1, expected="3 calls", next_step="")
    series = wait.until(
        look, is_done=lambda seen: sum(seen["Invocations"][name][1]) == 3, text=lambda seen: "counting"
    )
    assert sum(series["Invocations"][other][1]) == 0
    assert all(value > 0 for value in series["ModelLatency"][name][1])


def test_what_is_there_differs_from_what_is_missing(sample_aws: Aws, endpoint: str) -> None:
    sagemaker = sample_aws.client("sagemaker")
    assert is_there(sagemaker.describe_endpoint, EndpointName=endpoint)
    assert not is_there(sagemaker.describe_endpoint, EndpointName="never")
    assert not is_there(sagemaker.describe_endpoint_config, EndpointConfigName="never")
    assert not is_there(sagemaker.describe_model, ModelName="never")
    assert not is_there(sagemaker.describe_inference_component, InferenceComponentName="never")
    with pytest.raises(Exception, match="DescribeCluster"):  # refused, not missing
        is_there(sagemaker.describe_cluster, ClusterName="never")
