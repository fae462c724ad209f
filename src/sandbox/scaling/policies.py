"""Scaling policies: target tracking with the alarms it brings, and steps that an alarm of the user runs."""

from __future__ import annotations

import time
import uuid
from typing import Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import ACCOUNT_ID, Call
from sandbox.scaling import alarm_records, running
from sandbox.scaling.api import NAMESPACE, check_dimension, operation, page
from sandbox.scaling.capacity import Scaled, scaled
from sandbox.scaling.step_scaling import check_steps
from sandbox.scaling.target_tracking import alarms_of, metric_of
from sandbox.scaling.targets import KIND, registered, shown_target

TARGET_TRACKING, STEPS = "TargetTrackingScaling", "StepScaling"
_CONFIGURATIONS = {
    TARGET_TRACKING: "TargetTrackingScalingPolicyConfiguration",
    STEPS: "StepScalingPolicyConfiguration",
}
_MAX_POLICIES = 50


@operation("PutScalingPolicy")
def put_scaling_policy(call: Call) -> dict[str, Any]:
    request = call.request
    target = scaled(request["ResourceId"], request["ScalableDimension"])
    known = registered(call, target)["_policies"].get(request["PolicyName"])
    kind = request.get("PolicyType") or (known["PolicyType"] if known else STEPS)
    configuration = _configuration(call, kind)
    _check(call, target, kind, configuration, known)
    arn_id = uuid.uuid4()
    policy = {
        "PolicyARN": f"arn:aws:autoscaling:{call.region}:{ACCOUNT_ID}:scalingPolicy:{arn_id}:resource/"
        f"{NAMESPACE}/{target.resource_id}:policyName/{request['PolicyName']}",
        "CreationTime": time.time(),
        "Alarms": [],
        **(known or {}),
        "PolicyName": request["PolicyName"],
        "PolicyType": kind,
        _CONFIGURATIONS[kind]: configuration,
    }
    if kind == TARGET_TRACKING:
        policy["Alarms"] = _place_alarms(call, target, policy)
    try:
        with call.context.resources.change(KIND, call.region, target.resource_id) as record:
            record["_policies"][request["PolicyName"]] = policy
    except KeyError:  # deregistered meanwhile
        running.delete_alarms(call.region, [alarm["AlarmName"] for alarm in policy["Alarms"]])
        registered(call, target)
    return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}


@operation("DescribeScalingPolicies")
def describe_scaling_policies(call: Call) -> dict[str, Any]:
    request = call.request
    check_dimension(call, "ResourceId")
    shown = [
        {
            **policy,
            "ServiceNamespace": NAMESPACE,
            "ResourceId": record["ResourceId"],
            "ScalableDimension": record["ScalableDimension"],
            "Alarms": policy["Alarms"] or _alarms_that_run(call.region, policy["PolicyARN"]),
        }
        for record in call.context.resources.all(KIND, call.region)
        for policy in record["_policies"].values()
        if request.get("ResourceId") in (None, record["ResourceId"])
        and request.get("ScalableDimension") in (None, record["ScalableDimension"])
        and (not request.get("PolicyNames") or policy["PolicyName"] in request["PolicyNames"])
    ]
    shown.sort(key=lambda each: (each["ResourceId"], each["CreationTime"]))
    return page(call, shown, "ScalingPolicies")


@operation("DeleteScalingPolicy")
def delete_scaling_policy(call: Call) -> dict[str, Any]:
    target, name = scaled(call.request["ResourceId"], call.request["ScalableDimension"]), None
    name = call.request["PolicyName"]
    try:
        with call.context.resources.change(KIND, call.region, target.resource_id) as record:
            policy = record["_policies"].pop(name)
    except KeyError:  # no such target, or no such policy
        raise AwsError(
            "ObjectNotFoundException",
            f"No scaling policy found for {shown_target(target)}, policy name: {name}",
        ) from None
    running.delete_alarms(call.region, [alarm["AlarmName"] for alarm in policy["Alarms"]])
    return {}


def _configuration(call: Call, kind: str) -> dict[str, Any]:
    if kind not in _CONFIGURATIONS:
        raise validation_error(f"The sandbox does not implement the policy type {kind}.")
    configuration = call.request.get(_CONFIGURATIONS[kind])
    others = [member for of, member in _CONFIGURATIONS.items() if of != kind and member in call.request]
    if configuration is None or others:
        raise validation_error(f"A policy of the type {kind} takes {_CONFIGURATIONS[kind]}, and no other.")
    return {"DisableScaleIn": False, **configuration} if kind == TARGET_TRACKING else configuration


def _check(
    call: Call, target: Scaled, kind: str, configuration: dict[str, Any], known: dict[str, Any] | None
) -> None:
    """Refuse what Application Auto Scaling refuses."""
    policies = registered(call, target)["_policies"]
    if known is not None and known["PolicyType"] != kind:
        raise validation_error(
            f"The policy {known['PolicyName']} is of the type {known['PolicyType']}; delete it first."
        )
    if known is None and len(policies) >= _MAX_POLICIES:
        raise AwsError("LimitExceededException", f"A scalable target has at most {_MAX_POLICIES} policies.")
    if kind == STEPS:
        check_steps(configuration)
        return
    if configuration["TargetValue"] <= 0:
        raise validation_error("TargetValue must be above 0.")
    metric = metric_of(target, configuration)
    for name, other in policies.items():
        if name == call.request["PolicyName"] or other["PolicyType"] != TARGET_TRACKING:
            continue
        if metric_of(target, other[_CONFIGURATIONS[TARGET_TRACKING]]) == metric:
            raise validation_error(
                "Only one TargetTrackingScaling policy for a given metric specification is allowed."
            )


def _place_alarms(call: Call, target: Scaled, policy: dict[str, Any]) -> list[dict[str, str]]:
    known = [alarm["AlarmName"] for alarm in policy["Alarms"]]
    configuration = policy[_CONFIGURATIONS[TARGET_TRACKING]]
    given = alarms_of(target, configuration, policy["PolicyARN"], known)
    placed = [running.place_alarm(call.region, each) for each in given]
    names = {alarm.name for alarm in placed}
    running.delete_alarms(call.region, [name for name in known if name not in names])
    return [{"AlarmName": alarm.name, "AlarmARN": alarm.alarm_arn} for alarm in placed]


def _alarms_that_run(region: str, policy_arn: str) -> list[dict[str, str]]:
    return [
        {"AlarmName": alarm.name, "AlarmARN": alarm.alarm_arn}
        for alarm in list(alarm_records.backend(region).alarms.values())
        if policy_arn in [*alarm.alarm_actions, *alarm.ok_actions, *alarm.insufficient_data_actions]
    ]
