"""What is kept of invocations does not grow with their number, nor with time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.api.registry import ACCOUNT_ID
from sandbox.hosting import invocation_metrics
from sandbox.hosting.invocation_metrics import InvocationMetrics

KEY = ("eu-west-1", "bounded", "AllTraffic")


@pytest.fixture
def shown() -> Iterator[list[Any]]:
    """The data in moto's CloudWatch of a region of its own."""
    from moto.cloudwatch.models import cloudwatch_backends

    data = cloudwatch_backends[ACCOUNT_ID][KEY[0]].metric_data
    data.clear()
    yield data
    data.clear()


def count(metrics: InvocationMetrics, times: int = 1) -> None:
    for _ in range(times):
        metrics.count(KEY, status=200, model_s=0.5, overhead_s=0.001)


def test_a_minute_is_one_entry_a_metric_however_often_it_is_shown(shown: list[Any]) -> None:
    metrics = InvocationMetrics()
    for _ in range(3):
        count(metrics, 1000)
        metrics.flush()
    assert len(shown) <= 2 * 5  # the test may run over the end of a minute
    assert sum(each.sum for each in shown if each.name == "Invocations") == 3000
    assert max(each.max for each in shown if each.name == "ModelLatency") == 500_000


def test_the_oldest_entries_are_dropped(shown: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation_metrics, "_MAX_KEPT", 20)
    now_s = [1_800_000_000.0]
    monkeypatch.setattr(invocation_metrics.time, "time", lambda: now_s[0])
    metrics = InvocationMetrics()
    for _ in range(10):
        count(metrics)
        metrics.flush()
        now_s[0] += 60
    assert len(shown) == 20
    assert (
        max(each.timestamp for each in shown).timestamp() - min(each.timestamp for each in shown).timestamp()
        == 3 * 60
    )
    assert len(metrics._minutes) <= 1
