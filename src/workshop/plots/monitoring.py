"""What the monitors saw: scores by day, flagged shares, ROC with the chosen point, drift, a dashboard."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from workshop.errors import WorkshopError
from workshop.plots.style import (
    BLUE,
    COLOURS,
    GREY,
    LINES,
    MARKERS,
    ORANGE,
    RED,
    NotebookFigure,
    new_figure,
    styled,
)
from workshop.plots.timeline import apart_at_gaps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = {
    "attack": "공격 attack",
    "toxicity": "욕설 toxicity",
    "sentiment": "감정 sentiment",
    "topic_fit": "주제 topic fit",
    "relevance": "관련성 relevance",
    "groundedness": "근거 groundedness",
    "domain": "분류기 domain classifier",
    "topic_share": "주제 밖의 비율 share off the topic",
}
_WIDTH_INCHES = 10.6
"""1,272 pixels at the 120 dots of an inch that the style has."""


@styled
def days_by_score(rows: Sequence[Mapping[str, Any]], name: str) -> NotebookFigure:
    """Draw every request's score by day, those beyond the threshold in another colour.

    Args:
        rows: Of scores.jsonl.
        name: Of a score.
    """
    from workshop.monitoring.thresholds import load

    _check(rows, "scored requests")
    threshold = load()[name]
    days = sorted({row["day"] for row in rows})
    figure = new_figure(_WIDTH_INCHES, 4.4)
    axes = figure.subplots()
    judged = [row for row in rows if row["scores"][name] is not None]
    for is_flagged, colour, marker, label in (
        (False, BLUE, "o", "정상 not flagged"),
        (True, RED, "X", "플래그 flagged"),
    ):
        chosen = [row for row in judged if (name in row["flags"]) == is_flagged]
        # Beside each other, in their order: chance would make another picture each time.
        places = [days.index(row["day"]) + 0.35 * np.sin(2.4 * n) for n, row in enumerate(chosen)]
        values = [row["scores"][name] for row in chosen]
        axes.plot(
            places, values, linestyle="", marker=marker, color=colour, markersize=7, alpha=0.7,
            label=f"{label} · {len(chosen):,}",
        )  # fmt: skip
    axes.axhline(threshold.value, color=GREY, linestyle="--", label=f"임계값 threshold {threshold.value:.2f}")
    axes.set_xticks(range(len(days)), [day[5:] for day in days])
    axes.set(title=f"{LABELS[name]}: 날짜별 by day", ylabel="점수 score")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


@styled
def flag_rates(report: Mapping[str, Any]) -> NotebookFigure:
    """Draw what share of each day's requests each monitor flagged, with Wilson's 95 % interval."""
    days = report["days"]
    _check(days, "days in the report")
    names = list(days[0]["flags"])
    figure = new_figure(_WIDTH_INCHES, 6.4)
    fields = figure.subplots(2, 3, sharex=True, sharey=True)
    places = np.arange(len(days))
    for axes, name, colour in zip(fields.flat, names, COLOURS, strict=False):
        rates, lows, highs = (
            100 * np.array([[day["flags"][name][part] for part in ("rate", "low", "high")] for day in days]).T
        )
        axes.errorbar(
            places, rates, yerr=(np.maximum(rates - lows, 0), np.maximum(highs - rates, 0)), fmt="o-",
            color=colour, markersize=7, capsize=4, linewidth=1.8,
        )  # fmt: skip
        axes.set_title(LABELS[name], fontsize=12)
        axes.set_xticks(places, [day["day"][8:] for day in days])
    fields[0, 0].set_ylim(0, None)
    for row in fields:
        row[0].set_ylabel("퍼센트 percent")
    figure.supxlabel("날짜 day · 윌슨 95% 신뢰 구간 Wilson interval", fontsize=11)
    return figure


@styled
def monitor_roc() -> NotebookFigure:
    """Draw the ROC of each monitor on tuning and held-out texts, with the point that the threshold chose."""
    from workshop.monitoring.evaluate import HELD_OUT, scored
    from workshop.monitoring.measure import auc, badness
    from workshop.monitoring.thresholds import load
    from workshop.monitoring.tune import scored_out_of_fold

    figure = new_figure(_WIDTH_INCHES, 7)
    fields = figure.subplots(2, 3, sharex=True, sharey=True)
    parts = (
        ("튜닝용 tuning", scored_out_of_fold(), GREY, "--"),
        ("처음 보는 held out", scored(HELD_OUT), BLUE, "-"),
    )
    for axes, (name, threshold) in zip(fields.flat, load().items(), strict=False):
        for label, by_name, colour, line in parts:
            found = by_name[name]
            scores, is_bad = badness(name, found), np.array([one.is_bad for one in found])
            false_rates, found_rates = _curve(scores, is_bad)
            value = auc(scores[is_bad], scores[~is_bad])
            axes.plot(
                100 * false_rates, 100 * found_rates, line, color=colour, label=f"{label} AUC {value:.2f}"
            )
            flagged = np.array([threshold.is_beyond(one.score) for one in found])
            axes.plot(
                100 * flagged[~is_bad].mean(), 100 * flagged[is_bad].mean(), "o", color=ORANGE, markersize=9,
                markeredgecolor=colour, markeredgewidth=2,
            )  # fmt: skip
        axes.set_title(LABELS[name], fontsize=12)
        axes.legend(loc="lower right", fontsize=9)
    for axes in fields[-1]:
        axes.set_xlabel("오탐 false alarms, %", fontsize=11)
    for row in fields:
        row[0].set_ylabel("찾은 것 found, %", fontsize=11)
    figure.suptitle("ROC · 점은 고른 임계값 the dot is the chosen threshold", fontsize=13, fontweight="bold")
    return figure


@styled
def drift_p_values(report: Mapping[str, Any], *, began: str | None = None) -> NotebookFigure:
    """Draw each day's p-values of drift, the bound below which one counts, and the day it was first seen.

    Args:
        report: report.json of the scoring job.
        began: The day it truly began, where that is known.
    """
    days = [day for day in report["days"] if "drift" in day]
    _check(days, "days beside the reference")
    figure = new_figure(_WIDTH_INCHES, 5.4)
    axes = figure.subplots()
    smallest = 1e-12
    for index, name in enumerate(days[0]["drift"]["p_values"]):
        values = [max(day["drift"]["p_values"][name], smallest) for day in days]
        axes.plot(
            range(len(days)), values, linestyle=LINES[index % len(LINES)], markersize=8,
            marker=MARKERS[index % len(MARKERS)], color=COLOURS[index % len(COLOURS)], label=LABELS[name],
        )  # fmt: skip
    alpha = days[0]["drift"]["alpha"]
    axes.axhline(alpha, color="#333333", linewidth=1.4, label=f"유의 수준 bound {alpha:.4f}")
    names = [day["day"] for day in days]
    for day, colour, label in ((report["onset"], RED, "발견 seen"), (began, ORANGE, "시작 began")):
        if day in names:
            axes.axvline(names.index(day), color=colour, linewidth=8, alpha=0.25, label=f"{label} {day[5:]}")
    axes.set_yscale("log")
    # As plain numbers: in 10 to the power of -5 the font with Hangul has no minus.
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xticks(range(len(days)), [name[5:] for name in names])
    axes.set(title="드리프트 검정 drift tests by day", ylabel="p값 · p-value")
    figure.legend(loc="outside lower center", ncols=3, fontsize=10)
    return figure


@styled
def dashboard_widgets(
    body: Mapping[str, Any], series: Mapping[str, tuple[Sequence[datetime], Sequence[float]]]
) -> NotebookFigure:
    """Draw the metric widgets of a CloudWatch dashboard from what GetMetricData returned, as its page would.

    Args:
        body: Of PutDashboard: widgets with x, y, width, height in a grid of 24 columns, and properties with
            title and metrics ([namespace, name, dimension, value, ..., options]).
        series: Metric's name (or its label in the widget) -> times, values.
    """
    widgets = [one for one in body["widgets"] if one["type"] == "metric"]
    _check(widgets, "metric widgets in the dashboard")
    top = max(one.get("y", 0) + one.get("height", 6) for one in widgets)
    figure = new_figure(_WIDTH_INCHES, 0.45 * top + 0.6)
    grid = figure.add_gridspec(top, 24)
    for one in widgets:
        x, y, width, height = (
            one.get(key, start) for key, start in (("x", 0), ("y", 0), ("width", 12), ("height", 6))
        )
        axes = figure.add_subplot(grid[y : y + height, x : x + width])
        _draw_widget(axes, one["properties"], series)
    return figure


def _draw_widget(
    axes: "Axes",
    properties: Mapping[str, Any],
    series: Mapping[str, tuple[Sequence[datetime], Sequence[float]]],
) -> None:
    for index, metric in enumerate(properties.get("metrics", ())):
        options = metric[-1] if isinstance(metric[-1], dict) else {}
        name = options.get("label", metric[1])
        times, values = series.get(name) or series.get(metric[1]) or ((), ())
        seconds, shown = apart_at_gaps([time.timestamp() for time in times], values)
        axes.plot(
            [datetime.fromtimestamp(at_s, UTC) for at_s in seconds], shown, markersize=5, linewidth=1.8,
            marker=MARKERS[index % len(MARKERS)], color=COLOURS[index % len(COLOURS)], label=name,
        )  # fmt: skip
    for line in properties.get("annotations", {}).get("horizontal", ()):
        axes.axhline(line["value"], color=RED, linewidth=1.4, linestyle="--", label=line.get("label"))
    axes.set_title(properties.get("title", ""), fontsize=12)
    axes.tick_params(axis="x", labelrotation=30, labelsize=9)
    axes.margins(y=0.2)
    axes.legend(loc="upper left", fontsize=9)


def _curve(scores: np.ndarray, is_bad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false alarms and texts found, at every score as the threshold, from none to all."""
    levels = np.concatenate([[np.inf], np.unique(scores)[::-1]])
    beyond = scores[:, None] >= levels
    return beyond[~is_bad].mean(axis=0), beyond[is_bad].mean(axis=0)


def _check(values: Sequence[object], what: str) -> None:
    if not values:
        raise WorkshopError(
            found=f"no {what} to draw",
            expected="at least one",
            next_step="run the cell of the scoring job first, and look at its errors",
        )
