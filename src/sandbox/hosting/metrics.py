"""Metrics of invocations in CloudWatch, of variants and of inference components.

A variant that gets no requests has no data points. An inference component with copies has zeros then, which
is what lets target tracking scale it in; with no copy nothing can be counted per copy, and it has none.

Source: SageMaker Developer Guide, "Amazon SageMaker AI metrics in Amazon CloudWatch" (metrics, units and
dimensions), "Scale an endpoint to zero instances" (NoCapacityInvocationFailures). That an idle component has
zeros follows from its scale-in to zero; of variants the guide says that they have none ("Edit a scaling
policy").

Adding a value touches a dictionary; moto sees one aggregate a period and metric, as CloudWatch keeps them,
when somebody flushes, which every reader does. Periods are those of AWS and pass on the sandbox's clock: a
minute of AWS is one data point, with the time of the wall clock at which that minute began.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox import clock
from sandbox.api.registry import ACCOUNT_ID

_MINUTE_S, _HIGH_RESOLUTION_S = 60, 10
_MAX_FILLED = 1080  # periods: three hours of data points every ten seconds, as long as CloudWatch keeps those
_NONE, _MICROSECONDS = "None", "Microseconds"
_STEPS_PER_E = 100  # of times a distribution is kept on a scale of 1 % a step, for percentiles
NAMESPACE = "AWS/SageMaker"
# Twelve hours of one busy variant at the speed of AWS; the oldest go first. A reader in moto walks over all
# of them: 1 ms for 10,000.
MAX_KEPT = 10_000

Dimensions = tuple[tuple[str, str], ...]
Series = tuple[str, Dimensions, int]  # region, dimensions, period in seconds of AWS


@dataclass
class _Load:
    """Copies of a component and the requests that are with them."""

    num_copies: int = 0
    num_in_flight: int = 0
    filled_minute: int = 0  # the newest period that has a value
    filled_tenth: int = 0

    @property
    def per_copy(self) -> float:
        return self.num_in_flight / self.num_copies


class InvocationMetrics:
    """Counts invocations of every endpoint and component; a call costs microseconds."""

    def __init__(self) -> None:
        self._series = MetricSeries()
        self._lock = threading.Lock()
        self._loads: dict[tuple[str, str], _Load] = {}  # region, component

    def count(
        self,
        *,
        region: str,
        endpoint: str,
        variant: str,
        component: str | None = None,
        status: int,
        model_s: float,
        overhead_s: float,
        num_instances: int = 1,
    ) -> None:
        """Count an invocation.

        Args:
            variant: The variant that answered.
            component: The inference component that answered, if one did.
            status: The container's HTTP status, 0 when it did not answer.
            model_s: Seconds from sending the request to the container to the end of its answer.
            overhead_s: Seconds spent in the sandbox beside that.
            num_instances: Active instances of the variant.
        """
        values = {
            "Invocations": (1.0, _NONE),
            "Invocation4XXErrors": (float(400 <= status < 500), _NONE),
            "Invocation5XXErrors": (float(status == 0 or status >= 500), _NONE),
            "InvocationModelErrors": (float(not 200 <= status < 300), _NONE),
            "ModelLatency": (model_s * 1e6, _MICROSECONDS),
            "OverheadLatency": (overhead_s * 1e6, _MICROSECONDS),
        }
        minute = period_number(_MINUTE_S)
        per_instance = {"InvocationsPerInstance": (1 / max(num_instances, 1), _NONE)}
        self._series.add(_of_variant(region, endpoint, variant), minute, values | per_instance)
        if component is not None:
            load = self._loads.get((region, component))
            num_copies = load.num_copies if load else 1
            per_copy = {"InvocationsPerCopy": (1 / max(num_copies, 1), _NONE)}
            self._series.add(_of_component(region, component, _MINUTE_S), minute, values | per_copy)

    def no_capacity(self, *, region: str, endpoint: str, variant: str, component: str) -> None:
        """Count an invocation that failed because its component has no copy to answer it."""
        series = _of_component(region, component, _MINUTE_S)
        self._series.add(series, period_number(_MINUTE_S), {"NoCapacityInvocationFailures": (1.0, _NONE)})

    def began(self, *, region: str, component: str) -> None:
        """Count a request that a component begins to answer."""
        self._change(region, component, num_in_flight=1)

    def finished(self, *, region: str, component: str) -> None:
        """Count the end of a request that `began`."""
        self._change(region, component, num_in_flight=-1)

    def copies(self, *, region: str, component: str, num_copies: int) -> None:
        """Say how many copies of a component can answer from now on; 0 also when it is deleted."""
        with self._lock:
            load = self._loads.setdefault((region, component), _Load())
            self._fill(region, component, load)
            load.num_copies = num_copies
            load.filled_minute = period_number(_MINUTE_S) - 1
            load.filled_tenth = period_number(_HIGH_RESOLUTION_S) - 1
            if not num_copies and not load.num_in_flight:
                del self._loads[region, component]

    def flush(self) -> None:
        """Bring CloudWatch up to date."""
        with self._lock:
            for (region, component), load in self._loads.items():
                self._fill(region, component, load)
        self._series.flush()

    def _change(self, region: str, component: str, *, num_in_flight: int) -> None:
        with self._lock:
            load = self._loads.setdefault((region, component), _Load())
            self._fill(region, component, load)
            load.num_in_flight += num_in_flight
            if load.num_copies:
                self._add_concurrency(region, component, load, load.filled_tenth)
            elif not load.num_in_flight:
                del self._loads[region, component]

    def _fill(self, region: str, component: str, load: _Load) -> None:
        """Add to every period since the last one what held during it: the requests in flight, and a zero."""
        if not load.num_copies:
            return
        tenth, minute = period_number(_HIGH_RESOLUTION_S), period_number(_MINUTE_S)
        for number in range(max(load.filled_tenth + 1, tenth - _MAX_FILLED), tenth + 1):
            self._add_concurrency(region, component, load, number)
        for number in range(max(load.filled_minute + 1, minute - _MAX_FILLED), minute + 1):
            series = _of_component(region, component, _MINUTE_S)
            self._series.add(series, number, {"InvocationsPerCopy": (0.0, _NONE)})
        load.filled_tenth, load.filled_minute = tenth, minute

    def _add_concurrency(self, region: str, component: str, load: _Load, number: int) -> None:
        series = _of_component(region, component, _HIGH_RESOLUTION_S)
        self._series.add(series, number, {"ConcurrentRequestsPerCopy": (load.per_copy, _NONE)})


def _of_variant(region: str, endpoint: str, variant: str) -> Series:
    return region, (("EndpointName", endpoint), ("VariantName", variant)), _MINUTE_S


def _of_component(region: str, component: str, period_s: int) -> Series:
    return region, (("InferenceComponentName", component),), period_s


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
    steps: Counter[int] = field(default_factory=Counter, repr=False)  # of times: step -> how many
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
                self._show_all()  # once a period: what is never read must not pile up here
                aggregates = self._periods[key] = {}
            for name, (value, unit) in values.items():
                aggregate = aggregates.get(name)
                if aggregate is None:
                    aggregate = aggregates[name] = _Aggregate(unit)
                aggregate.sum += value
                aggregate.num += 1
                if aggregate.unit is _MICROSECONDS and value > 0:
                    aggregate.steps[math.floor(math.log(value) * _STEPS_PER_E)] += 1
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
        datum.distribution = {
            min(max(math.exp((step + 0.5) / _STEPS_PER_E), aggregate.min), aggregate.max): num
            for step, num in aggregate.steps.items()
        }


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


metrics = InvocationMetrics()  # a process is one sandbox
