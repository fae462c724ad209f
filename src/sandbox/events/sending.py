"""Events of one's own, and the trial of a pattern.

Source: API reference of the operations.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import Call
from sandbox.events import patterns
from sandbox.events.alarm_events import event
from sandbox.events.api import BUS, operation
from sandbox.events.inbox import send

_OF_AWS = "aws."
_REQUIRED = ("Source", "DetailType", "Detail")


@operation("TestEventPattern")
def test_event_pattern(call: Call) -> dict[str, Any]:
    """Tell whether a pattern matches an event."""
    patterns.read(call.request["EventPattern"])
    try:
        given = json.loads(call.request["Event"])
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise validation_error("Parameter Event is not valid. Reason: it is not a JSON object.")
    return {"Result": patterns.matches(call.request["EventPattern"], given)}


@operation("PutEvents")
def put_events(call: Call) -> dict[str, Any]:
    """Take events of one's own; one that is wrong is an entry that failed, and the others are taken."""
    answers = []
    for entry in call.request["Entries"]:
        problem = _problem(entry)
        if problem:
            answers.append(dict(zip(("ErrorCode", "ErrorMessage"), problem, strict=True)))
            continue
        taken = event(
            call.region,
            source=entry["Source"],
            detail_type=entry["DetailType"],
            detail=json.loads(entry["Detail"]),
            resources=entry.get("Resources", []),
            time=datetime.fromtimestamp(entry["Time"], UTC) if "Time" in entry else datetime.now(UTC),
        )
        send(call.region, taken)
        answers.append({"EventId": taken["id"]})
    return {"FailedEntryCount": sum("ErrorCode" in each for each in answers), "Entries": answers}


def _problem(entry: dict[str, Any]) -> tuple[str, str] | None:
    """Return code and message of what is wrong with an event, None when nothing is."""
    missing = [member for member in _REQUIRED if not entry.get(member)]
    if missing:
        reason = f"{missing[0]} is a required argument."
        return "InvalidArgument", f"Parameter {missing[0]} is not valid. Reason: {reason}"
    if entry["Source"].startswith(_OF_AWS):
        return "NotAuthorizedForSourceException", f"Not authorized for the source {entry['Source']}."
    if entry.get("EventBusName", BUS).rpartition("/")[2] != BUS:
        return "InvalidArgument", f"Event bus {entry['EventBusName']} does not exist."
    try:
        is_object = isinstance(json.loads(entry["Detail"]), dict)
    except (ValueError, RecursionError):
        is_object = False
    return None if is_object else ("MalformedDetail", "Detail is malformed.")
