"""Metrics of invocations in CloudWatch: one aggregate a minute and metric, brought up to date once a second.

Source: SageMaker Developer Guide, "Amazon SageMaker AI endpoint invocation metrics".
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.api.registry import ACCOUNT_ID

NAMESPACE = "AWS/SageMaker"
_PERIOD_S = 60
_FLUSH_S = 1.0
_MAX_KEPT = 5 * 60 * 12  # five metrics a minute for twelve hours of one busy variant; the oldest go first
_COUNT, _MICROSECONDS = "None", "Microseconds"

Key = tuple[str, str, str]  # region, endpoint, variant


@dataclass
class _Aggregate:
    """What CloudWatch keeps of the values of a minute."""

    unit: str
    sum: float = 0.0
    min: float = float("inf")
    max: float = float("-inf")
    num: int = 0
    datum: Any = field(default=None, repr=False)  # moto's, once it was shown

    def add(self, value: float) -> None:
        self.sum += value
        self.min, self.max = min(self.min, value), max(self.max, value)
        self.num += 1


class InvocationMetrics:
    """Counts invocations of every endpoint; `count` costs microseconds, a thread shows the figures."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minutes: dict[tuple[Key, int], dict[str, _Aggregate]] = {}
        self._changed: set[tuple[Key, int]] = set()
        self._shown: deque[tuple[str, Any]] = deque()  # region, moto's datum
        self._flusher: threading.Timer | None = None

    def count(self, key: Key, *, status: int, model_s: float, overhead_s: float) -> None:
        """Count an invocation.

        Args:
            key: Region, endpoint and variant.
            status: The container's HTTP status, 0 when it did not answer.
            model_s: Seconds from sending the request to the container to the end of its answer.
            overhead_s: Seconds spent in the sandbox beside that.
        """
        values = {
            "Invocations": (1.0, _COUNT),
            "Invocation4XXErrors": (float(400 <= status < 500), _COUNT),
            "Invocation5XXErrors": (float(status == 0 or status >= 500), _COUNT),
            "ModelLatency": (model_s * 1e6, _MICROSECONDS),
            "OverheadLatency": (overhead_s * 1e6, _MICROSECONDS),
        }
        minute = key, int(time.time()) // _PERIOD_S
        with self._lock:
            aggregates = self._minutes.setdefault(minute, {})
            for name, (value, unit) in values.items():
                if name not in aggregates:
                    aggregates[name] = _Aggregate(unit)
                aggregates[name].add(value)
            self._changed.add(minute)
            if self._flusher is None:
                self._flusher = threading.Timer(_FLUSH_S, self.flush)
                self._flusher.daemon = True
                self._flusher.start()

    def flush(self) -> None:
        """Show in CloudWatch what was counted since the last time."""
        with self._lock:
            self._flusher = None
            changed, self._changed = self._changed, set()
            for minute in changed:
                for name, aggregate in self._minutes[minute].items():
                    self._show(minute, name, aggregate)
            now = int(time.time()) // _PERIOD_S
            self._minutes = {minute: all_ for minute, all_ in self._minutes.items() if minute[1] >= now}
            while len(self._shown) > _MAX_KEPT:
                region, datum = self._shown.popleft()
                data = _backend(region).metric_data
                if datum in data:  # somebody may have reset CloudWatch
                    data.remove(datum)

    def _show(self, minute: tuple[Key, int], name: str, aggregate: _Aggregate) -> None:
        (region, endpoint, variant), number = minute
        if aggregate.datum is None:
            aggregate.datum = _new_datum(endpoint, variant, name, number * _PERIOD_S, aggregate.unit)
            _backend(region).metric_data.append(aggregate.datum)
            self._shown.append((region, aggregate.datum))
        datum = aggregate.datum
        datum.sum, datum.min, datum.max = aggregate.sum, aggregate.min, aggregate.max
        datum.sample_count = aggregate.num


def _new_datum(endpoint: str, variant: str, name: str, time_s: int, unit: str) -> Any:
    from moto.cloudwatch.models import MetricAggregatedDatum

    return MetricAggregatedDatum(
        namespace=NAMESPACE,
        name=name,
        min_stat=0.0,
        max_stat=0.0,
        sample_count=0.0,
        sum_stat=0.0,
        dimensions=[
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": variant},
        ],
        timestamp=datetime.fromtimestamp(time_s, UTC).replace(tzinfo=None),  # as moto's own
        unit=unit,
    )


def _backend(region: str) -> Any:
    from moto.cloudwatch.models import cloudwatch_backends

    return cloudwatch_backends[ACCOUNT_ID][region]
