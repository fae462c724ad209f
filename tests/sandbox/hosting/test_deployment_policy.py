"""What a DeploymentConfig comes to: shares of the traffic, and instances of a batch."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.hosting.deployment_policy import batch_of, component_policy, endpoint_policy
from sandbox.hosting.specs import Variant


def fleet(num_instances: int) -> list[Variant]:
    return [Variant(name="A", container={}, num_instances=num_instances, weight=1.0, startup_timeout_s=1.0)]


def size(value: int, kind: str = "INSTANCE_COUNT") -> dict[str, Any]:
    return {"Type": kind, "Value": value}


@pytest.mark.parametrize(
    ("routing", "shares"),
    [
        ({"Type": "ALL_AT_ONCE"}, [1.0]),
        ({"Type": "CANARY", "CanarySize": size(1)}, [0.1, 1.0]),
        ({"Type": "CANARY", "CanarySize": size(25, "CAPACITY_PERCENT")}, [0.25, 1.0]),
        ({"Type": "LINEAR", "LinearStepSize": size(33, "CAPACITY_PERCENT")}, [0.33, 0.66, 0.99, 1.0]),
        ({"Type": "LINEAR", "LinearStepSize": size(2)}, [0.2, 0.4, 0.6, 0.8, 1.0]),
        ({"Type": "LINEAR", "LinearStepSize": size(5)}, [0.5, 1.0]),
    ],
)
def test_traffic_moves_in_the_steps_that_are_asked_for(routing: dict[str, Any], shares: list[float]) -> None:
    config = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {**routing, "WaitIntervalInSeconds": 7}}
    }
    policy = endpoint_policy(config, old=fleet(3), new=fleet(10))
    assert policy.shares == pytest.approx(shares)
    assert policy.wait_s == 7
    assert policy.batch is None


def test_without_a_config_all_traffic_moves_at_once_and_nothing_is_watched() -> None:
    policy = endpoint_policy(None, old=fleet(1), new=fleet(1))
    assert (policy.shares, policy.batch, policy.wait_s, policy.alarms) == ((1.0,), None, 0.0, ())


def test_alarms_are_watched_also_without_a_policy() -> None:
    config = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}]}}
    assert endpoint_policy(config, old=fleet(1), new=fleet(1)).alarms == ("a", "b")


@pytest.mark.parametrize(
    ("asked", "num_instances", "num"),
    [
        (None, 7, 7),
        (size(3), 7, 3),
        (size(50, "CAPACITY_PERCENT"), 7, 3),
        (size(5, "CAPACITY_PERCENT"), 7, 1),
    ],
)
def test_a_batch_has_one_instance_or_more(asked: Any, num_instances: int, num: int) -> None:
    assert batch_of(asked, num_instances) == num


def test_waits_limits_and_the_batches_of_a_way_back_are_those_that_are_asked_for() -> None:
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 1}
    blue_green = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 30}
    blue_green |= {"MaximumExecutionTimeoutInSeconds": 900}
    policy = endpoint_policy({"BlueGreenUpdatePolicy": blue_green}, old=fleet(4), new=fleet(4))
    assert (policy.wait_s, policy.termination_wait_s, policy.limit_s) == (1, 30, 900)
    rolling = {"MaximumBatchSize": size(1), "RollbackMaximumBatchSize": size(2), "WaitIntervalInSeconds": 3}
    rolling |= {"MaximumExecutionTimeoutInSeconds": 800}
    for policy in (
        endpoint_policy({"RollingUpdatePolicy": rolling}, old=fleet(4), new=fleet(4)),
        component_policy({"RollingUpdatePolicy": rolling}, 4),
    ):
        assert (policy.batch, policy.rollback_batch) == (size(1), size(2))
        assert (policy.wait_s, policy.limit_s) == (3, 800)
