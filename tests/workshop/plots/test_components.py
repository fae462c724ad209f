"""The pictures of components show every request, every copy and every metric."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from PIL import Image

from workshop import plots
from workshop.endpoint.rollout_watch import Snapshot
from workshop.errors import WorkshopError
from workshop.plots.style import NotebookFigure
from workshop.serving.steady_load import SteadyRequest

START_S = 1_800_000_000.0


def requests() -> list[SteadyRequest]:
    answered = [
        SteadyRequest(sent_at_s=START_S + index, seconds=0.2, label="TGI" if index < 6 else "vLLM")
        for index in range(10)
    ]
    failed = SteadyRequest(sent_at_s=START_S + 10, seconds=0.1, label="failed", error="refused")
    return [*answered, failed]


def snapshots(num: int = 5, step_s: float = 3.0) -> list[Snapshot]:
    return [
        Snapshot(
            at_s=START_S + index * step_s,
            copies={"tuned": (index, 2)} if index else {},
            status={"tuned": "Updating"},
            num_instances=1 + (index > 2),
        )
        for index in range(num)
    ]


def drawn(figure: NotebookFigure) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png = figure._repr_png_()
    with Image.open(BytesIO(png)) as image:
        assert image.width > 800


def test_the_update_shows_who_answered_and_what_failed_above_the_copies() -> None:
    figure = plots.update_timeline(requests(), snapshots(), title="Update")
    drawn(figure)
    upper, lower = figure.axes
    labels = [text.get_text() for text in upper.get_legend().get_texts()]
    assert labels == ["TGI · 6", "vLLM · 4", "failed · 1"]
    assert list(upper.get_lines()[2].get_xdata()) == [10.0]
    assert list(upper.get_lines()[0].get_ydata()) == pytest.approx([200] * 6)
    there, wanted = (list(line.get_ydata()) for line in lower.get_lines())
    assert there == [0, 1, 2, 3, 4]
    assert wanted == [0, 2, 2, 2, 2]


def test_long_times_are_shown_in_minutes() -> None:
    figure = plots.copies_over_time(snapshots(5, 300.0), events={"call": START_S + 600}, title="To zero")
    drawn(figure)
    (axes,) = figure.axes
    assert axes.get_xlabel().startswith("minutes")
    there, _, machines, event = axes.get_lines()
    assert list(there.get_xdata()) == [0, 5, 10, 15, 20]
    assert list(machines.get_ydata()) == [1, 1, 1, 2, 2]
    assert list(event.get_xdata()) == [10, 10]
    assert axes.texts[0].get_text() == "call"


def test_metrics_are_drawn_in_the_order_of_time_with_one_line_for_each_component() -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    times = [start + timedelta(seconds=second) for second in (20, 0, 10)]
    figure = plots.metrics_over_time(
        {"Invocations": {"tuned": (times, [3, 1, 2]), "base": ([], [])}, "ModelLatency": {"tuned": ([], [])}}
    )
    drawn(figure)
    upper, lower = figure.axes
    assert (upper.get_title(loc="left"), lower.get_title(loc="left")) == ("Invocations", "ModelLatency")
    assert list(upper.get_lines()[0].get_xdata()) == [0, 10, 20]
    assert list(upper.get_lines()[0].get_ydata()) == [1, 2, 3]


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(WorkshopError, match="no snapshots to draw"):
        plots.copies_over_time([])
    with pytest.raises(WorkshopError, match="no requests"):
        plots.update_timeline([], snapshots())
    with pytest.raises(WorkshopError, match="no points"):
        plots.metrics_over_time({"Invocations": {"tuned": ([], [])}})
