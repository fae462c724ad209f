"""The pictures of the monitors hold what the report and the texts say, and fit a page of 1,280 pixels."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import numpy as np
import pytest

from workshop import plots
from workshop.errors import WorkshopError
from workshop.monitoring.monitors import MONITORS
from workshop.monitoring.thresholds import load

SHARE = {"count": 1, "rate": 0.1, "low": 0.02, "high": 0.4}
P_VALUES = {**dict.fromkeys(MONITORS, 0.5), "domain": 1e-30, "topic_share": 0.2}


def report() -> dict:
    days = [{"day": f"2026-11-0{n}", "flags": dict.fromkeys(MONITORS, SHARE)} for n in range(3, 7)]
    for day in days[2:]:
        day["drift"] = {"p_values": P_VALUES, "alpha": 0.00125}
    return {"days": days, "onset": "2026-11-06"}


def width(png: bytes) -> int:
    return struct.unpack(">I", png[16:20])[0]


def test_every_figure_fits_a_page_and_has_its_days() -> None:
    rows = [
        {"day": f"2026-11-0{3 + n % 4}", "scores": {"attack": n / 5}, "flags": ["attack"] if n > 20 else []}
        for n in range(24)
    ]
    rows.append({"day": "2026-11-03", "scores": {"attack": None}, "flags": []})
    figures = {
        "days": plots.days_by_score(rows, "attack"),
        "rates": plots.flag_rates(report()),
        "drift": plots.drift_p_values(report(), began="2026-11-05"),
    }
    assert all(width(figure._repr_png_()) <= 1280 for figure in figures.values())
    (axes,) = figures["days"].axes
    assert [len(line.get_xdata()) for line in axes.lines[:2]] == [21, 3]
    assert axes.lines[2].get_ydata()[0] == load()["attack"].value
    labels = [text.get_text() for text in figures["drift"].legends[0].get_texts()]
    assert [text for text in labels if text.endswith(("11-05", "11-06"))] == [
        "발견 seen 11-06", "시작 began 11-05",
    ]  # fmt: skip
    assert [text.get_text() for text in figures["rates"].axes[-1].get_xticklabels()] == [
        "03",
        "04",
        "05",
        "06",
    ]


def test_the_dot_of_a_roc_lies_on_its_curve() -> None:
    figure = plots.monitor_roc()
    assert width(figure._repr_png_()) <= 1280
    for axes in figure.axes:
        curve, dot = axes.lines[2], axes.lines[3]
        assert np.isclose(curve.get_xdata(), dot.get_xdata()[0]).any(), axes.get_title()
        assert "AUC" in curve.get_label()


def test_a_dashboard_is_drawn_where_its_widgets_stand() -> None:
    properties = {
        "title": "표시된 비율 flag rate",
        "metrics": [["News", "flag_rate", "endpoint", "a", {"label": "attack"}], ["News", "drift"]],
        "annotations": {"horizontal": [{"value": 0.2, "label": "alarm"}]},
    }
    body = {
        "widgets": [
            {"type": "text", "properties": {"markdown": "# hi"}},
            {"type": "metric", "x": 0, "y": 0, "width": 12, "height": 6, "properties": properties},
            {"type": "metric", "x": 12, "y": 0, "width": 12, "height": 6, "properties": properties},
        ]
    }
    times = [datetime(2026, 11, 4, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)]
    figure = plots.dashboard_widgets(body, {"attack": (times, [2.0, 1.0])})
    left, right = figure.axes
    assert list(left.lines[0].get_ydata()) == [1, 2], "in the order of time"
    assert left.get_position().x1 < right.get_position().x0 + 0.1
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["attack", "drift", "alarm"]
    assert width(figure._repr_png_()) <= 1280


def test_nothing_to_draw_is_said_in_three_lines() -> None:
    with pytest.raises(WorkshopError, match="no days in the report"):
        plots.flag_rates({"days": []})
