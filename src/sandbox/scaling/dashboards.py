"""CloudWatch's dashboards: checked, kept on disk, and the same in every region, as on AWS.

Source: CloudWatch API Reference, PutDashboard and "Dashboard Body Structure and Syntax"; the error's text as
users quote it. Which mistakes AWS refuses and of which it only warns is not all public: here a dashboard that
could not be drawn is refused, and a name that is not in the reference is a warning.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sandbox.api.registry import ACCOUNT_ID

if TYPE_CHECKING:
    from sandbox.context import Context

KIND = "dashboard"
EVERYWHERE = "every-region"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_MAX_WIDGETS, _MAX_WIDTH, _MAX_HEIGHT = 500, 24, 1000
_OF_BODY = {"widgets", "start", "end", "periodOverride", "variables"}
_OF_WIDGET = {"type", "x", "y", "width", "height", "properties"}
_TYPES = ("metric", "text", "log", "alarm", "explorer", "custom")
_VIEWS = ("timeSeries", "singleValue", "gauge", "bar", "pie", "table")
# What a widget of a type cannot be drawn without.
_NEEDS = {"text": "markdown", "alarm": "alarms", "log": "query"}
Messages = list[dict[str, str]]


def is_name(name: str) -> bool:
    """Tell whether a dashboard may be called so."""
    return _NAME.fullmatch(name) is not None


def checked(body: str) -> tuple[Messages, Messages]:
    """Return what is wrong with a dashboard's body, and what is only to be warned of."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        return [_message("", "The field DashboardBody must be a valid JSON object")], []
    widgets = content.get("widgets")
    if not isinstance(widgets, list):
        return [_message("/", "Should have required property 'widgets', an array")], []
    errors, warnings = [], [*_unknown(content, _OF_BODY, "")]
    if len(widgets) > _MAX_WIDGETS:
        errors.append(_message("/widgets", f"Should NOT have more than {_MAX_WIDGETS} items"))
    for number, widget in enumerate(widgets[:_MAX_WIDGETS]):
        path = f"/widgets/{number}"
        if not isinstance(widget, dict):
            errors.append(_message(path, "Should be object"))
            continue
        errors += _of_widget(widget, path)
        warnings += _unknown(widget, _OF_WIDGET, path)
    return errors, warnings


def error_text(errors: Messages) -> str:
    """Return the message of the error that refuses a body."""
    shown = [{"dataPath": each["DataPath"], "message": each["Message"]} for each in errors]
    listed = json.dumps(shown, indent=1)
    return f"The dashboard body is invalid, there are {len(errors)} validation errors:\n{listed}"


def put(context: Context, name: str, body: str, tags: dict[str, str]) -> None:
    """Keep a dashboard, in place of one of this name, whose tags stay."""
    with context.resources.held():
        changed = {"body": body, "modified_s": time.time()}
        if not context.resources.add(KIND, EVERYWHERE, name, {"name": name, "tags": tags, **changed}):
            with context.resources.change(KIND, EVERYWHERE, name) as record:
                record.update(changed)


def get(context: Context, name: str) -> dict[str, Any] | None:
    """Return a dashboard with its body; None when there is none of this name."""
    record = context.resources.get(KIND, EVERYWHERE, name)
    if record is None:
        return None
    return {"DashboardArn": arn(name), "DashboardName": name, "DashboardBody": record["body"]}


def entries(context: Context, prefix: str) -> list[dict[str, Any]]:
    """Return what a list says of the dashboards whose names begin so, in the order of their names."""
    return [
        {
            "DashboardName": record["name"],
            "DashboardArn": arn(record["name"]),
            "LastModified": record["modified_s"],
            "Size": len(record["body"].encode()),
        }
        for record in sorted(context.resources.all(KIND), key=lambda each: each["name"])
        if record["name"].startswith(prefix)
    ]


def delete(context: Context, names: list[str]) -> list[str]:
    """Delete dashboards, and return the names of those that are not there."""
    there = {record["name"] for record in context.resources.all(KIND)}
    for name in names:
        context.resources.remove(KIND, EVERYWHERE, name)
    return [name for name in names if name not in there]


def arn(name: str) -> str:
    return f"arn:aws:cloudwatch::{ACCOUNT_ID}:dashboard/{name}"


def name_in(resource_arn: str) -> str | None:
    """Return the name of the dashboard that an ARN names; None for that of something else."""
    name = resource_arn.rpartition("/")[2]
    return name if resource_arn == arn(name) else None


def tags_of(context: Context, name: str) -> dict[str, str] | None:
    """Return the tags of a dashboard; None when it is not there."""
    record = context.resources.get(KIND, EVERYWHERE, name)
    return None if record is None else record["tags"]


def tag(context: Context, name: str, tags: dict[str, str]) -> None:
    """Give a dashboard these tags in place of those that it has."""
    with context.resources.change(KIND, EVERYWHERE, name) as record:
        record["tags"] = tags


def _of_widget(widget: dict[str, Any], path: str) -> Iterator[dict[str, str]]:
    kind, properties = widget.get("type"), widget.get("properties")
    if kind not in _TYPES:
        yield _message(f"{path}/type", f"Should be one of {', '.join(_TYPES)}")
    for member, largest in (("width", _MAX_WIDTH), ("height", _MAX_HEIGHT)):
        value = widget.get(member, 1)
        if not isinstance(value, int) or not 1 <= value <= largest:
            yield _message(f"{path}/{member}", f"Should be an integer from 1 to {largest}")
    if ("x" in widget) != ("y" in widget):
        yield _message(path, "Should have both x and y, or neither")
    if not isinstance(properties, dict):
        yield _message(path, "Should have required property 'properties', an object")
        return
    if kind == "metric":
        yield from _of_metrics(properties, f"{path}/properties")
    elif kind in _NEEDS and _NEEDS[kind] not in properties:
        yield _message(f"{path}/properties", f"Should have required property '{_NEEDS[kind]}'")


def _of_metrics(properties: dict[str, Any], path: str) -> Iterator[dict[str, str]]:
    annotations = properties.get("annotations")
    alarms = annotations.get("alarms") if isinstance(annotations, dict) else None
    metrics = properties.get("metrics")
    if metrics is None and not alarms:
        yield _message(path, "Should have required property 'metrics', or annotations with alarms")
    if metrics is not None and not (
        isinstance(metrics, list) and all(isinstance(it, list) for it in metrics)
    ):
        yield _message(f"{path}/metrics", "Should be an array of arrays")
    if not isinstance(properties.get("region"), str):
        yield _message(path, "Should have required property 'region'")
    if properties.get("view", _VIEWS[0]) not in _VIEWS:
        yield _message(f"{path}/view", f"Should be one of {', '.join(_VIEWS)}")


def _unknown(given: dict[str, Any], known: set[str], path: str) -> Iterator[dict[str, str]]:
    for name in sorted(given.keys() - known):
        yield _message(f"{path}/{name}", f"Should NOT have additional properties, {name} has been ignored.")


def _message(path: str, text: str) -> dict[str, str]:
    return {"DataPath": path, "Message": text}
