"""What moto's alarms look like, on disk and in CloudWatch's history.

moto keeps an alarm in memory only and each with a history of its own that ends with it; here its
configuration outlives the process, and the history outlives the alarm.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.api.registry import ACCOUNT_ID

if TYPE_CHECKING:
    from sandbox.context import Context

KIND = "alarm"
_MAX_HISTORY = 2000  # items of a region
# The members of an alarm's configuration, as moto's PutMetricAlarm takes them.
_CONFIGURATION = (
    "name",
    "namespace",
    "metric_name",
    "comparison_operator",
    "evaluation_periods",
    "datapoints_to_alarm",
    "period",
    "threshold",
    "statistic",
    "extended_statistic",
    "description",
    "alarm_actions",
    "ok_actions",
    "insufficient_data_actions",
    "unit",
    "actions_enabled",
    "treat_missing_data",
    "evaluate_low_sample_count_percentile",
)


def backend(region: str) -> Any:
    """Return moto's CloudWatch of a region."""
    from moto.cloudwatch.models import cloudwatch_backends

    return cloudwatch_backends[ACCOUNT_ID][region]


def regions() -> list[str]:
    """Return the regions whose CloudWatch has alarms."""
    from moto.cloudwatch.models import cloudwatch_backends

    # A backend is made when it is first asked for.
    return [region for region, each in list(dict.items(cloudwatch_backends[ACCOUNT_ID])) if each.alarms]


def set_state(alarm: Any, state: str, reason: str, data: dict[str, Any]) -> None:
    """Give an alarm a state, without its actions."""
    alarm.state_value, alarm.state_reason = state, reason
    alarm.state_reason_data = json.dumps(data)
    alarm.state_updated_timestamp = datetime.now(UTC).replace(tzinfo=None)  # as moto's own


def shown_state(alarm: Any) -> dict[str, Any]:
    """Return an alarm's state as its history shows it."""
    return {
        "stateValue": alarm.state_value,
        "stateReason": alarm.state_reason,
        "stateReasonData": json.loads(alarm.state_reason_data or "{}"),
    }


def keep(context: Context, region: str, alarm: Any) -> None:
    """Write an alarm's configuration to disk."""
    record = {member: getattr(alarm, member) for member in _CONFIGURATION}
    record["dimensions"] = [{"Name": each.name, "Value": each.value} for each in alarm.dimensions]
    record["tags"] = backend(region).tagger.convert_dict_to_tags_input(
        backend(region).tagger.get_tag_dict_for_resource(alarm.alarm_arn)
    )
    name = _file_name(alarm.name)
    if not context.resources.add(KIND, region, name, record):
        with context.resources.change(KIND, region, name) as kept:
            kept.update(record)


def remove(context: Context, region: str, name: str) -> None:
    """Remove an alarm's configuration from disk."""
    context.resources.remove(KIND, region, _file_name(name))


def restored(context: Context) -> Iterator[Any]:
    """Put the kept alarms back into moto, and give each; the log names one that nobody understands."""
    for record in context.resources.all(KIND):
        configuration = {member: value for member, value in record.items() if not member.startswith("_")}
        try:
            yield backend(record["_region"]).put_metric_alarm(**configuration)
        except TypeError:  # a member too many or too few
            logging.getLogger("sandbox").exception("the alarm %s cannot be restored", record.get("name"))


class History:
    """What happened to alarms, the newest last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: dict[str, deque[dict[str, Any]]] = {}

    def add(self, region: str, name: str, kind: str, summary: str, data: dict[str, Any]) -> None:
        """Add an item of a kind: ConfigurationUpdate, StateUpdate or Action."""
        item = {
            "AlarmName": name,
            "AlarmType": "MetricAlarm",
            "Timestamp": datetime.fromtimestamp(time.time(), UTC),
            "HistoryItemType": kind,
            "HistorySummary": summary,
            "HistoryData": json.dumps({"version": "1.0", **data}),
        }
        with self._lock:
            self._items.setdefault(region, deque(maxlen=_MAX_HISTORY)).append(item)

    def items(
        self,
        region: str,
        *,
        names: Iterable[str] | None = None,
        kind: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Return items, the newest first."""
        wanted = None if names is None else set(names)
        with self._lock:
            found = list(self._items.get(region, ()))
        return [
            item
            for item in reversed(found)
            if (wanted is None or item["AlarmName"] in wanted)
            and kind in (None, item["HistoryItemType"])
            and (start is None or item["Timestamp"] >= start)
            and (end is None or item["Timestamp"] <= end)
        ]


def _file_name(name: str) -> str:
    """Return a name that every file system takes: an alarm's may have 255 characters, and slashes."""
    return hashlib.sha256(name.encode()).hexdigest()[:40]
