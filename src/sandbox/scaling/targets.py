"""Scalable targets: which resource may be scaled, between which bounds, and their tags."""

from __future__ import annotations

import time
import uuid
from typing import Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import ACCOUNT_ID, Call
from sandbox.scaling import activities, running
from sandbox.scaling.api import NAMESPACE, check_dimension, operation, page
from sandbox.scaling.capacity import INSTANCES, Scaled, scaled

KIND = "scalable-target"  # a record holds its policies and tags, under "_policies" and "_tags"
MAX_TAGS = 50
_ROLE = (
    f"arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com"
    "/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
_SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


@operation("RegisterScalableTarget")
def register_scalable_target(call: Call) -> dict[str, Any]:
    request = call.request
    target = scaled(request["ResourceId"], request["ScalableDimension"])
    resources = call.context.resources
    known = resources.get(KIND, call.region, target.resource_id)
    smallest = request.get("MinCapacity", known and known["MinCapacity"])
    largest = request.get("MaxCapacity", known and known["MaxCapacity"])
    _check_bounds(target, smallest, largest)
    capacity = target.read(call.context, call.region)
    bounds = {"MinCapacity": smallest, "MaxCapacity": largest}
    suspended = {name: False for name in _SUSPENDED} | request.get("SuspendedState", {})
    if known is None:
        arn_id = uuid.uuid4().hex[:12]
        arn = f"arn:aws:application-autoscaling:{call.region}:{ACCOUNT_ID}:scalable-target/{arn_id}"
        record = {
            "ServiceNamespace": NAMESPACE,
            "ResourceId": target.resource_id,
            "ScalableDimension": target.dimension,
            "RoleARN": _ROLE,
            "CreationTime": time.time(),
            "SuspendedState": suspended,
            "ScalableTargetARN": arn,
            "_policies": {},
            "_tags": _checked(request.get("Tags", {})),
            **bounds,
        }
        resources.add(KIND, call.region, target.resource_id, record)
    else:
        arn = known["ScalableTargetARN"]
        if "Tags" in request:
            raise validation_error("Tags of an existing scalable target are changed by TagResource.")
        with resources.change(KIND, call.region, target.resource_id) as record:
            record.update(bounds)
            record["SuspendedState"] |= request.get("SuspendedState", {})
    within = min(max(capacity.desired, smallest), largest)
    if within != capacity.desired:
        bound = "minimum" if within > capacity.desired else "maximum"
        cause = f"{bound} capacity was set to {within}"
        activities.change(call.context, call.region, target, desired=within, cause=cause)
        running.wake()
    return {"ScalableTargetARN": arn}


@operation("DescribeScalableTargets")
def describe_scalable_targets(call: Call) -> dict[str, Any]:
    request = call.request
    check_dimension(call, "ResourceIds")
    shown = [
        {member: value for member, value in record.items() if not member.startswith("_")}
        for record in call.context.resources.all(KIND, call.region)
        if (not request.get("ResourceIds") or record["ResourceId"] in request["ResourceIds"])
        and request.get("ScalableDimension") in (None, record["ScalableDimension"])
    ]
    return page(call, sorted(shown, key=lambda each: each["ResourceId"]), "ScalableTargets")


@operation("DeregisterScalableTarget")
def deregister_scalable_target(call: Call) -> dict[str, Any]:
    target = scaled(call.request["ResourceId"], call.request["ScalableDimension"])
    record = call.context.resources.get(KIND, call.region, target.resource_id)
    if record is None:
        raise AwsError("ObjectNotFoundException", f"No scalable target found for {shown_target(target)}")
    call.context.resources.remove(KIND, call.region, target.resource_id)
    for policy in record["_policies"].values():
        running.delete_alarms(call.region, [alarm["AlarmName"] for alarm in policy["Alarms"]])
    return {}


@operation("TagResource")
def tag_resource(call: Call) -> dict[str, Any]:
    resource_id = _resource_id(call)
    with call.context.resources.change(KIND, call.region, resource_id) as record:
        record["_tags"] = _checked(record["_tags"] | call.request["Tags"])
    return {}


@operation("UntagResource")
def untag_resource(call: Call) -> dict[str, Any]:
    resource_id = _resource_id(call)
    with call.context.resources.change(KIND, call.region, resource_id) as record:
        for key in call.request["TagKeys"]:
            record["_tags"].pop(key, None)
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call) -> dict[str, Any]:
    record = call.context.resources.get(KIND, call.region, _resource_id(call))
    return {"Tags": record["_tags"]}


def shown_target(target: Scaled) -> str:
    """Return how AWS's messages name a target."""
    return (
        f"service namespace: {NAMESPACE}, resource ID: {target.resource_id}, scalable dimension:"
        f" {target.dimension}"
    )


def registered(call: Call, target: Scaled) -> dict[str, Any]:
    """Return the record of a target.

    Raises:
        AwsError: ObjectNotFoundException.
    """
    record = call.context.resources.get(KIND, call.region, target.resource_id)
    if record is None:
        raise AwsError("ObjectNotFoundException", f"No scalable target registered for {shown_target(target)}")
    return record


def _check_bounds(target: Scaled, smallest: int | None, largest: int | None) -> None:
    """Make sure that there are bounds and that they make sense; the messages are ours."""
    if smallest is None or largest is None:
        raise validation_error("MinCapacity and MaxCapacity are required to register a scalable target.")
    if smallest < 0 or largest < smallest:
        raise validation_error(
            f"MinCapacity must be 0 to MaxCapacity, not {smallest} with a MaxCapacity of {largest}."
        )
    if target.dimension == INSTANCES and smallest == 0:
        raise validation_error(
            "The minimum capacity of a variant with a model is 1; only inference components scale to 0."
        )


def _checked(tags: dict[str, str]) -> dict[str, str]:
    """Return tags that a target may have.

    Raises:
        AwsError: Too many, or a key that is AWS's own.
    """
    if len(tags) > MAX_TAGS:
        raise AwsError("TooManyTagsException", f"Too many tags: {len(tags)}, the limit is {MAX_TAGS}.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise validation_error(f"The tag key {key} uses the reserved prefix aws:")
    return tags


def _resource_id(call: Call) -> str:
    for record in call.context.resources.all(KIND, call.region):
        if record["ScalableTargetARN"] == call.request["ResourceARN"]:
            return record["ResourceId"]
    raise AwsError(
        "ResourceNotFoundException",
        f"No scalable target found for resource ARN: {call.request['ResourceARN']}",
    )
