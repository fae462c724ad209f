"""An inference component gets another specification while it is asked, or goes back: no request is lost."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.hosting.components import INSTANCE_TYPE, specification
from tests.sandbox.hosting.conftest import IMAGE
from tests.sandbox.hosting.load import NUM_THREADS

from sandbox.context import Context
from sandbox.hosting.deployment_policy import DeploymentPolicy
from sandbox.hosting.errors import DeploymentFailedError, RollbackFailedError
from sandbox.hosting.instance import Instance
from sandbox.hosting.instance_types import Resources
from sandbox.hosting.machines import Machines
from sandbox.hosting.rollout import Rolling
from sandbox.hosting.running_component import RunningComponent
from sandbox.hosting.specs import ComponentSpec, Variant

ROLLING = {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 0}


@pytest.fixture(scope="module")
def endpoint(components: Any) -> str:
    return components.endpoint()


@pytest.fixture
def component(components: Any, endpoint: str) -> Any:
    """A component with two copies of version 1."""
    name = components.deploy(endpoint, num_copies=2, environment={"VERSION": "1"})
    yield name
    components.delete(name)


def rolling(alarms: list[str] | None = None, **policy: Any) -> dict[str, Any]:
    config: dict[str, Any] = {"RollingUpdatePolicy": {**ROLLING, **policy}}
    if alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return config


def versions(load: Any, first: int = 0) -> set[str]:
    """Return which versions answered, of the answers from a number on."""
    return {answer["environ"]["VERSION"] for answer in load.answers[first:]}


@pytest.mark.parametrize("config", [None, rolling()], ids=["all at once", "rolling"])
def test_an_update_under_load_loses_no_request(
    components: Any, endpoint: str, component: str, config: dict[str, Any] | None
) -> None:
    before = components.pids(endpoint, component, 2)
    with components.load(endpoint, component) as load:
        updated = components.update(
            component,
            Specification=specification({"VERSION": "2", "START_DELAY_S": "0.2"}),
            **({"DeploymentConfig": config} if config else {}),
        )
        num_until_then = len(load.answers) + NUM_THREADS  # those that are under way may be old
        load.wait_for(3 * NUM_THREADS)
    assert load.failures == []
    assert versions(load) == {"1", "2"}
    assert versions(load, num_until_then) == {"2"}
    assert updated["InferenceComponentStatus"] == "InService"
    assert "FailureReason" not in updated
    assert updated.get("LastDeploymentConfig") == config
    assert updated["Specification"]["Container"]["Environment"]["VERSION"] == "2"
    assert updated["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    assert not before & components.pids(endpoint, component, 2)


@pytest.mark.parametrize("config", [None, rolling()], ids=["all at once", "rolling"])
def test_an_update_that_fails_goes_back_under_load_without_losing_a_request(
    components: Any, endpoint: str, component: str, config: dict[str, Any] | None
) -> None:
    with components.load(endpoint, component) as load:
        failed = components.update(
            component,
            Specification=specification({"VERSION": "2", "DIE_AT_START": "1"}),
            **({"DeploymentConfig": config} if config else {}),
        )
    assert load.failures == []
    assert versions(load) == {"1"}
    assert failed["InferenceComponentStatus"] == "InService"
    assert "did not pass the ping health check" in failed["FailureReason"]
    assert failed["Specification"]["Container"]["Environment"] == {"VERSION": "1"}
    assert failed["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}


def test_an_alarm_in_the_second_batch_brings_the_replaced_copies_back(
    components: Any, endpoint: str, component: str
) -> None:
    cloudwatch = components.hosting.sandbox.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        Namespace="Nobody",
        MetricName="Nothing",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
    sagemaker = components.sagemaker
    with components.load(endpoint, component) as load:
        sagemaker.update_inference_component(
            InferenceComponentName=component,
            Specification=specification({"VERSION": "2"}),
            DeploymentConfig=rolling(["errors"], WaitIntervalInSeconds=1),
        )
        deadline_s = time.monotonic() + 300
        while len({each["pid"] for each in load.answers if each["environ"]["VERSION"] == "2"}) < 2:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
        failed = components.wait(component)
        num_until_then = len(load.answers) + NUM_THREADS
        load.wait_for(3 * NUM_THREADS)
    assert load.failures == []
    assert versions(load, num_until_then) == {"1"}
    assert failed["InferenceComponentStatus"] == "InService"
    assert "in state ALARM is errors" in failed["FailureReason"]
    assert failed["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    cloudwatch.delete_alarms(AlarmNames=["errors"])


def test_an_update_may_change_the_number_of_copies_too(
    components: Any, endpoint: str, component: str
) -> None:
    for num_copies, version in ((3, "2"), (1, "3")):
        updated = components.update(
            component,
            Specification=specification({"VERSION": version}),
            RuntimeConfig={"CopyCount": num_copies},
            DeploymentConfig=rolling(),
        )
        assert updated["RuntimeConfig"] == {
            "DesiredCopyCount": num_copies,
            "CurrentCopyCount": num_copies,
        }
        assert len(components.pids(endpoint, component, num_copies)) == num_copies


def test_without_room_for_new_copies_an_update_fails_and_the_old_ones_serve(
    components: Any, endpoint: str, component: str
) -> None:
    neighbour = components.deploy(endpoint, num_copies=2)
    failed = components.update(component, Specification=specification({"VERSION": "2"}))
    assert "not enough hardware resources" in failed["FailureReason"]
    assert components.ask(endpoint, component)["environ"]["VERSION"] == "1"
    components.scale(neighbour, 1)
    rolled = components.update(
        component, Specification=specification({"VERSION": "2"}), DeploymentConfig=rolling()
    )
    assert "FailureReason" not in rolled, "one place is enough for batches of one"
    components.delete(neighbour)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"Type": "COPY_COUNT", "Value": 2}, "found 2 COPY_COUNT of 2 copies"),
        ({"Type": "CAPACITY_PERCENT", "Value": 51}, "between 5% and 50% of the copy count"),
        ({"Type": "CAPACITY_PERCENT", "Value": 4}, "between 5% and 50%"),
    ],
)
def test_a_batch_of_more_than_half_is_refused(
    components: Any, component: str, size: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{message}"):
        components.update(
            component, Specification=specification(), DeploymentConfig=rolling(MaximumBatchSize=size)
        )


def test_a_component_may_be_updated_again_after_it_went_back(
    components: Any, endpoint: str, component: str
) -> None:
    components.fault("UpdateInferenceComponent", "FailedHealthCheck")
    failed = components.update(component, Specification=specification({"VERSION": "2"}))
    assert "did not pass the ping health check" in failed["FailureReason"]
    updated = components.update(component, Specification=specification({"VERSION": "2"}))
    assert "FailureReason" not in updated
    assert components.ask(endpoint, component)["environ"]["VERSION"] == "2"


class Here:
    """A component in this process with two copies of an old spec, and launches that fail when they are to.

    Args:
        home: Of its sandbox.
    """

    def __init__(self, home: Path) -> None:
        variant = Variant(
            name="AllTraffic", container=None, num_instances=1, weight=1, startup_timeout_s=600,
            instance_type=INSTANCE_TYPE,
        )  # fmt: skip
        self.old, self.new = (
            ComponentSpec(
                container={"Image": IMAGE, "Environment": {"VERSION": version}},
                needs=Resources(num_accelerators=1, memory_mib=1024),
                startup_timeout_s=600,
            )
            for version in "12"
        )
        self.component = RunningComponent(
            Context(home),
            region="us-east-1",
            name="one",
            endpoint="here",
            machines=Machines(variant),
            spec=self.old,
        )
        self._launch = self.component.launch
        self.component.admit(self._launch(self.old, 2))

    @property
    def specs(self) -> list[ComponentSpec]:
        """What the copies run, the oldest copy first."""
        return [copy.spec for copy in self.component.copies]

    def roll(self, patch: pytest.MonkeyPatch, *failures: Exception | None) -> None:
        """Replace the copies one by one; the launches fail with these errors, in this order."""
        pending = iter(failures)

        def launch(*launched: Any) -> list[Instance]:
            if failure := next(pending, None):
                raise failure
            return self._launch(*launched)

        patch.setattr(self.component, "launch", launch)
        policy = DeploymentPolicy(batch=ROLLING["MaximumBatchSize"])
        Rolling(self.component, self.new, 2, policy, take_fault=lambda: None).run()


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Here]:
    here = Here(tmp_path)
    yield here
    here.component.stop(5)


def test_what_nobody_foresaw_in_the_second_batch_brings_the_replaced_copies_back(
    one: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeploymentFailedError, match="contact customer support"):
        one.roll(monkeypatch, None, OSError(errno.ENOSPC, "No space left on device"))
    assert one.specs == [one.old, one.old]
    assert one.component.num_healthy == 2
    assert one.component.spec is one.old


def test_a_rollback_that_fails_leaves_a_mix_that_the_next_update_replaces(
    one: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = (DeploymentFailedError("The second batch."), DeploymentFailedError("The way back."))
    with pytest.raises(RollbackFailedError, match=r"^The second batch\. .* failed, too: The way back\.$"):
        one.roll(monkeypatch, None, *failures)
    assert one.specs == [one.old, one.new]
    assert one.component.num_healthy == 2
    one.roll(monkeypatch)
    assert one.specs == [one.new, one.new]
    assert one.component.spec is one.new
