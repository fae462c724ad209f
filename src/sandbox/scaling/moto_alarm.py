"""What moto's alarm objects say: their rule, their metric, and the words of their state."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from sandbox import clock
from sandbox.scaling.alarm_evaluation import Rule, Verdict, verdict
from sandbox.scaling.alarm_records import iso
from sandbox.scaling.metric_points import Metric, Point

_MINUTE_S, _HIGH_RESOLUTION_S = 60, 10


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


def step_s(alarm: Any) -> int:
    """Return how often an alarm is evaluated, in seconds of AWS."""
    return _HIGH_RESOLUTION_S if int(alarm.period) < _MINUTE_S else _MINUTE_S


def rule_of(alarm: Any) -> Rule:
    """Return when the alarm is in which state."""
    num = int(alarm.evaluation_periods)
    return Rule(
        num_periods=num,
        num_to_alarm=int(alarm.datapoints_to_alarm or num),
        comparison=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        missing=alarm.treat_missing_data or "missing",
    )


def metric_of(alarm: Any) -> Metric:
    """Return what the alarm watches."""
    return Metric(
        namespace=alarm.namespace,
        name=alarm.metric_name,
        dimensions=frozenset((each.name, each.value) for each in alarm.dimensions),
        unit=alarm.unit,
        statistic=alarm.extended_statistic or alarm.statistic,
        period_s=int(alarm.period),
    )


def has_few_samples(alarm: Any, given: list[Point]) -> bool:
    """Tell whether an alarm keeps its state because its percentile has too few samples to mean something.

    Source: CloudWatch User Guide, "Percentile-based alarms and low data samples".
    """
    if alarm.evaluate_low_sample_count_percentile != "ignore" or not alarm.extended_statistic:
        return False
    part = float(alarm.extended_statistic[1:]) / 100
    tail = min(part, 1 - part)
    return any(point.num_samples * tail < 10 for point in given)


def verdict_of(alarm: Any, rule: Rule, given: list[Point | None], end_s: float) -> Verdict:
    """Return the state that the newest data points give, the newest one ending at end_s of the clock."""

    def shown(age: int, value: float) -> str:
        began = datetime.fromtimestamp(clock.real_s(end_s - (age + 1) * int(alarm.period)), UTC)
        return f"{value} ({began:%d/%m/%y %H:%M:%S})"

    return verdict(rule, [point.value if point else None for point in given], shown)


def reason_data(alarm: Any, result: Verdict, end_s: float) -> dict[str, Any]:
    """Return the StateReasonData of an evaluation."""
    began_s = [clock.real_s(end_s - (age + 1) * int(alarm.period)) for age, _ in result.evaluated]
    return {
        "version": "1.0",
        "queryDate": iso(time.time()),
        **({"startDate": iso(began_s[0])} if began_s else {}),
        "statistic": alarm.extended_statistic or alarm.statistic,
        "period": int(alarm.period),
        "recentDatapoints": [value for _, value in result.evaluated],
        "threshold": float(alarm.threshold),
    }
