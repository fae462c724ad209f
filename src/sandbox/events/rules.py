"""Operations on rules and their targets.

Source: API reference of the operations.
"""

from __future__ import annotations

from typing import Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import ACCOUNT_ID, Call
from sandbox.events import patterns, targets
from sandbox.events.api import BUS, KIND, TAGS, TARGETS, no_rule, operation, page, rule_arn, rule_named
from sandbox.events.tags import checked, tags_given

MAX_TARGETS = 5
_DESCRIBED = ("Name", "Arn", "EventPattern", "State", "Description", "EventBusName")


@operation("PutRule")
def put_rule(call: Call) -> dict[str, Any]:
    """Make a rule, or replace all of it but its targets and its tags."""
    request, resources = call.request, call.context.resources
    if "EventPattern" not in request:
        raise validation_error("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    patterns.read(request["EventPattern"])
    name = request["Name"]
    described = {
        "Name": name,
        "Arn": rule_arn(call.region, name),
        "EventPattern": request["EventPattern"],
        "State": request.get("State", "ENABLED"),
        "Description": request.get("Description"),
        "EventBusName": BUS,
        "CreatedBy": ACCOUNT_ID,
    }
    tags = checked(tags_given(call))
    with resources.held():
        if not resources.add(KIND, call.region, name, {**described, TARGETS: {}, TAGS: tags}):
            with resources.change(KIND, call.region, name) as rule:
                rule.update(described)
    return {"RuleArn": described["Arn"]}


@operation("DescribeRule")
def describe_rule(call: Call) -> dict[str, Any]:
    rule = rule_named(call, call.request["Name"])
    return {member: rule[member] for member in (*_DESCRIBED, "CreatedBy")}


@operation("ListRules")
def list_rules(call: Call) -> dict[str, Any]:
    prefix = call.request.get("NamePrefix", "")
    rules = [
        {member: rule[member] for member in _DESCRIBED}
        for rule in call.context.resources.all(KIND, call.region)
        if rule["Name"].startswith(prefix)
    ]
    return page(call, rules, "Rules", name=lambda rule: rule["Name"])


@operation("ListRuleNamesByTarget")
def list_rule_names_by_target(call: Call) -> dict[str, Any]:
    names = [
        rule["Name"]
        for rule in call.context.resources.all(KIND, call.region)
        if any(target["Arn"] == call.request["TargetArn"] for target in rule[TARGETS].values())
    ]
    return page(call, names, "RuleNames")


@operation("EnableRule")
def enable_rule(call: Call) -> dict[str, Any]:
    return _set_state(call, "ENABLED")


@operation("DisableRule")
def disable_rule(call: Call) -> dict[str, Any]:
    return _set_state(call, "DISABLED")


@operation("DeleteRule")
def delete_rule(call: Call) -> dict[str, Any]:
    """Delete a rule without targets; one that is not there is deleted already."""
    resources, name = call.context.resources, call.request["Name"]
    with resources.held():
        rule = resources.get(KIND, call.region, name)
        if rule and rule[TARGETS]:
            raise validation_error("Rule can't be deleted since it has targets.")
        resources.remove(KIND, call.region, name)
    return {}


@operation("PutTargets")
def put_targets(call: Call) -> dict[str, Any]:
    request = call.request
    given = {target["Id"]: target for target in request["Targets"]}
    if len(given) < len(request["Targets"]):
        raise validation_error("Two targets of a request have the same Id.")
    rule_named(call, request["Rule"])
    for target in given.values():
        targets.check(call.region, target)
    try:
        with call.context.resources.change(KIND, call.region, request["Rule"]) as rule:
            rule[TARGETS] |= given
            if len(rule[TARGETS]) > MAX_TARGETS:
                raise AwsError(
                    "LimitExceededException",
                    f"The requested resource exceeds the maximum number allowed: {MAX_TARGETS} targets.",
                )
    except KeyError:  # deleted since
        raise no_rule(request["Rule"]) from None
    return {"FailedEntryCount": 0, "FailedEntries": []}


@operation("RemoveTargets")
def remove_targets(call: Call) -> dict[str, Any]:
    """Remove targets; one that is not there is an entry that failed."""
    failed = []
    try:
        with call.context.resources.change(KIND, call.region, call.request["Rule"]) as rule:
            for target_id in call.request["Ids"]:
                if rule[TARGETS].pop(target_id, None) is None:
                    failed.append(
                        {
                            "TargetId": target_id,
                            "ErrorCode": "ResourceNotFoundException",
                            "ErrorMessage": f"Target {target_id} does not exist.",
                        }
                    )
    except KeyError:
        raise no_rule(call.request["Rule"]) from None
    return {"FailedEntryCount": len(failed), "FailedEntries": failed}


@operation("ListTargetsByRule")
def list_targets_by_rule(call: Call) -> dict[str, Any]:
    rule = rule_named(call, call.request["Rule"])
    return page(call, list(rule[TARGETS].values()), "Targets", name=lambda target: target["Id"])


def _set_state(call: Call, state: str) -> dict[str, Any]:
    try:
        with call.context.resources.change(KIND, call.region, call.request["Name"]) as rule:
            rule["State"] = state
    except KeyError:
        raise no_rule(call.request["Name"]) from None
    return {}
