"""UpdateEndpoint under load: what serves is replaced, or stays, and no request is lost."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.sandbox.hosting.endpoint_updates import (
    SPEED,
    ask_for_fault,
    blue_green,
    eventually,
    instances,
    rolling,
    size,
    stage,
    update,
)
from tests.sandbox.hosting.load import Load

from sandbox import clock
from sandbox.hosting.deployment_policy import DeploymentPolicy
from sandbox.hosting.instance import Instance
from sandbox.hosting.rollout import Rolling

UNHEALTHY = (
    "The primary container for production variant AllTraffic did not pass the ping health check. Please check"
    " CloudWatch logs for this endpoint."
)


@pytest.fixture(scope="module", autouse=True)
def fast_clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(clock.VARIABLE, str(SPEED))
        yield


@pytest.mark.parametrize("kind", ["default", "canary", "linear", "rolling"])
def test_an_update_under_load_loses_no_request(hosting: Any, kind: str) -> None:
    config = {
        "default": None,
        "canary": blue_green("CANARY", 100, CanarySize=size(30, "CAPACITY_PERCENT")),
        "linear": blue_green("LINEAR", 60, LinearStepSize=size(1)),
        "rolling": rolling(1, 60),
    }[kind]
    name = hosting.deploy(environment={"MODEL": "old"}, variants=instances(2))
    new = hosting.configure(environment={"MODEL": "new"}, variants=instances(3))
    with Load(hosting.sandbox.url, name) as load:
        load.wait_for(20)
        old_pids = set(load.pids)
        members = {"DeploymentConfig": config} if config else {}
        hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new, **members)
        described = hosting.sagemaker.describe_endpoint(EndpointName=name)
        assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("Updating", name)
        assert described["PendingDeploymentSummary"]["EndpointConfigName"] == new
        described = hosting.wait(name)
        load.wait_for(20)
    assert load.failures == []
    assert set(load.models) == {"old", "new"}
    assert set(load.models[-15:]) == {"new"}
    assert not any(map(psutil.pid_exists, old_pids))
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", new)
    assert "FailureReason" not in described
    assert "PendingDeploymentSummary" not in described
    assert described.get("LastDeploymentConfig") == config
    (variant,) = described["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (3, 3)
    assert len({hosting.ask(name)["pid"] for _ in range(30)}) == 3
    hosting.delete(name)


def test_an_old_server_answers_what_it_was_asked_and_ends_then(hosting: Any, tmp_path: Path) -> None:
    name = hosting.deploy(environment={"MODEL": "old"})
    new = hosting.configure(environment={"MODEL": "new"})
    answers: list[dict[str, Any]] = []
    asked = {"print": "it is here", "until": str(tmp_path / "answer")}
    slow = threading.Thread(target=lambda: answers.append(hosting.ask(name, **asked)))
    slow.start()
    eventually(lambda: "it is here" in str(hosting.log_lines(name)))
    hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new)
    eventually(lambda: hosting.ask(name)["environ"]["MODEL"] == "new")
    assert slow.is_alive()
    (tmp_path / "answer").touch()
    assert hosting.wait(name)["EndpointConfigName"] == new
    slow.join()
    assert answers[0]["environ"]["MODEL"] == "old"
    eventually(lambda: not psutil.pid_exists(answers[0]["pid"]))
    hosting.delete(name)


@pytest.mark.parametrize("config", [None, rolling(1)], ids=["blue/green", "rolling"])
def test_a_model_that_does_not_start_leaves_the_old_one_serving(hosting: Any, config: Any) -> None:
    name = hosting.deploy(environment={"MODEL": "old"}, variants=instances(2))
    new = hosting.configure(environment={"DIE_AT_START": "1"}, variants=instances(2))
    with Load(hosting.sandbox.url, name) as load:
        described = update(hosting, name, new, **({"DeploymentConfig": config} if config else {}))
        load.wait_for(20)
    assert load.failures == []
    assert set(load.models) == {"old"}
    assert len(load.pids) == 2
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", name)
    assert described["FailureReason"] == UNHEALTHY
    again = hosting.configure(environment={"MODEL": "new"})
    assert "FailureReason" not in update(hosting, name, again)
    hosting.delete(name)


@pytest.mark.parametrize("config", [blue_green(wait_s=3600), rolling(1, 3600)], ids=["blue/green", "rolling"])
def test_an_alarm_of_the_real_latency_brings_the_old_model_back(hosting: Any, config: Any) -> None:
    name = hosting.deploy(environment={"MODEL": "old"}, variants=instances(2))
    new = hosting.configure(environment={"MODEL": "new", "DELAY_S": "0.6"}, variants=instances(2))
    hosting.sandbox.client("cloudwatch").put_metric_alarm(
        AlarmName=f"slow-{name}",
        Namespace="AWS/SageMaker",
        MetricName="ModelLatency",
        Dimensions=[
            {"Name": "EndpointName", "Value": name},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=500_000,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    config = {**config, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": f"slow-{name}"}]}}
    with Load(hosting.sandbox.url, name) as load:
        described = update(hosting, name, new, DeploymentConfig=config)
        load.wait_for(20)
    assert load.failures == []
    assert set(load.models) == {"old", "new"}
    assert set(load.models[-10:]) == {"old"}
    new_pids = {answer["pid"] for answer in load.answers if answer["environ"]["MODEL"] == "new"}
    assert not any(map(psutil.pid_exists, new_pids))
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", name)
    assert described["FailureReason"].endswith(f"in state ALARM is slow-{name}.")
    hosting.delete(name)


def test_a_second_batch_that_fails_brings_the_first_one_back(hosting: Any) -> None:
    name = hosting.deploy(environment={"MODEL": "old"}, variants=instances(2))
    new = hosting.configure(environment={"MODEL": "new"}, variants=instances(2))
    statuses = set()
    with Load(hosting.sandbox.url, name) as load:
        hosting.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=new, DeploymentConfig=rolling(1, 200)
        )
        eventually(lambda: stage(hosting, name) == "Baking")
        ask_for_fault(hosting, "InsufficientCapacity")
        described = hosting.sagemaker.describe_endpoint(EndpointName=name)
        while described["EndpointStatus"] in ("Updating", "RollingBack"):
            statuses.add(described["EndpointStatus"])
            assert described["ProductionVariants"][0]["CurrentInstanceCount"] >= 2  # never fewer than before
            described = hosting.sagemaker.describe_endpoint(EndpointName=name)
        load.wait_for(20)
    assert load.failures == []
    assert statuses == {"Updating", "RollingBack"}
    assert set(load.models) == {"old", "new"}
    assert set(load.models[-10:]) == {"old"}
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", name)
    assert "InsufficientInstanceCapacity" in described["FailureReason"]
    assert len({hosting.ask(name)["pid"] for _ in range(20)}) == 2
    hosting.delete(name)


def test_a_rollback_that_fails_leaves_a_mix_that_serves_until_the_next_update(hosting: Any) -> None:
    name = hosting.deploy(environment={"MODEL": "old"}, variants=instances(2))
    new = hosting.configure(environment={"MODEL": "new"}, variants=instances(2))
    with Load(hosting.sandbox.url, name) as load:
        hosting.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=new, DeploymentConfig=rolling(1, 200)
        )
        eventually(lambda: stage(hosting, name) == "Baking")
        ask_for_fault(hosting, "FailedHealthCheck", count=2)
        described = hosting.wait(name)
        assert described["EndpointStatus"] == "UpdateRollbackFailed"
        assert described["FailureReason"] == f"{UNHEALTHY} The rollback failed, too: {UNHEALTHY}"
        load.wait_for(30)
        assert set(load.models[-20:]) == {"old", "new"}
        described = update(hosting, name, new, DeploymentConfig=rolling(1))
        load.wait_for(20)
    assert load.failures == []
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", new)
    assert set(load.models[-10:]) == {"new"}
    hosting.delete(name)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("InsufficientCapacity", "InsufficientInstanceCapacity"), ("FailedHealthCheck", "ping")],
)
def test_a_fault_that_was_asked_for_fails_the_update(hosting: Any, fault: str, reason: str) -> None:
    name = hosting.deploy()
    ask_for_fault(hosting, fault)
    new = hosting.configure()
    described = update(hosting, name, new)
    assert described["EndpointStatus"] == "InService"
    assert reason in described["FailureReason"]
    assert update(hosting, name, new)["EndpointConfigName"] == new
    hosting.delete(name)


def test_variants_may_be_exchanged_and_requests_go_to_those_that_are_there(hosting: Any) -> None:
    name = hosting.deploy(environment={"MODEL": "old"}, variants=({"VariantName": "A"}, {"VariantName": "B"}))
    new = hosting.configure(environment={"MODEL": "new"}, variants=({"VariantName": "C"},))
    with Load(hosting.sandbox.url, name) as load:
        described = update(hosting, name, new)
        load.wait_for(10)
    assert load.failures == []
    assert [each["VariantName"] for each in described["ProductionVariants"]] == ["C"]
    with pytest.raises(ClientError, match="Variant A not found"):
        hosting.runtime.invoke_endpoint(EndpointName=name, Body=b"{}", TargetVariant="A")
    hosting.delete(name)


@pytest.mark.parametrize("kill", [True, False], ids=["SIGKILL", "SIGTERM"])
def test_after_an_end_in_the_middle_of_an_update_the_endpoint_has_failed(hosting: Any, kill: bool) -> None:
    name = hosting.deploy(environment={"MODEL": "old"})
    new = hosting.configure(environment={"MODEL": "new"})
    hosting.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=new, DeploymentConfig=blue_green(wait_s=3600)
    )
    eventually(lambda: stage(hosting, name) == "Baking")
    pids = {hosting.ask(name)["pid"] for _ in range(10)}
    hosting.sandbox.restart(kill=kill)
    described = eventually(
        lambda: (
            (reported := hosting.sagemaker.describe_endpoint(EndpointName=name))["EndpointStatus"] == "Failed"
            and reported
        )
    )
    assert described["EndpointConfigName"] == name
    assert described["FailureReason"].startswith("The sandbox that ran this endpoint ended")
    assert "PendingDeploymentSummary" not in described
    assert "ProductionVariants" not in described
    eventually(lambda: not any(map(psutil.pid_exists, pids)))
    hosting.delete(name)


def test_a_batch_takes_the_place_of_as_many_old_instances(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, where the instances can be counted after each batch."""
    (pool,) = here(num_instances=3).variants.values()
    new, retire, counts = dataclasses.replace(pool.spec, num_instances=2), pool.retire, []

    def count(leaving: list[Instance]) -> None:
        retire(leaving)
        counts.append(len(pool.copies))

    monkeypatch.setattr(pool, "retire", count)
    Rolling(pool, new, 2, DeploymentPolicy(batch=size(1)), take_fault=lambda: None).run()
    assert counts == [3, 3, 2]
    assert [copy.spec is new for copy in pool.copies] == [True, True]
    assert pool.num_desired == 2
