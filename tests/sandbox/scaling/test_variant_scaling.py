"""A variant with a model scales its instances by the invocations that each of them gets."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.scaling.scaled_components import IMAGE, ROLE, Scaling, eventually

# A minute of AWS is 0.3 s here: a machine that takes 100 ms for a call makes three in each, more than the
# target. At 600 times the speed 30 ms a call were too many.
SPEED = 200
NAMES = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/variants/variant/A",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKED = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}


@pytest.fixture(scope="module")
def variants(scaling: Scaling) -> str:
    """An endpoint with one instance of a model."""
    sagemaker = scaling.sagemaker
    sagemaker.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    variant = {
        "VariantName": "A",
        "ModelName": "m",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.g5.xlarge",
    }
    sagemaker.create_endpoint_config(EndpointConfigName="variants", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="variants", EndpointConfigName="variants")

    def status() -> str:
        return sagemaker.describe_endpoint(EndpointName="variants")["EndpointStatus"]

    eventually(lambda: status() == "InService", "the endpoint in service")
    return "variants"


def counts(scaling: Scaling) -> tuple[int, int]:
    """Return current and desired instances."""
    (variant,) = scaling.sagemaker.describe_endpoint(EndpointName="variants")["ProductionVariants"]
    return variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]


def test_a_variant_does_not_scale_to_zero(scaling: Scaling, variants: str) -> None:
    with pytest.raises(ClientError, match="only inference components scale to 0"):
        scaling.autoscaling.register_scalable_target(**NAMES, MinCapacity=0, MaxCapacity=2)


def test_a_variant_that_does_not_exist_is_refused(scaling: Scaling, variants: str) -> None:
    names = {**NAMES, "ResourceId": "endpoint/variants/variant/never-was"}
    with pytest.raises(ClientError, match="Could not find variant never-was of endpoint variants"):
        scaling.autoscaling.register_scalable_target(**names, MinCapacity=1, MaxCapacity=2)


def test_a_variant_scales_out_under_load_and_in_when_asked_less(scaling: Scaling, variants: str) -> None:
    scaling.autoscaling.register_scalable_target(**NAMES, MinCapacity=1, MaxCapacity=2)
    put = scaling.autoscaling.put_scaling_policy(
        **NAMES,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 2,
            "PredefinedMetricSpecification": TRACKED,
            "ScaleInCooldown": 60,
            "ScaleOutCooldown": 60,
        },
    )
    high, low = (scaling.alarm(alarm["AlarmName"]) for alarm in put["Alarms"])
    assert high["AlarmName"].startswith("TargetTracking-endpoint/variants/variant/A-AlarmHigh-")
    assert high["MetricName"] == low["MetricName"] == "InvocationsPerInstance"
    assert high["Dimensions"] == [
        {"Name": "EndpointName", "Value": "variants"},
        {"Name": "VariantName", "Value": "A"},
    ]

    def asked(**_: Any) -> bool:
        for _ in range(4):
            scaling.runtime.invoke_endpoint(EndpointName="variants", Body=b"{}")
        return counts(scaling) == (2, 2)

    eventually(asked, "scaling out")

    # A variant has data points only while it is asked: no request at all would leave it as it is.
    def asked_less() -> bool:
        scaling.runtime.invoke_endpoint(EndpointName="variants", Body=b'{"sleep_s": 0.2}')
        return counts(scaling) == (1, 1)

    eventually(asked_less, "scaling in")
    activities = scaling.autoscaling.describe_scaling_activities(
        ServiceNamespace="sagemaker", ResourceId=NAMES["ResourceId"]
    )["ScalingActivities"]
    assert "Setting desired instance count to 2." in [each["Description"] for each in activities]
