"""The pictures of components show every request, every copy and every metric."""

from __future__ import annotations

import math
import warnings
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from PIL import Image

from workshop import plots
from workshop.endpoint.rollout_watch import Snapshot
from workshop.errors import WorkshopError
from workshop.plots.looks import looks
from workshop.plots.style import RED, NotebookFigure
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
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [
        "TGI · 6",
        "vLLM · 4",
        "실패 failed · 1",
        "tuned 복제본 copies",
        "tuned 요청한 수 asked for",
    ]
    assert list(upper.get_lines()[2].get_xdata()) == [10.0]
    assert list(upper.get_lines()[0].get_ydata()) == pytest.approx([200] * 6)
    there, wanted = (list(line.get_ydata()) for line in lower.get_lines())
    assert there == [0, 1, 2, 3, 4]
    assert wanted == [0, 2, 2, 2, 2]


def test_long_times_are_shown_in_minutes() -> None:
    figure = plots.copies_over_time(snapshots(5, 300.0), events={"call": START_S + 600}, title="To zero")
    drawn(figure)
    (axes,) = figure.axes
    assert axes.get_xlabel().endswith("minutes since the beginning")
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
    upper, _ = figure.axes
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["호출 수 · Invocations", "모델의 지연 시간 · ModelLatency"]
    assert list(upper.get_lines()[0].get_xdata()) == [0, 10, 20]
    assert list(upper.get_lines()[0].get_ydata()) == [1, 2, 3]


def test_events_stand_beside_each_other_and_inside_the_axes() -> None:
    figure = plots.update_timeline(
        requests(),
        snapshots(),
        events={
            "업데이트 요청 · update asked for": START_S + 1,
            "곧 뒤에 · soon after": START_S + 1.2,
            "컨테이너가 뜨지 못해 롤백됨 · did not start, rolled back": START_S + 9.8,
        },
    )
    drawn(figure)
    upper, lower = figure.axes
    for axes in (upper, lower):
        assert [line.get_xdata()[0] for line in axes.get_lines()[-3:]] == pytest.approx([1, 1.2, 9.8])
    boxes = [text.get_window_extent() for text in upper.texts]
    inside = upper.get_window_extent()
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 for box in boxes)
    assert not any(one.overlaps(other) for index, one in enumerate(boxes) for other in boxes[index + 1 :])


def test_minutes_of_aws_stand_above_where_its_clock_runs_faster() -> None:
    as_it_is = plots.copies_over_time(snapshots())
    faster = plots.copies_over_time(snapshots(), clock_speed=120)
    drawn(faster)
    assert not as_it_is.axes[0].child_axes
    (above,) = faster.axes[0].child_axes
    assert "minutes of waits on AWS, clock x 120" in above.get_xlabel()
    seconds, minutes = faster.axes[0].get_xlim(), above.get_xlim()
    assert minutes == pytest.approx([second * 2 for second in seconds])


def test_latency_is_in_milliseconds_and_missing_points_leave_a_gap() -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    times = [start + timedelta(minutes=minute) for minute in (0, 1, 6)]
    series = {
        "ModelLatency": {"tuned": (times, [800_000.0, 700_000.0, 600_000.0])},
        "Invocations": {"b": ([], [])},
    }
    figure = plots.metrics_over_time(series)
    drawn(figure)
    latency, empty = figure.axes
    assert latency.get_ylabel() == "ms"
    values = latency.get_lines()[0].get_ydata()
    assert list(values[:2]) == [800, 700]
    assert math.isnan(values[2])
    assert values[3] == 600
    assert empty.texts[0].get_text() == "값 없음 · no value"


def test_slow_answers_are_shown_in_seconds() -> None:
    slow = [SteadyRequest(sent_at_s=START_S, seconds=12.5, label="TGI")]
    (upper, _) = plots.update_timeline(slow, snapshots()).axes
    assert upper.get_ylabel().endswith("초 · s")
    assert list(upper.get_lines()[0].get_ydata()) == [12.5]


def test_an_engine_and_a_version_have_one_colour_wherever_they_are_drawn() -> None:
    both, alone = looks(["TGI", "vLLM or LMI"]), looks(["vLLM or LMI"])
    assert both["vLLM or LMI"] == alone["vLLM or LMI"]
    assert looks(["v2", "v3-template"])["v2"] == looks(["tuned", "v2"])["v2"]
    assert looks(["news-ic-1129-211652-tuned"])["news-ic-1129-211652-tuned"] == looks(["tuned"])["tuned"]
    names = ["tuned", "tuned-again", "base", "lead-3", "another", "one more"]
    assert len({look.colour for look in looks(names).values()}) == len(names)
    assert RED not in {look.colour for look in looks(map(str, range(30))).values()}


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(WorkshopError, match="no snapshots to draw"):
        plots.copies_over_time([])
    with pytest.raises(WorkshopError, match="no requests"):
        plots.update_timeline([], snapshots())
    with pytest.raises(WorkshopError, match="no points"):
        plots.metrics_over_time({"Invocations": {"tuned": ([], [])}})
