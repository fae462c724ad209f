"""Tags of scalable targets; they live in the record of the target, under "_tags"."""

from __future__ import annotations

from typing import Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import Call
from sandbox.scaling.api import operation

MAX_TAGS = 50
_KIND = "scalable-target"


@operation("TagResource")
def tag_resource(call: Call) -> dict[str, Any]:
    resource_id = _resource_id(call)
    with call.context.resources.change(_KIND, call.region, resource_id) as record:
        record["_tags"] = checked(record["_tags"] | call.request["Tags"])
    return {}


@operation("UntagResource")
def untag_resource(call: Call) -> dict[str, Any]:
    resource_id = _resource_id(call)
    with call.context.resources.change(_KIND, call.region, resource_id) as record:
        for key in call.request["TagKeys"]:
            record["_tags"].pop(key, None)
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call) -> dict[str, Any]:
    record = call.context.resources.get(_KIND, call.region, _resource_id(call))
    return {"Tags": record["_tags"]}


def checked(tags: dict[str, str]) -> dict[str, str]:
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
    for record in call.context.resources.all(_KIND, call.region):
        if record["ScalableTargetARN"] == call.request["ResourceARN"]:
            return record["ResourceId"]
    raise AwsError(
        "ResourceNotFoundException",
        f"No scalable target found for resource ARN: {call.request['ResourceARN']}",
    )
