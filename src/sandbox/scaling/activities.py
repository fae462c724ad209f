"""Scaling activities: what was changed, why, and how it ended."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import AwsError
from sandbox.api.registry import Call
from sandbox.scaling.api import NAMESPACE, check_dimension, operation, page
from sandbox.scaling.capacity import Scaled, scaled

if TYPE_CHECKING:
    from sandbox.context import Context

KIND = "scaling-activity"
ENDED_REASON = "The sandbox that made this change ended before it was fulfilled."
_MAX_KEPT = 200  # of a region; the oldest go first
_OPEN = "InProgress"


@operation("DescribeScalingActivities")
def describe_scaling_activities(call: Call) -> dict[str, Any]:
    request = call.request
    resource_id, dimension = request.get("ResourceId"), request.get("ScalableDimension")
    check_dimension(call, "ResourceId")
    reconcile(call.context)
    shown = [
        {member: value for member, value in record.items() if not member.startswith("_")}
        for record in reversed(_sorted(call.context, call.region))
        if resource_id in (None, record["ResourceId"]) and dimension in (None, record["ScalableDimension"])
    ]
    return page(call, shown, "ScalingActivities")


def change(
    context: Context, region: str, target: Scaled, *, desired: int, cause: str, **members: Any
) -> None:
    """Set a capacity and record it in an activity.

    Args:
        cause: Why, in AWS's words.
        members: More of the record, of ours.
    """
    record = {
        "ActivityId": str(uuid.uuid4()),
        "ServiceNamespace": NAMESPACE,
        "ResourceId": target.resource_id,
        "ScalableDimension": target.dimension,
        "Description": f"Setting {target.words} to {desired}.",
        "Cause": cause,
        "StartTime": time.time(),
        "StatusCode": _OPEN,
        "_to": desired,
        **members,
    }
    try:
        target.set(context, region, desired)
        record["StatusMessage"] = (
            f"Successfully set {target.words} to {desired}."
            f" Waiting for change to be fulfilled by {NAMESPACE}."
        )
    except AwsError as error:
        message = f"Failed to set {target.words} to {desired}. Reason: {error.message}"
        record |= {"StatusCode": "Failed", "EndTime": time.time(), "StatusMessage": message}
    context.resources.add(KIND, region, record["ActivityId"], record)
    for old in _sorted(context, region)[:-_MAX_KEPT]:
        context.resources.remove(KIND, region, old["ActivityId"])


def reconcile(context: Context) -> bool:
    """End the activities whose change is fulfilled, and return whether there are others."""
    is_any_open = False
    for record in context.resources.all(KIND):
        if record["StatusCode"] == _OPEN:
            status, message = _status(context, record)
            if status == _OPEN:
                is_any_open = True
            else:
                _end(context, record, status, message)
    return is_any_open


def recover(context: Context) -> None:
    """Say of the changes of the sandbox that ran before on this home that they ended with it."""
    for record in context.resources.all(KIND):
        if record["StatusCode"] == _OPEN:
            _end(context, record, "Failed", ENDED_REASON)


def of_target(context: Context, region: str, target: Scaled) -> list[dict[str, Any]]:
    """Return the activities of a resource, the newest last."""
    return [record for record in _sorted(context, region) if record["ResourceId"] == target.resource_id]


def is_open(activity: dict[str, Any]) -> bool:
    """Return whether an activity's change is not fulfilled yet."""
    return activity["StatusCode"] == _OPEN


def _status(context: Context, record: dict[str, Any]) -> tuple[str, str]:
    target = scaled(record["ResourceId"], record["ScalableDimension"])
    done = f"Successfully set {target.words} to {record['_to']}."
    try:
        capacity = target.read(context, record["_region"])
    except AwsError as error:
        return "Failed", f"{done} Change could not be fulfilled by {NAMESPACE}. Reason: {error.message}"
    if capacity.is_failed:
        return "Unfulfilled", f"{done} Change could not be fulfilled by {NAMESPACE}."
    if capacity.desired != record["_to"]:
        return "Overridden", f"{done} Another change has been made meanwhile."
    if capacity.is_settled and capacity.current == capacity.desired:
        return "Successful", f"{done} Change successfully fulfilled by {NAMESPACE}."
    return _OPEN, ""


def _end(context: Context, record: dict[str, Any], status: str, message: str) -> None:
    try:
        with context.resources.change(KIND, record["_region"], record["ActivityId"]) as kept:
            if kept["StatusCode"] == _OPEN:
                kept.update(StatusCode=status, StatusMessage=message, EndTime=time.time())
    except KeyError:  # the oldest were dropped meanwhile
        return


def _sorted(context: Context, region: str) -> list[dict[str, Any]]:
    return sorted(context.resources.all(KIND, region), key=lambda record: record["StartTime"])
