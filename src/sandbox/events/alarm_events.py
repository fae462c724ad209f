"""The event that CloudWatch sends when an alarm changes its state.

Source: CloudWatch User Guide, "Alarm events and EventBridge": the event of an alarm on one metric.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sandbox.api.registry import ACCOUNT_ID

SOURCE, DETAIL_TYPE = "aws.cloudwatch", "CloudWatch Alarm State Change"


def event(
    region: str, *, source: str, detail_type: str, detail: Any, resources: list[str], time: datetime
) -> dict[str, Any]:
    """Return an event as EventBridge hands it to rules.

    Args:
        time: When it happened, UTC.
    """
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT_ID,
        "time": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": resources,
        "detail": detail,
    }


def state_of(alarm: Any) -> dict[str, Any]:
    """Return the state of an alarm (moto's) as its event shows it."""
    state = {"value": alarm.state_value, "reason": alarm.state_reason}
    if alarm.state_reason_data not in (None, "", "{}"):
        state["reasonData"] = alarm.state_reason_data
    return {**state, "timestamp": f"{alarm.state_updated_timestamp:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "+0000"}


def state_change(region: str, alarm: Any, previous: dict[str, Any]) -> dict[str, Any]:
    """Return the event of an alarm that has just changed its state.

    Args:
        alarm: moto's, in its new state.
        previous: `state_of` it before.
    """
    metric = {
        "namespace": alarm.namespace,
        "name": alarm.metric_name,
        "dimensions": {each.name: each.value for each in alarm.dimensions},
    }
    stat = {
        "metric": metric,
        "period": int(alarm.period),
        "stat": alarm.extended_statistic or alarm.statistic,
        **({"unit": alarm.unit} if alarm.unit else {}),
    }
    measured = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, alarm.alarm_arn)),
        "metricStat": stat,
        "returnData": True,
    }
    described = {"description": alarm.description} if alarm.description else {}
    return event(
        region,
        source=SOURCE,
        detail_type=DETAIL_TYPE,
        detail={
            "alarmName": alarm.name,
            "configuration": {**described, "metrics": [measured]},
            "previousState": previous,
            "state": state_of(alarm),
        },
        resources=[alarm.alarm_arn],
        time=alarm.state_updated_timestamp.replace(tzinfo=UTC),
    )
