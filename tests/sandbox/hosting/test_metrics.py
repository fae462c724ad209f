"""What is kept of invocations: bounded, per variant and per component, with zeros where AWS has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox import clock
from sandbox.api.registry import ACCOUNT_ID
from sandbox.hosting import metrics as module
from sandbox.hosting.metrics import InvocationMetrics
from sandbox.scaling.metric_points import percentile_of

REGION = "eu-west-1"
VARIANT = {"region": REGION, "endpoint": "bounded", "variant": "AllTraffic"}
COMPONENT = {"region": REGION, "component": "summary"}


@pytest.fixture
def shown() -> Iterator[list[Any]]:
    """The data in moto's CloudWatch of a region of its own."""
    from moto.cloudwatch.models import cloudwatch_backends

    data = cloudwatch_backends[ACCOUNT_ID][REGION].metric_data
    data.clear()
    yield data
    data.clear()


@pytest.fixture
def now_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which these tests set: a minute of waiting would prove nothing more."""
    now_s = [1_800_000_000.0]
    monkeypatch.setattr(module.time, "time", lambda: now_s[0])
    return now_s


def count(metrics: InvocationMetrics, times: int = 1, **members: Any) -> None:
    for _ in range(times):
        metrics.count(**{**VARIANT, "status": 200, "model_s": 0.5, "overhead_s": 0.001, **members})


def values(shown: list[Any], name: str, statistic: str = "sum") -> list[float]:
    """Return a statistic of a component's data points, the oldest first."""
    found = [
        datum
        for datum in shown
        if datum.name == name and [each.name for each in datum.dimensions] == ["InferenceComponentName"]
    ]
    return [getattr(datum, statistic) for datum in sorted(found, key=lambda datum: datum.timestamp)]


def test_a_minute_is_one_entry_a_metric_however_often_it_is_shown(shown: list[Any]) -> None:
    metrics = InvocationMetrics()
    for _ in range(3):
        count(metrics, 1000)
        metrics.flush()
    assert len(shown) <= 2 * 7  # the test may run over the end of a minute
    assert sum(each.sum for each in shown if each.name == "Invocations") == 3000
    assert max(each.max for each in shown if each.name == "ModelLatency") == 500_000


def test_the_oldest_entries_are_dropped(
    shown: list[Any], now_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 28)
    metrics = InvocationMetrics()
    for _ in range(10):
        count(metrics)
        now_s[0] += 60
    assert len(metrics._series._periods) == 1  # though nobody has read anything yet
    metrics.flush()
    assert len(shown) == 28
    times = [each.timestamp.timestamp() for each in shown]
    assert max(times) - min(times) == 3 * 60
    assert len(metrics._series._periods) <= 1


def test_a_minute_of_a_fast_clock_is_a_data_point(
    shown: list[Any], now_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "speed", lambda: 60.0)
    metrics = InvocationMetrics()
    for _ in range(3):
        count(metrics)
        now_s[0] += 1
    metrics.flush()
    times = sorted(each.timestamp.timestamp() for each in shown if each.name == "Invocations")
    assert [time - times[0] for time in times] == [0, 1, 2]


def test_invocations_per_instance_are_divided_by_the_instances(shown: list[Any]) -> None:
    metrics = InvocationMetrics()
    count(metrics, 4, num_instances=2)
    metrics.flush()
    assert sum(each.sum for each in shown if each.name == "InvocationsPerInstance") == 2


def test_a_component_counts_under_its_own_name_and_its_variants(shown: list[Any]) -> None:
    metrics = InvocationMetrics()
    metrics.copies(**COMPONENT, num_copies=2)
    count(metrics, 4, component="summary")
    metrics.flush()
    assert sum(values(shown, "Invocations")) == 4
    assert sum(values(shown, "InvocationsPerCopy")) == 2
    of_variant = [each for each in shown if each.dimensions[0].name == "EndpointName"]
    assert sum(each.sum for each in of_variant if each.name == "Invocations") == 4
    assert not [each for each in of_variant if each.name == "InvocationsPerCopy"]


def test_an_idle_component_has_zeros_as_long_as_it_has_copies(shown: list[Any], now_s: list[float]) -> None:
    metrics = InvocationMetrics()
    metrics.copies(**COMPONENT, num_copies=1)
    now_s[0] += 120
    metrics.copies(**COMPONENT, num_copies=0)
    now_s[0] += 120
    metrics.flush()
    assert values(shown, "InvocationsPerCopy") == [0, 0, 0]
    assert values(shown, "ConcurrentRequestsPerCopy", "max") == [0] * 13
    metrics.copies(**COMPONENT, num_copies=1)
    metrics.flush()
    assert len(values(shown, "InvocationsPerCopy")) == 4  # none for the minutes without a copy


def test_requests_in_flight_show_in_every_ten_seconds_they_last(shown: list[Any], now_s: list[float]) -> None:
    metrics = InvocationMetrics()
    metrics.copies(**COMPONENT, num_copies=2)
    now_s[0] += 10
    metrics.began(**COMPONENT)
    metrics.began(**COMPONENT)
    metrics.began(**COMPONENT)
    now_s[0] += 20
    metrics.finished(**COMPONENT)
    metrics.finished(**COMPONENT)
    metrics.finished(**COMPONENT)
    now_s[0] += 10
    metrics.flush()
    assert values(shown, "ConcurrentRequestsPerCopy", "max") == [0, 1.5, 1.5, 1.5, 0]
    assert values(shown, "ConcurrentRequestsPerCopy", "min") == [0, 0, 1.5, 0, 0]


def test_an_invocation_without_a_copy_is_counted(shown: list[Any]) -> None:
    metrics = InvocationMetrics()
    metrics.no_capacity(**VARIANT, component="summary")
    metrics.flush()
    assert values(shown, "NoCapacityInvocationFailures") == [1]
    assert len(shown) == 1


def test_what_was_deleted_leaves_nothing_to_count(shown: list[Any], now_s: list[float]) -> None:
    metrics = InvocationMetrics()
    forget: list[Callable[[], None]] = [
        lambda: metrics.copies(**COMPONENT, num_copies=0),
        lambda: metrics.finished(**COMPONENT),
    ]
    for last, first in (forget, reversed(forget)):
        metrics.copies(**COMPONENT, num_copies=1)
        metrics.began(**COMPONENT)
        first()
        last()
        assert metrics._loads == {}


def test_a_percentile_of_latencies_is_that_of_the_requests_to_one_percent(
    shown: list[Any], now_s: list[float]
) -> None:
    metrics = InvocationMetrics()
    for number in range(1, 101):
        count(metrics, model_s=number / 1000)
    metrics.flush()
    data = [each for each in shown if each.name == "ModelLatency"]
    for part, expected in (("p50", 50_000), ("p90", 90_000), ("p99", 99_000)):
        assert percentile_of(data, part) == pytest.approx(expected, rel=0.01)
    assert percentile_of(data, "p100") == 100_000
    assert percentile_of([each for each in shown if each.name == "Invocations"], "p90") == 1
