"""Operations on the tags of rules.

Source: API reference of the operations.
"""

from __future__ import annotations

from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import Call
from sandbox.api.tags import MAX_TAGS, tag_list
from sandbox.events.api import KIND, TAGS, no_rule, operation, rule_arn


@operation("TagResource")
def tag_resource(call: Call) -> dict[str, Any]:
    with _tagged(call) as rule:
        rule[TAGS] = checked(rule[TAGS] | tags_given(call))
    return {}


@operation("UntagResource")
def untag_resource(call: Call) -> dict[str, Any]:
    with _tagged(call) as rule:
        for key in call.request["TagKeys"]:
            rule[TAGS].pop(key, None)
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(call: Call) -> dict[str, Any]:
    rule = call.context.resources.get(KIND, call.region, _rule_name(call))
    return {"Tags": tag_list(rule[TAGS])}


def tags_given(call: Call) -> dict[str, str]:
    """Return the tags of a request."""
    return {tag["Key"]: tag["Value"] for tag in call.request.get("Tags", [])}


def checked(tags: dict[str, str]) -> dict[str, str]:
    """Return tags that a rule may have.

    Raises:
        AwsError: ValidationException; there are too many, or one is AWS's own.
    """
    if len(tags) > MAX_TAGS:
        raise validation_error(f"Too many tags: {len(tags)}, the limit is {MAX_TAGS}.")
    if own := [key for key in tags if key.lower().startswith("aws:")]:
        raise validation_error(f"The tag key {own[0]} uses the reserved prefix aws:")
    return tags


def _tagged(call: Call) -> Any:
    return call.context.resources.change(KIND, call.region, _rule_name(call))


def _rule_name(call: Call) -> str:
    """Return the name of the rule that a request's ARN names.

    Raises:
        AwsError: There is none.
    """
    arn = call.request["ResourceARN"]
    name = arn.rpartition("/")[2]
    if arn != rule_arn(call.region, name) or name not in call.context.resources.names(KIND, call.region):
        raise no_rule(name)
    return name
