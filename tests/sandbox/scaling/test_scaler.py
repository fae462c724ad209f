"""Bounds, cooldowns, suspension, several policies on one target; alarms are set by hand where it helps."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import requests
from tests.sandbox.scaling.scaled_components import SPEED, Scaling, eventually

from sandbox.scaling.target_tracking import SCALE_IN_AFTER_S

INVOCATIONS = "SageMakerInferenceComponentInvocationsPerCopy"
LONG_S = 864_000  # of this clock, 24 minutes of ours: longer than any test
_names = itertools.count(1)


@pytest.fixture
def component(scaling: Scaling, endpoint: str) -> Any:
    name = scaling.create_component(endpoint)
    yield name
    eventually(lambda: scaling.copies(name)["CurrentCopyCount"] >= 0)
    scaling.sagemaker.delete_inference_component(InferenceComponentName=name)


class Steps:
    """A step policy of a component, and an alarm that runs it with what a test says the metric is."""

    def __init__(
        self, scaling: Scaling, names: dict[str, str], steps: list[dict[str, Any]], **members: Any
    ) -> None:
        self._scaling, self.name = scaling, f"steps-{next(_names)}"
        arn = scaling.autoscaling.put_scaling_policy(
            **names,
            PolicyName=self.name,
            StepScalingPolicyConfiguration={
                "AdjustmentType": "ChangeInCapacity",
                "Cooldown": LONG_S,
                "StepAdjustments": steps,
                **members,
            },
        )["PolicyARN"]
        scaling.cloudwatch.put_metric_alarm(
            AlarmName=self.name,
            AlarmActions=[arn],
            Namespace="Test",
            MetricName="set-by-hand",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="ignore",  # so that no evaluation changes what the test set
        )

    def run(self, *values: float) -> str:
        """Bring the alarm into ALARM with these data points, and return what became of its action."""
        for state, data in (("OK", {}), ("ALARM", {"recentDatapoints": values})):
            self._scaling.cloudwatch.set_alarm_state(
                AlarmName=self.name, StateValue=state, StateReason="a test", StateReasonData=json.dumps(data)
            )
        reported = self._scaling.cloudwatch.describe_alarm_history(
            AlarmName=self.name, HistoryItemType="Action", MaxRecords=1
        )
        return reported["AlarmHistoryItems"][0]["HistorySummary"]


def settled(scaling: Scaling, name: str) -> int:
    """Return the number of copies once nothing is being changed."""
    eventually(lambda: scaling.copies(name)["CurrentCopyCount"] >= 0)
    found = scaling.copies(name)
    assert found["CurrentCopyCount"] == found["DesiredCopyCount"]
    return found["CurrentCopyCount"]


UP = [
    {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10, "MetricIntervalUpperBound": 20, "ScalingAdjustment": 2},
    {"MetricIntervalLowerBound": 20, "ScalingAdjustment": 9},
]
DOWN = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": -1}]


def test_while_a_scale_out_cools_down_only_a_larger_one_adds(scaling: Scaling, component: str) -> None:
    names = scaling.register(component, 1, 4)
    steps = Steps(scaling, names, UP)
    assert steps.run(5).startswith("Successfully executed action")
    assert settled(scaling, component) == 2
    steps.run(5)
    assert settled(scaling, component) == 2
    steps.run(15)
    assert settled(scaling, component) == 3  # two more than the one there was, not than the two there are


def test_capacity_stays_within_its_bounds(scaling: Scaling, component: str) -> None:
    names = scaling.register(component, 1, 2)
    Steps(scaling, names, UP).run(50)
    assert settled(scaling, component) == 2
    Steps(scaling, names, [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": -9}]).run(5)
    assert settled(scaling, component) == 1


def test_a_scale_in_that_cools_down_blocks_the_next_but_no_scale_out(
    scaling: Scaling, component: str
) -> None:
    names = scaling.register(component, 0, 3)
    Steps(scaling, names, UP).run(15)
    assert settled(scaling, component) == 3
    down = Steps(scaling, names, DOWN)
    down.run(5)
    assert settled(scaling, component) == 2
    down.run(5)
    assert settled(scaling, component) == 2
    Steps(scaling, names, UP).run(5)
    assert settled(scaling, component) == 3


def test_a_cooldown_ends(scaling: Scaling, component: str) -> None:
    names = scaling.register(component, 1, 3)
    steps = Steps(scaling, names, UP, Cooldown=1)
    steps.run(5)
    assert settled(scaling, component) == 2
    eventually(lambda: steps.run(5) and scaling.copies(component)["DesiredCopyCount"] == 3)
    assert settled(scaling, component) == 3


@pytest.mark.parametrize(("way", "steps"), [("Out", UP), ("In", DOWN)])
def test_a_suspended_target_is_not_scaled(
    scaling: Scaling, component: str, way: str, steps: list[dict[str, Any]]
) -> None:
    names = scaling.register(component, 0, 3)
    scaling.autoscaling.register_scalable_target(
        **names, SuspendedState={f"DynamicScaling{way}Suspended": True}
    )
    Steps(scaling, names, steps).run(5)
    assert settled(scaling, component) == 1
    assert scaling.activities(component) == []


def test_what_sagemaker_refuses_is_a_failed_activity(scaling: Scaling, component: str) -> None:
    names = scaling.register(component, 1, 3)
    steps = Steps(scaling, names, UP)
    fault = {"operation": "UpdateInferenceComponentRuntimeConfig", "fault": "ResourceLimitExceeded"}
    requests.put(f"{scaling.sandbox.url}/_sandbox/faults", json=fault, timeout=300).raise_for_status()
    steps.run(5)
    assert settled(scaling, component) == 1
    (activity,) = scaling.activities(component)
    assert activity["StatusCode"] == "Failed"
    assert activity["StatusMessage"].startswith("Failed to set desired copy count to 2. Reason: ")


def test_an_alarm_without_a_policy_or_a_value_says_so(scaling: Scaling, component: str) -> None:
    names = scaling.register(component, 1, 3)
    steps = Steps(scaling, names, UP)
    assert steps.run().endswith(": Metric data points must be provided")
    scaling.autoscaling.delete_scaling_policy(**names, PolicyName=steps.name)
    assert steps.run(5).endswith(": there is no such scaling policy")
    assert settled(scaling, component) == 1


def test_the_zeros_of_an_idle_component_reach_an_alarm_though_nobody_reads_them(
    scaling: Scaling, component: str
) -> None:
    scaling.cloudwatch.put_metric_alarm(
        AlarmName="idle",
        Namespace="AWS/SageMaker",
        MetricName="InvocationsPerCopy",
        Dimensions=[{"Name": "InferenceComponentName", "Value": component}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=3,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
    )
    eventually(lambda: scaling.alarm("idle")["StateValue"] == "ALARM", "the alarm")
    assert "3 out of the last 3 datapoints [0.0 (" in scaling.alarm("idle")["StateReason"]
    scaling.cloudwatch.delete_alarms(AlarmNames=["idle"])


def test_a_component_that_was_woken_is_not_taken_away_for_the_time_it_slept(
    scaling: Scaling, component: str
) -> None:
    names = scaling.register(component, 0, 1)
    scaling.autoscaling.put_scaling_policy(
        **names,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 10,
            "ScaleInCooldown": 0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": INVOCATIONS},
        },
    )
    eventually(lambda: scaling.copies(component)["CurrentCopyCount"] == 0, "scaling in")
    Steps(scaling, names, UP).run(5)
    eventually(lambda: len(scaling.activities(component)) == 3, "scaling in again")
    again, woken, _ = scaling.activities(component)
    assert (again["StartTime"] - woken["EndTime"]).total_seconds() >= SCALE_IN_AFTER_S / SPEED


def test_a_target_is_scaled_in_only_when_all_its_policies_agree(scaling: Scaling, component: str) -> None:
    names = scaling.register(component, 1, 3)
    Steps(scaling, names, UP).run(5)
    assert settled(scaling, component) == 2

    def track(name: str, **metric: Any) -> str:
        put = scaling.autoscaling.put_scaling_policy(
            **names,
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={"TargetValue": 10, "ScaleInCooldown": 0, **metric},
        )
        return put["Alarms"][1]["AlarmName"]

    queue = {"Namespace": "Test", "MetricName": "queue", "Dimensions": [], "Statistic": "Average"}
    track("queue", CustomizedMetricSpecification=queue)
    idle = track(
        "idle",
        PredefinedMetricSpecification={
            "PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"
        },
    )

    def num_actions() -> int:
        reported = scaling.cloudwatch.describe_alarm_history(AlarmName=idle, HistoryItemType="Action")
        return len(reported["AlarmHistoryItems"])

    eventually(lambda: num_actions() >= 3, "the action of the idle component's alarm")
    assert settled(scaling, component) == 2

    def agrees() -> bool:
        scaling.cloudwatch.put_metric_data(Namespace="Test", MetricData=[{"MetricName": "queue", "Value": 1}])
        return scaling.copies(component)["CurrentCopyCount"] == 1

    eventually(agrees, "scaling in")
