"""Scalable targets, policies and their tags through boto3: what is answered, kept and refused."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from tests.sandbox.scaling.scaled_components import COPIES, Scaling, eventually

from sandbox.api.service_model import service_model
from sandbox.operations import AUTO_SCALING
from sandbox.scaling.api import MAX_RESULTS

TRACKED = "SageMakerInferenceComponentInvocationsPerCopy"
OF_VARIANTS = "SageMakerVariantInvocationsPerInstance"
STEPS = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
}


@pytest.fixture(scope="module")
def component(scaling: Scaling, endpoint: str) -> str:
    return scaling.create_component(endpoint)


@pytest.fixture
def target(scaling: Scaling, component: str) -> Any:
    """A registered component, as other calls name it."""
    names = scaling.register(component, 1, 3)
    yield names
    scaling.autoscaling.deregister_scalable_target(**names)


def track(scaling: Scaling, names: dict[str, str], name: str = "track", **members: Any) -> dict[str, Any]:
    configuration = {"TargetValue": 5, "PredefinedMetricSpecification": {"PredefinedMetricType": TRACKED}}
    return scaling.autoscaling.put_scaling_policy(
        **names,
        PolicyName=name,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            member: value for member, value in {**configuration, **members}.items() if value is not None
        },
    )


def test_a_target_is_described_as_it_was_registered(scaling: Scaling, target: dict[str, str]) -> None:
    (described,) = scaling.autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")[
        "ScalableTargets"
    ]
    assert described.items() >= {**target, "MinCapacity": 1, "MaxCapacity": 3}.items()
    assert described["SuspendedState"] == {
        "DynamicScalingInSuspended": False,
        "DynamicScalingOutSuspended": False,
        "ScheduledScalingSuspended": False,
    }
    scaling.autoscaling.register_scalable_target(
        **target, MaxCapacity=4, SuspendedState={"DynamicScalingInSuspended": True}
    )
    (described,) = scaling.autoscaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[target["ResourceId"]], ScalableDimension=COPIES
    )["ScalableTargets"]
    assert (described["MinCapacity"], described["MaxCapacity"]) == (1, 4)
    assert described["SuspendedState"]["DynamicScalingInSuspended"] is True


def test_a_capacity_out_of_bounds_is_brought_within(
    scaling: Scaling, target: dict[str, str], component: str
) -> None:
    scaling.autoscaling.register_scalable_target(**target, MinCapacity=2)
    eventually(lambda: scaling.copies(component)["CurrentCopyCount"] == 2)
    scaling.autoscaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=1)
    eventually(lambda: scaling.copies(component)["CurrentCopyCount"] == 1)
    eventually(lambda: scaling.activities(component)[0]["StatusCode"] == "Successful")
    newest, before = scaling.activities(component)[:2]
    assert (before["Cause"], newest["Cause"]) == (
        "minimum capacity was set to 2",
        "maximum capacity was set to 1",
    )
    assert newest["StatusMessage"] == (
        "Successfully set desired copy count to 1. Change successfully fulfilled by sagemaker."
    )
    assert newest["EndTime"] >= newest["StartTime"]


def test_target_tracking_brings_two_alarms_that_go_with_it(
    scaling: Scaling, target: dict[str, str], component: str
) -> None:
    put = track(scaling, target)
    high, low = (scaling.alarm(alarm["AlarmName"]) for alarm in put["Alarms"])
    shared = {"Namespace": "AWS/SageMaker", "MetricName": "InvocationsPerCopy", "Statistic": "Sum"}
    assert high.items() >= {**shared, "Period": 60, "EvaluationPeriods": 3, "Threshold": 5.0}.items()
    assert low.items() >= {**shared, "Period": 60, "EvaluationPeriods": 15, "Threshold": 4.5}.items()
    assert high["Dimensions"] == [{"Name": "InferenceComponentName", "Value": component}]
    assert high["AlarmActions"] == low["AlarmActions"] == [put["PolicyARN"]]
    assert high["ComparisonOperator"] == "GreaterThanThreshold"
    assert low["ComparisonOperator"] == "LessThanThreshold"

    again = track(scaling, target, TargetValue=8, DisableScaleIn=True)
    assert again["PolicyARN"] == put["PolicyARN"]
    assert again["Alarms"] == put["Alarms"][:1]
    assert scaling.alarm(high["AlarmName"])["Threshold"] == 8
    (described,) = scaling.autoscaling.describe_scaling_policies(
        ServiceNamespace="sagemaker", PolicyNames=["track"]
    )["ScalingPolicies"]
    assert described["Alarms"] == again["Alarms"]
    assert described["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 8

    scaling.autoscaling.delete_scaling_policy(**target, PolicyName="track")
    assert not scaling.cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking")["MetricAlarms"]
    assert not scaling.autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]


def test_high_resolution_has_periods_of_ten_seconds(scaling: Scaling, target: dict[str, str]) -> None:
    kind = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
    put = track(scaling, target, PredefinedMetricSpecification={"PredefinedMetricType": kind})
    found = [scaling.alarm(alarm["AlarmName"]) for alarm in put["Alarms"]]
    assert [(each["MetricName"], each["Period"], each["EvaluationPeriods"]) for each in found] == [
        ("ConcurrentRequestsPerCopy", 10, 3),
        ("ConcurrentRequestsPerCopy", 10, 90),
    ]


def test_a_step_policy_names_the_alarms_that_run_it(scaling: Scaling, target: dict[str, str]) -> None:
    arn = scaling.autoscaling.put_scaling_policy(
        **target, PolicyName="steps", StepScalingPolicyConfiguration=STEPS
    )["PolicyARN"]
    assert ":scalingPolicy:" in arn
    assert arn.endswith(f":resource/sagemaker/{target['ResourceId']}:policyName/steps")
    scaling.cloudwatch.put_metric_alarm(
        AlarmName="of-the-user",
        AlarmActions=[arn],
        Namespace="Test",
        MetricName="x",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    (described,) = scaling.autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker")[
        "ScalingPolicies"
    ]
    assert [alarm["AlarmName"] for alarm in described["Alarms"]] == ["of-the-user"]
    assert described["PolicyType"] == "StepScaling"


def test_targets_and_policies_have_pages(scaling: Scaling, target: dict[str, str]) -> None:
    for number in range(3):
        scaling.autoscaling.put_scaling_policy(
            **target, PolicyName=f"steps-{number}", StepScalingPolicyConfiguration=STEPS
        )
    pages = scaling.autoscaling.get_paginator("describe_scaling_policies").paginate(
        ServiceNamespace="sagemaker", PaginationConfig={"PageSize": 2}
    )
    found = [[each["PolicyName"] for each in page["ScalingPolicies"]] for page in pages]
    assert found == [["steps-0", "steps-1"], ["steps-2"]]
    with pytest.raises(scaling.autoscaling.exceptions.InvalidNextTokenException):
        scaling.autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker", NextToken="x")


def test_a_page_has_as_many_as_are_documented(scaling: Scaling, target: dict[str, str]) -> None:
    for number in range(11):
        scaling.autoscaling.put_scaling_policy(
            **target, PolicyName=f"steps-{number}", StepScalingPolicyConfiguration=STEPS
        )
    answer = scaling.autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker")
    assert (len(answer["ScalingPolicies"]), "NextToken" in answer) == (10, True)
    model = service_model("application-autoscaling")
    for operation, limit in MAX_RESULTS.items():
        member = model.operation_model(operation).input_shape.members["MaxResults"]
        assert f"between 1 and {limit}. The default value is {limit}" in member.documentation
        describe = getattr(scaling.autoscaling, xform_name(operation))
        for size in (0, limit + 1):  # with pages of none there would be no end of them
            with pytest.raises(ClientError, match=f"MaxResults must be between 1 and {limit}, not {size}"):
                describe(ServiceNamespace="sagemaker", MaxResults=size)


def test_a_dimension_filters_and_goes_only_with_a_resource(scaling: Scaling, target: dict[str, str]) -> None:
    autoscaling, namespace = scaling.autoscaling, {"ServiceNamespace": "sagemaker"}
    dimension = {"ScalableDimension": target["ScalableDimension"]}
    other = {"ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
    assert other != dimension
    resource = {"ResourceIds": [target["ResourceId"]]}
    assert autoscaling.describe_scalable_targets(**namespace, **resource, **dimension)["ScalableTargets"]
    assert not autoscaling.describe_scalable_targets(**namespace, **resource, **other)["ScalableTargets"]
    for describe, member in (
        (autoscaling.describe_scalable_targets, "ResourceIds"),
        (autoscaling.describe_scaling_policies, "ResourceId"),
        (autoscaling.describe_scaling_activities, "ResourceId"),
    ):
        with pytest.raises(ClientError, match=f"{member} must be specified when ScalableDimension is"):
            describe(**namespace, **dimension)


def test_tags_of_a_target(scaling: Scaling, target: dict[str, str]) -> None:
    autoscaling = scaling.autoscaling
    (described,) = autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    arn = described["ScalableTargetARN"]
    autoscaling.tag_resource(ResourceARN=arn, Tags={"a": "1", "b": "2"})
    autoscaling.untag_resource(ResourceARN=arn, TagKeys=["a", "never-was"])
    assert autoscaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"b": "2"}
    with pytest.raises(autoscaling.exceptions.ResourceNotFoundException):
        autoscaling.list_tags_for_resource(ResourceARN=f"{arn}x")


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"ServiceNamespace": "ecs"}, "scales nothing of the service namespace ecs"),
        (
            {"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"},
            "does not scale sagemaker:variant:DesiredProvisionedConcurrency",
        ),
        ({"ScalableDimension": "sagemaker:nonsense"}, "Member must satisfy enum value set"),
        ({"ResourceId": "component-1"}, "Unsupported service namespace, resource type or scalable dimension"),
        ({"ResourceId": "inference-component/never-was"}, "never-was"),
        ({"MaxCapacity": 0}, "MinCapacity must be 0 to MaxCapacity, not 1 with a MaxCapacity of 0"),
        ({"MinCapacity": None}, "MinCapacity and MaxCapacity are required"),
    ],
)
def test_a_target_that_cannot_be_scaled_is_refused(
    scaling: Scaling, component: str, members: dict[str, Any], problem: str
) -> None:
    given = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"inference-component/{component}",
        "ScalableDimension": COPIES,
        "MinCapacity": 1,
        "MaxCapacity": 2,
        **members,
    }
    with pytest.raises(ClientError, match=problem) as refused:
        scaling.autoscaling.register_scalable_target(
            **{member: value for member, value in given.items() if value is not None}
        )
    assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        (
            {
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
                }
            },
            "does not track SageMakerVariantInvocationsPerInstance for sagemaker:inference-component",
        ),
        ({"PredefinedMetricSpecification": None}, "Give either PredefinedMetricSpecification or"),
        (
            {
                "PredefinedMetricSpecification": None,
                "CustomizedMetricSpecification": {"Metrics": [{"Id": "a", "Expression": "b"}]},
            },
            "does not track Metric Math",
        ),
        ({"TargetValue": 0}, "TargetValue must be above 0"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(
    scaling: Scaling, target: dict[str, str], members: dict[str, Any], problem: str
) -> None:
    configuration = {
        "TargetValue": 5,
        "PredefinedMetricSpecification": {"PredefinedMetricType": TRACKED},
        **members,
    }
    with pytest.raises(ClientError, match=problem):
        scaling.autoscaling.put_scaling_policy(
            **target,
            PolicyName="refused",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                member: value for member, value in configuration.items() if value is not None
            },
        )
    assert not scaling.cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking")["MetricAlarms"]


def test_a_metric_is_tracked_once(scaling: Scaling, target: dict[str, str]) -> None:
    track(scaling, target)
    with pytest.raises(ClientError, match="Only one TargetTrackingScaling policy for a given metric"):
        track(scaling, target, "again")


def test_what_does_not_exist_is_said_in_awss_words(scaling: Scaling, component: str) -> None:
    autoscaling = scaling.autoscaling
    names = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"inference-component/{component}",
        "ScalableDimension": COPIES,
    }
    resource = f"service namespace: sagemaker, resource ID: inference-component/{component}"
    shown = f"{resource}, scalable dimension: {COPIES}"
    missing = autoscaling.exceptions.ObjectNotFoundException
    with pytest.raises(missing, match=f"No scalable target found for {shown}"):
        autoscaling.deregister_scalable_target(**names)
    with pytest.raises(missing, match=f"No scalable target registered for {shown}"):
        track(scaling, names)
    with pytest.raises(missing, match=f"No scaling policy found for {shown}, policy name: x"):
        autoscaling.delete_scaling_policy(**names, PolicyName="x")


def test_every_other_operation_is_named_in_its_error_response(scaling: Scaling) -> None:
    from botocore.loaders import Loader

    model = Loader().load_service_model(AUTO_SCALING.name, "service-2")
    others = set(model["operations"]) - set(AUTO_SCALING.operations)
    assert others == {
        "DeleteScheduledAction",
        "DescribeScheduledActions",
        "GetPredictiveScalingForecast",
        "PutScheduledAction",
    }
    with pytest.raises(ClientError, match="does not implement DescribeScheduledActions") as refused:
        scaling.autoscaling.describe_scheduled_actions(ServiceNamespace="sagemaker")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_targets_policies_and_activities_outlive_the_sandbox(scaling: Scaling, component: str) -> None:
    names = scaling.register(component, 1, 3)
    put = track(scaling, names)
    activities = scaling.activities(component)
    scaling.sandbox.restart()
    (target,) = scaling.autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert target["MaxCapacity"] == 3
    (policy,) = scaling.autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert policy["Alarms"] == put["Alarms"]
    assert {alarm["AlarmName"] for alarm in put["Alarms"]} == {
        alarm["AlarmName"]
        for alarm in scaling.cloudwatch.describe_alarms()["MetricAlarms"]
        if alarm["AlarmName"].startswith("TargetTracking")
    }
    assert scaling.activities(component) == activities


def test_the_alarms_of_a_customized_metric_look_at_its_unit(scaling: Scaling, target: dict[str, str]) -> None:
    metric = {"Namespace": "n", "MetricName": "m", "Statistic": "Average", "Unit": "Count"}
    placed = track(scaling, target, PredefinedMetricSpecification=None, CustomizedMetricSpecification=metric)
    names = [alarm["AlarmName"] for alarm in placed["Alarms"]]
    assert [scaling.alarm(name)["Unit"] for name in names] == ["Count", "Count"]
