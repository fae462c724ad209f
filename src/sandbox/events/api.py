"""EventBridge: its operations, its one bus and its pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.api.errors import AwsError
from sandbox.api.listing import page_of
from sandbox.api.registry import ACCOUNT_ID, Call, Service

KIND = "rule"  # a record holds its targets by their Id and its tags, under TARGETS and TAGS
TARGETS, TAGS = "_targets", "_tags"
BUS = "default"
_LARGEST_PAGE = 100
Record = dict[str, Any]


def _check_bus(call: Call) -> None:
    """Refuse every bus but the one that an account has from the beginning."""
    given = call.request.get("EventBusName", BUS)
    if given not in (BUS, f"arn:aws:events:{call.region}:{ACCOUNT_ID}:event-bus/{BUS}"):
        raise not_found(f"Event bus {given.rpartition('/')[2]} does not exist. The sandbox has {BUS} only.")


EVENTS = Service(name="events", title="EventBridge", target="AWSEvents", check=_check_bus)
operation = EVENTS.operation


def rule_arn(region: str, name: str) -> str:
    """Return the ARN of a rule of the default bus."""
    return f"arn:aws:events:{region}:{ACCOUNT_ID}:rule/{name}"


def not_found(message: str) -> AwsError:
    """Return the error for what is not there."""
    return AwsError("ResourceNotFoundException", message)


def no_rule(name: str) -> AwsError:
    """Return the error for a rule that is not there."""
    return not_found(f"Rule {name} does not exist on EventBus {BUS}.")


def rule_named(call: Call, name: str) -> Record:
    """Return the record of a rule.

    Raises:
        AwsError: There is none of this name.
    """
    record = call.context.resources.get(KIND, call.region, name)
    if record is None:
        raise no_rule(name)
    return record


def page(
    call: Call, items: list[Any], answer_key: str, *, name: Callable[[Any], str] = str
) -> dict[str, Any]:
    """Return the page of a list that a request asks for, by name."""
    request = {"MaxResults": call.request.get("Limit", _LARGEST_PAGE)}
    if "NextToken" in call.request:
        request["NextToken"] = call.request["NextToken"]
    found, token = page_of(
        items,
        place=lambda item: [name(item)],
        is_descending=False,
        of_list=call.operation,
        request=request,
    )
    return {answer_key: found, "NextToken": token}
