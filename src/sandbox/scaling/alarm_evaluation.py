"""Which state the data points of a metric give an alarm, and why, in AWS's words.

Source: CloudWatch User Guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data";
the tests hold its tables. More periods are looked at than are evaluated. How many more is not published; the
guide's examples look at 5 for 3.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox import clock
from sandbox.scaling.metric_points import Metric, Point

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
_MAX_MORE_PERIODS = 2
_MINUTE_S, _HIGH_RESOLUTION_S = 60, 10
COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
_TREATED_AS = {"breaching": "Breaching", "notBreaching": "NonBreaching"}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When an alarm is in which state.

    Args:
        num_periods: How many data points are evaluated.
        num_to_alarm: How many of them must breach.
        comparison: For example GreaterThanThreshold.
        threshold: What they are compared with.
        missing: How missing ones are treated: missing, ignore, breaching or notBreaching.
    """

    num_periods: int
    num_to_alarm: int
    comparison: str
    threshold: float
    missing: str = "missing"

    @property
    def num_looked_at(self) -> int:
        """How many periods `evaluate` wants to see."""
        return self.num_periods + min(self.num_periods, _MAX_MORE_PERIODS)

    def breaches(self, value: float) -> bool:
        """Return whether a data point is outside of the threshold."""
        compare, _ = COMPARISONS[self.comparison]
        return compare(value, self.threshold)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What data points say of an alarm.

    Args:
        state: OK, ALARM or INSUFFICIENT_DATA; None when the alarm keeps the one it has.
        reason: Why, in AWS's words.
        evaluated: The data points it rests on, the oldest first, each as its age in periods and its value.
    """

    state: str | None
    reason: str
    evaluated: tuple[tuple[int, float], ...]


def evaluate(rule: Rule, points: Sequence[float | None], shown: Callable[[int, float], str]) -> Evaluation:
    """Return the state that data points give.

    Args:
        points: One a period, the newest last, None where there is none; `rule.num_looked_at` of them.
        shown: Shows a data point of an age in periods, for the reason.
    """
    aged = [(len(points) - 1 - place, value) for place, value in enumerate(points) if value is not None]
    evaluated = tuple(aged[-rule.num_periods :])
    num_filled = rule.num_periods - len(evaluated)
    breaching = [point for point in evaluated if rule.breaches(point[1])]
    num_breaching = len(breaching) + (num_filled if rule.missing == "breaching" else 0)
    is_alarm = num_breaching >= rule.num_to_alarm
    if num_filled and not is_alarm and len(breaching) == len(evaluated) and rule.missing != "notBreaching":
        # Nothing speaks for OK, and missing points say nothing.
        is_old = bool(evaluated) and evaluated[0][0] + 1 >= rule.num_to_alarm
        if rule.missing == "ignore":
            return Evaluation(state=None, reason="", evaluated=evaluated)
        if not is_old:
            return Evaluation(state=INSUFFICIENT_DATA, reason=_unknown(rule), evaluated=evaluated)
        is_alarm = True
    reason = _reason(rule, is_alarm, breaching, evaluated, shown) if evaluated else _missing(rule, num_filled)
    return Evaluation(state=ALARM if is_alarm else OK, reason=reason, evaluated=evaluated)


def step_s(alarm: Any) -> int:
    """Return how often an alarm is evaluated, in seconds of AWS."""
    return _HIGH_RESOLUTION_S if int(alarm.period) < _MINUTE_S else _MINUTE_S


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


def has_few_samples(alarm: Any, given: list[Point]) -> bool:
    """Return whether an alarm keeps its state because its percentile has too few samples to mean something.

    Source: CloudWatch User Guide, "Percentile-based alarms and low data samples".
    """
    if alarm.evaluate_low_sample_count_percentile != "ignore" or not alarm.extended_statistic:
        return False
    part = float(alarm.extended_statistic[1:]) / 100
    tail = min(part, 1 - part)
    return any(point.num_samples * tail < 10 for point in given)


def evaluation_of(alarm: Any, rule: Rule, given: list[Point | None], end_s: float) -> Evaluation:
    """Return the state that the newest data points give, the newest one ending at end_s of the clock."""

    def shown(age: int, value: float) -> str:
        began = datetime.fromtimestamp(clock.real_s(end_s - (age + 1) * int(alarm.period)), UTC)
        return f"{value} ({began:%d/%m/%y %H:%M:%S})"

    return evaluate(rule, [point.value if point else None for point in given], shown)


def reason_data(alarm: Any, evaluation: Evaluation, end_s: float) -> dict[str, Any]:
    """Return the StateReasonData of an evaluation."""
    began_s = [clock.real_s(end_s - (age + 1) * int(alarm.period)) for age, _ in evaluation.evaluated]
    return {
        "version": "1.0",
        "queryDate": _iso(time.time()),
        **({"startDate": _iso(began_s[0])} if began_s else {}),
        "statistic": alarm.extended_statistic or alarm.statistic,
        "period": int(alarm.period),
        "recentDatapoints": [value for _, value in evaluation.evaluated],
        "threshold": float(alarm.threshold),
    }


def _reason(
    rule: Rule,
    is_alarm: bool,
    breaching: Sequence[tuple[int, float]],
    evaluated: Sequence[tuple[int, float]],
    shown: Callable[[int, float], str],
) -> str:
    named = list(breaching) if is_alarm else [point for point in evaluated if point not in breaching]
    if not named:  # the missing ones decided
        return _missing(rule, rule.num_periods - len(evaluated))
    listed = ", ".join(shown(age, value) for age, value in reversed(named))
    were = "was" if len(named) == 1 else "were"
    crossed = f"{were}{'' if is_alarm else ' not'} {COMPARISONS[rule.comparison][1]}"
    if is_alarm:
        least, turn = rule.num_to_alarm, "OK -> ALARM"
    else:
        least, turn = rule.num_periods - rule.num_to_alarm + 1, "ALARM -> OK"
    return (
        f"Threshold Crossed: {len(named)} out of the last {rule.num_periods} datapoints [{listed}] {crossed}"
        f" the threshold ({float(rule.threshold)}) (minimum {least} datapoint{'s' if least > 1 else ''} for"
        f" {turn} transition)."
    )


def _missing(rule: Rule, num: int) -> str:
    points = f"{num} missing datapoint{'s were' if num > 1 else ' was'} treated as"
    periods = f"{num} period{'s' if num > 1 else ''}"
    treated = _TREATED_AS[rule.missing]
    return f"Threshold Crossed: no datapoints were received for {periods} and {points} [{treated}]."


def _unknown(rule: Rule) -> str:
    num = rule.num_periods
    return f"Insufficient Data: {num} datapoint{'s were' if num > 1 else ' was'} unknown."


def _iso(time_s: float) -> str:
    """Return a time as CloudWatch writes it in its JSON."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
