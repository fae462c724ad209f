"""The pictures of roll-outs show every request, what each alarm watches, and what held when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.workshop.plots.test_components import START_S, drawn, requests

from workshop import plots
from workshop.endpoint.guarded_update import RollOut
from workshop.endpoint.rollout_watch import UpdateSnapshot
from workshop.errors import WorkshopError
from workshop.serving.steady_load import SteadyResult

STAGES = ("InService", "Creating", "Baking", "RollingBack", "InService")


def rolled(num: int = 5) -> RollOut:
    snapshots = [
        UpdateSnapshot(
            at_s=START_S + 2 * index,
            status="Updating",
            stage=stage,
            config_name="old",
            alarms={"news-quality": "ALARM" if index >= 3 else "OK"},
        )
        for index, stage in enumerate(STAGES[:num])
    ]
    times = [datetime.fromtimestamp(START_S, UTC) + timedelta(seconds=index) for index in (-3, 1, 5)]
    return RollOut(
        version="v3",
        outcome="went back: in state ALARM is news-quality",
        result=SteadyResult(requests=tuple(requests())),
        snapshots=snapshots,
        series={"quality": (times, [0.9, 0.1, 2.0])},
    )


def test_a_roll_out_shows_requests_metrics_against_thresholds_and_states() -> None:
    figure = plots.rollout_timeline(rolled(), {"quality": 0.2})
    drawn(figure)
    upper, middle, lower = figure.axes
    assert upper.get_title(loc="left") == "v3 · 롤백됨 · went back"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["TGI · 6", "vLLM · 4", "실패 failed · 1"]
    assert [text.get_text() for text in upper.texts] == [
        "업데이트 시작 · update begins", "경보 · alarm", "롤백 · rolls back", "끝 · ends",
    ]  # fmt: skip
    assert [line.get_xdata()[0] for line in upper.get_lines()[-4:]] == pytest.approx([2, 6, 6, 8])
    metric, _, *_ = middle.get_lines()
    assert list(metric.get_xdata()) == pytest.approx([1, 5])  # what was long before is left out
    assert list(metric.get_ydata()) == pytest.approx([0.5, 3.0])  # ten times the threshold: at the edge
    assert [tick.get_text() for tick in lower.get_yticklabels()] == ["quality", "update"]
    shown = [text.get_text() for text in lower.texts]
    assert "Baking" in shown
    assert "ALARM" in shown


def test_breakers_are_drawn_below_who_answered() -> None:
    states = [
        (START_S, {"tuned": "closed"}),
        (START_S + 4, {"tuned": "open"}),
        (START_S + 8, {"tuned": "closed"}),
    ]
    figure = plots.breaker_timeline(requests(), states, {"fails": START_S + 3})
    drawn(figure)
    upper, lower = figure.axes
    assert [text.get_text() for text in lower.texts] == ["closed", "open", "closed"]
    assert "fails" in [text.get_text() for text in upper.texts]


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(WorkshopError, match="no snapshots to draw"):
        plots.rollout_timeline(rolled(0), {})
    with pytest.raises(WorkshopError, match="no states to draw"):
        plots.breaker_timeline(requests(), [], {})
