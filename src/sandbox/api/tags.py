"""Tags of SageMaker resources; they live in the record of the resource, under "_tags"."""

from __future__ import annotations

from typing import Any

from sandbox.api.arns import resource_of
from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import Call, operation

MAX_TAGS = 50


def tags_of(call: Call) -> dict[str, str]:
    """Return the tags of a Create request.

    Raises:
        AwsError: The same key twice (in AWS's eyes case does not matter), or a key that is AWS's own.
    """
    given = call.request.get("Tags", [])
    if len({tag["Key"].lower() for tag in given}) < len(given):
        raise validation_error("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    found = {tag["Key"]: tag["Value"] for tag in given}
    _check(found)
    return found


@operation("AddTags")
def add_tags(call: Call) -> dict[str, Any]:
    new = tags_of(call)
    kind, name = _resource(call)
    try:
        with call.context.resources.change(kind, call.region, name) as record:
            tags = {**record.get("_tags", {}), **new}
            _check(tags)
            record["_tags"] = tags
    except KeyError:  # deleted since
        raise _not_found(call) from None
    return {"Tags": tag_list(tags)}


@operation("ListTags")
def list_tags(call: Call) -> dict[str, Any]:
    if "NextToken" in call.request:  # 50 are the most there can be, and the fewest of a page
        raise validation_error("Invalid NextToken: the tags of a resource fit on one page.")
    kind, name = _resource(call)
    group, slash, _ = name.partition("/")
    if slash:  # a version "uses the tags associated with the model group" (API reference, CreateModelPackage)
        kind, name = f"{kind}-group", group
    record = call.context.resources.get(kind, call.region, name)
    if record is None:
        raise _not_found(call)
    tags = tag_list(record.get("_tags", {}))
    return {"Tags": tags[: call.request.get("MaxResults", MAX_TAGS)]}


@operation("DeleteTags")
def delete_tags(call: Call) -> dict[str, Any]:
    kind, name = _resource(call)
    try:
        with call.context.resources.change(kind, call.region, name) as record:
            for key in call.request["TagKeys"]:
                record.get("_tags", {}).pop(key, None)
    except KeyError:
        raise _not_found(call) from None
    return {}


def _check(tags: dict[str, str]) -> None:
    if len(tags) > MAX_TAGS:
        raise validation_error(f"Too many tags: {len(tags)}, the limit is {MAX_TAGS}.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise validation_error(f"The tag key {key} uses the reserved prefix aws:")


def _resource(call: Call) -> tuple[str, str]:
    """Return kind and name of the resource that an ARN names.

    Raises:
        AwsError: There is none; or it is one version of a group, whose tags are to be changed.
    """
    found = resource_of(call, call.request["ResourceArn"])
    if found is None:
        raise _not_found(call)
    if "/" in found[1] and call.operation != "ListTags":
        raise validation_error(
            f"{call.request['ResourceArn']} has no tags of its own: it uses those of its model package group."
        )
    return found


def _not_found(call: Call) -> AwsError:
    return validation_error(f"Could not find resource with ARN {call.request['ResourceArn']}.")


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags as AWS lists them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
