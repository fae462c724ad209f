"""Metrics that the sandbox itself measures: one aggregate a period and metric, as CloudWatch keeps them.

Adding a value touches a dictionary; moto sees the aggregates when somebody flushes, which every reader does.
Periods are those of AWS and pass on the sandbox's clock: a minute of AWS is one data point, with the time of
the wall clock at which that minute began.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox import clock
from sandbox.api.registry import ACCOUNT_ID

NAMESPACE = "AWS/SageMaker"
# Twelve hours of one busy variant at the speed of AWS; the oldest go first. A reader in moto walks over all
# of them: 1 ms for 10,000.
MAX_KEPT = 10_000

Dimensions = tuple[tuple[str, str], ...]
Series = tuple[str, Dimensions, int]  # region, dimensions, period in seconds of AWS


def period_number(period_s: int, time_s: float | None = None) -> int:
    """Return which period of the clock a time is in, now when it is left out."""
    return int((time.time() if time_s is None else time_s) * clock.speed() // period_s)


@dataclass(slots=True)
class _Aggregate:
    """What CloudWatch keeps of the values of a period."""

    unit: str
    sum: float = 0.0
    min: float = float("inf")
    max: float = float("-inf")
    num: int = 0
    datum: Any = field(default=None, repr=False)  # moto's, once it was shown


class MetricSeries:
    """Aggregates of the newest periods, and what is shown of all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._periods: dict[tuple[Series, int], dict[str, _Aggregate]] = {}
        self._changed: set[tuple[Series, int]] = set()
        self._shown: deque[tuple[str, Any]] = deque()  # region, moto's datum

    def add(self, series: Series, number: int, values: Mapping[str, tuple[float, str]]) -> None:
        """Add values to a period.

        Args:
            series: Region, dimensions and period.
            number: Of the period, see period_number.
            values: Value and unit by metric.
        """
        key = series, number
        with self._lock:
            aggregates = self._periods.get(key)
            if aggregates is None:
                self._show_all()  # once a period: what nobody reads must not pile up here
                aggregates = self._periods[key] = {}
            for name, (value, unit) in values.items():
                aggregate = aggregates.get(name)
                if aggregate is None:
                    aggregate = aggregates[name] = _Aggregate(unit)
                aggregate.sum += value
                aggregate.num += 1
                if value < aggregate.min:
                    aggregate.min = value
                if value > aggregate.max:
                    aggregate.max = value
            self._changed.add(key)

    def flush(self) -> None:
        """Show in CloudWatch what was added since the last time."""
        with self._lock:
            self._show_all()

    def _show_all(self) -> None:
        changed, self._changed = self._changed, set()
        for key in sorted(changed, key=lambda key: key[1] * key[0][2]):  # the oldest first
            for name, aggregate in self._periods[key].items():
                self._show(key, name, aggregate)
        now_s = time.time()
        self._periods = {
            key: held for key, held in self._periods.items() if key[1] >= period_number(key[0][2], now_s)
        }
        while len(self._shown) > MAX_KEPT:
            region, datum = self._shown.popleft()
            data = _backend(region).metric_data
            if datum in data:  # somebody may have reset CloudWatch
                data.remove(datum)

    def _show(self, key: tuple[Series, int], name: str, aggregate: _Aggregate) -> None:
        (region, dimensions, period_s), number = key
        if aggregate.datum is None:
            time_s = clock.real_s(number * period_s)
            aggregate.datum = _new_datum(dimensions, name, time_s, aggregate.unit)
            _backend(region).metric_data.append(aggregate.datum)
            self._shown.append((region, aggregate.datum))
        datum = aggregate.datum
        datum.sum, datum.min, datum.max = aggregate.sum, aggregate.min, aggregate.max
        datum.sample_count = aggregate.num


def _new_datum(dimensions: Dimensions, name: str, time_s: float, unit: str) -> Any:
    from moto.cloudwatch.models import MetricAggregatedDatum

    return MetricAggregatedDatum(
        namespace=NAMESPACE,
        name=name,
        min_stat=0.0,
        max_stat=0.0,
        sample_count=0.0,
        sum_stat=0.0,
        dimensions=[{"Name": dimension, "Value": value} for dimension, value in dimensions],
        timestamp=datetime.fromtimestamp(time_s, UTC).replace(tzinfo=None),  # as moto's own
        unit=unit,
    )


def _backend(region: str) -> Any:
    from moto.cloudwatch.models import cloudwatch_backends

    return cloudwatch_backends[ACCOUNT_ID][region]
