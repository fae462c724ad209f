"""The data points of a metric, a statistic a period, from what moto's CloudWatch holds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox import clock
from sandbox.scaling.alarm_records import backend

# Times come back from a datetime, which knows microseconds; a fast clock makes the error larger.
_TOLERANCE_S = 0.01


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric with all of its dimensions, and what is asked of it.

    Args:
        namespace: For example AWS/SageMaker.
        name: For example InvocationsPerCopy.
        dimensions: Names and values.
        unit: Counts only values of this unit, if given.
        statistic: Sum, Average, Minimum, Maximum, SampleCount, or p and a number.
        period_s: Seconds of AWS that become one data point.
    """

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    unit: str | None
    statistic: str
    period_s: int


@dataclass(frozen=True)
class Point:
    """A data point.

    Args:
        value: The statistic.
        num_samples: How many values it was made of.
    """

    value: float
    num_samples: float


def points(
    region: str, metrics: Iterable[Metric], num: int, end_s: float
) -> dict[Metric, list[Point | None]]:
    """Return the newest data points of metrics, the newest last; None where a period has none.

    Args:
        num: How many periods.
        end_s: End of the newest period, in seconds of the sandbox's clock.
    """
    wanted: dict[tuple[str, str], list[Metric]] = {}
    for metric in set(metrics):  # two alarms may watch the same one
        wanted.setdefault((metric.namespace, metric.name), []).append(metric)
    periods: dict[Metric, list[list[Any]]] = {
        metric: [[] for _ in range(num)] for metrics in wanted.values() for metric in metrics
    }
    longest_s = max((metric.period_s for metric in periods), default=0)
    began_s = clock.real_s(end_s - longest_s * num - _TOLERANCE_S)
    # Most data points are of long ago: a comparison of datetimes leaves them out at a tenth of the cost.
    oldest = datetime.fromtimestamp(began_s, UTC).replace(tzinfo=None)
    for datum in list(backend(region).metric_data):
        asking = wanted.get((datum.namespace, datum.name))
        if asking is None or (datum.timestamp.tzinfo is None and datum.timestamp < oldest):
            continue
        for metric in asking:
            if metric.unit not in (None, datum.unit):
                continue
            age = _age(datum, metric.period_s, end_s)
            if 0 <= age < num and metric.dimensions == {(each.name, each.value) for each in datum.dimensions}:
                periods[metric][num - 1 - age].append(datum)
    return {
        metric: [_point(data, metric.statistic) if data else None for data in each]
        for metric, each in periods.items()
    }


def _age(datum: Any, period_s: int, end_s: float) -> int:
    timestamp = datum.timestamp
    time_s = (timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)).timestamp() * clock.speed()
    return math.ceil((end_s - time_s - _TOLERANCE_S) / period_s) - 1


def _point(data: list[Any], statistic: str) -> Point | None:
    """Return the statistic of the values of a period; None for a percentile that sums do not give."""
    values = [datum.value for datum in data if hasattr(datum, "value")]
    sums = [datum for datum in data if not hasattr(datum, "value")]
    num = len(values) + sum(datum.sample_count for datum in sums)
    if not num:
        return None
    if statistic.startswith("p"):
        return _percentile(values, sums, float(statistic[1:]) / 100)
    total = sum(values) + sum(datum.sum for datum in sums)
    match statistic:
        case "Sum":
            value = total
        case "Average":
            value = total / num
        case "Minimum":
            value = min([*values, *(datum.min for datum in sums)])
        case "Maximum":
            value = max([*values, *(datum.max for datum in sums)])
        case _:
            value = num
    return Point(float(value), num)


def _percentile(values: list[float], sums: list[Any], part: float) -> Point | None:
    """Return the value that a part of them does not exceed; None where sums do not give it."""
    counted = [(value, 1) for value in values]
    for datum in sums:
        if datum.min == datum.max:
            counted.append((datum.min, int(datum.sample_count)))
        elif distribution := getattr(datum, "distribution", None):
            counted += distribution.items()
        else:
            return None
    num = sum(each for _, each in counted)
    rank, seen = max(math.ceil(part * num), 1), 0
    for value, each in sorted(counted):
        seen += each
        if seen >= rank:
            return Point(float(value), num)
    return None


def percentile_of(data: list[Any], statistic: str) -> float | None:
    """Return a percentile, such as p90, of moto's data of one period; None where they do not give it."""
    point = _point(data, statistic)
    return point.value if point else None
