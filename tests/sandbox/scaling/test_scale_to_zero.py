"""An inference component scales out under load, to zero when idle, and back when it is asked again."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.scaling.scaled_components import TIMEOUT_S, Scaling, eventually

CONCURRENCY = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
NO_CAPACITY = "Inference Component has no capacity to process this request"


def test_a_component_scales_out_to_zero_and_wakes_up(scaling: Scaling, endpoint: str) -> None:
    name = scaling.create_component(endpoint)
    names = scaling.register(name, 0, 2)
    autoscaling, cloudwatch = scaling.autoscaling, scaling.cloudwatch

    def invoke(**asked: Any) -> dict[str, Any]:
        answer = scaling.runtime.invoke_endpoint(
            EndpointName=endpoint, InferenceComponentName=name, Body=json.dumps({"tell": 1, **asked})
        )
        return json.loads(answer["Body"].read())

    # Scale out: four requests at a time on one copy, where one is what it shall have. They come before the
    # policy, which would find a quarter of an hour without any.
    is_asked, is_enough = threading.Event(), threading.Event()

    def keep_asking() -> None:
        while not is_enough.is_set():
            assert invoke(sleep_s=0.2)
            is_asked.set()

    with ThreadPoolExecutor(4) as pool:
        load = [pool.submit(keep_asking) for _ in range(4)]
        try:
            assert is_asked.wait(TIMEOUT_S)
            tracking = autoscaling.put_scaling_policy(
                **names,
                PolicyName="track",
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration={
                    "TargetValue": 1,
                    "PredefinedMetricSpecification": {"PredefinedMetricType": CONCURRENCY},
                    "ScaleInCooldown": 60,
                    "ScaleOutCooldown": 60,
                },
            )
            high, low = (alarm["AlarmName"] for alarm in tracking["Alarms"])
            assert high.startswith(f"TargetTracking-inference-component/{name}-AlarmHigh-")
            assert low.startswith(f"TargetTracking-inference-component/{name}-AlarmLow-")
            eventually(lambda: scaling.copies(name)["CurrentCopyCount"] == 2, "scaling out")
        finally:
            is_enough.set()
        for each in load:
            each.result()

    # Idle: nothing in flight for a quarter of an hour of AWS.
    eventually(lambda: scaling.copies(name)["CurrentCopyCount"] == 0, "scaling in to zero")
    assert scaling.copies(name) == {"DesiredCopyCount": 0, "CurrentCopyCount": 0}
    with pytest.raises(ClientError, match=NO_CAPACITY):
        invoke()

    # Wake up: without a copy the target is tracked no more, the step policy's alarm is what acts.
    steps = autoscaling.put_scaling_policy(
        **names,
        PolicyName="wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "MetricAggregationType": "Maximum",
            "Cooldown": 864_000,  # calls are refused until it is awake: one reason to wake up
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        },
    )
    cloudwatch.put_metric_alarm(
        AlarmName="wake",
        AlarmActions=[steps["PolicyARN"]],
        Namespace="AWS/SageMaker",
        MetricName="NoCapacityInvocationFailures",
        Dimensions=[{"Name": "InferenceComponentName", "Value": name}],
        Statistic="Maximum",
        Period=30,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
    )

    def is_awake() -> bool:
        try:
            return bool(invoke())
        except ClientError as error:
            if NO_CAPACITY not in str(error):
                raise
            return False

    eventually(is_awake, "waking up")

    reported = [(each["Description"], each["Cause"]) for each in reversed(scaling.activities(name))]
    assert reported == [
        ("Setting desired copy count to 2.", f"monitor alarm {high} in state ALARM triggered policy track"),
        ("Setting desired copy count to 0.", f"monitor alarm {low} in state ALARM triggered policy track"),
        ("Setting desired copy count to 1.", "monitor alarm wake in state ALARM triggered policy wake"),
    ]
    changes = cloudwatch.describe_alarm_history(AlarmName=low, HistoryItemType="StateUpdate")
    assert "Alarm updated from OK to ALARM" in [
        item["HistorySummary"] for item in changes["AlarmHistoryItems"]
    ]

    autoscaling.deregister_scalable_target(**names)
    assert not cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking")["MetricAlarms"]
