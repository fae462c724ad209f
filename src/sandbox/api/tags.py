"""Tags of SageMaker resources; they live in the record of the resource, under "_tags"."""

from __future__ import annotations

from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import Call, operation

MAX_TAGS = 50


def tags_of(call: Call) -> dict[str, str]:
    """Return the tags of a Create request.

    Raises:
        AwsError: The same key twice, or a key that is AWS's own.
    """
    given = call.request.get("Tags", [])
    found = {tag["Key"]: tag["Value"] for tag in given}
    if len(found) < len(given):
        raise validation_error("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    _check(found)
    return found


@operation("AddTags")
def add_tags(call: Call) -> dict[str, Any]:
    kind, name = _resource(call)
    new = tags_of(call)
    with call.context.resources.change(kind, call.region, name) as record:
        tags = {**record.get("_tags", {}), **new}
        _check(tags)
        record["_tags"] = tags
    return {"Tags": _listed(tags)}


@operation("ListTags")
def list_tags(call: Call) -> dict[str, Any]:
    kind, name = _resource(call)
    record = call.context.resources.get(kind, call.region, name)
    return {"Tags": _listed(record.get("_tags", {}))}


@operation("DeleteTags")
def delete_tags(call: Call) -> dict[str, Any]:
    kind, name = _resource(call)
    with call.context.resources.change(kind, call.region, name) as record:
        for key in call.request["TagKeys"]:
            record.get("_tags", {}).pop(key, None)
    return {}


def _check(tags: dict[str, str]) -> None:
    if len(tags) > MAX_TAGS:
        raise validation_error(f"Too many tags: {len(tags)}, the limit is {MAX_TAGS}.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise validation_error(f"The tag key {key} uses the reserved prefix aws:")


def _resource(call: Call) -> tuple[str, str]:
    """Return kind and name of the resource that an ARN names."""
    arn = call.request["ResourceArn"]
    kind, _, name = arn.split(":", 5)[-1].partition("/")
    for record in call.context.resources.all(kind, call.region):
        if record["_name"].lower() == name.lower():
            return kind, record["_name"]
    raise validation_error(f"Could not find resource with ARN {arn}.")


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
