"""What happened to inference components over time: requests, copies, instances, metrics."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from workshop.errors import WorkshopError
from workshop.plots.style import COLOURS, GREY, LINES, MARKERS, RED, NotebookFigure, new_figure, styled

if TYPE_CHECKING:
    from workshop.endpoint.rollout_watch import Snapshot
    from workshop.serving.steady_load import SteadyRequest

_LONG_S = 180
"""Longer than this the axis counts minutes."""

_INSTANCES = "instances"
_UNITS = {"ModelLatency": "µs", "OverheadLatency": "µs"}
"""Source: SageMaker Developer Guide, "Amazon SageMaker AI endpoint invocation metrics"."""


@styled
def update_timeline(
    requests: "Sequence[SteadyRequest]", snapshots: "Sequence[Snapshot]", *, title: str = "Update under load"
) -> NotebookFigure:
    """Draw every request of a steady load above the copies that were there to answer it.

    Args:
        requests: Of the load; failed ones are red crosses.
        snapshots: Of a watch during the load.

    Raises:
        WorkshopError: When there was no request or no snapshot.
    """
    check_drawable(requests=requests, snapshots=snapshots)
    start_s = min(requests[0].sent_at_s, snapshots[0].at_s)
    end_s = max(max(one.sent_at_s + one.seconds for one in requests), snapshots[-1].at_s)
    scale, unit = time_unit(end_s - start_s)
    figure = new_figure(12, 6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    labels = list(dict.fromkeys(one.label for one in requests if not one.error))
    for index, label in enumerate(labels):
        shown = [one for one in requests if one.label == label and not one.error]
        upper.plot(
            [(one.sent_at_s - start_s) / scale for one in shown],
            [1000 * one.seconds for one in shown],
            linestyle="", marker=MARKERS[index % len(MARKERS)], markersize=6, alpha=0.75,
            color=COLOURS[index % len(COLOURS)], label=f"{label} · {len(shown):,}",
        )  # fmt: skip
    failed = [one for one in requests if one.error]
    upper.plot(
        [(one.sent_at_s - start_s) / scale for one in failed],
        [1000 * one.seconds for one in failed],
        linestyle="", marker="x", markersize=9, markeredgewidth=2.5, color=RED,
        label=f"failed · {len(failed):,}",
    )  # fmt: skip
    upper.set(title=title, ylabel="ms to the answer")
    upper.set_ylim(0, upper.get_ylim()[1] * 1.3)
    upper.legend(loc="upper right", ncols=len(labels) + 1)
    _copies(lower, snapshots, start_s, scale)
    lower.set(xlabel=f"{unit} since the beginning", ylabel="copies")
    return figure


@styled
def copies_over_time(
    snapshots: "Sequence[Snapshot]",
    *,
    events: Mapping[str, float] | None = None,
    title: str = "Copies and instances",
) -> NotebookFigure:
    """Draw how many copies and instances there were.

    Args:
        events: What happened -> when (time.time()), drawn as lines.

    Raises:
        WorkshopError: When there was no snapshot.
    """
    check_drawable(snapshots=snapshots)
    start_s = snapshots[0].at_s
    scale, unit = time_unit(snapshots[-1].at_s - start_s)
    figure = new_figure(12, 4.2)
    axes = figure.subplots()
    _copies(axes, snapshots, start_s, scale, with_instances=True)
    for text, at_s in (events or {}).items():
        axes.axvline((at_s - start_s) / scale, color=GREY, linestyle=":", linewidth=1.6)
        axes.annotate(
            text, ((at_s - start_s) / scale, 1), xycoords=("data", "axes fraction"), xytext=(4, -4),
            textcoords="offset points", ha="left", va="top", rotation=90, fontsize=10, color="#444444",
        )  # fmt: skip
    axes.set(title=title, xlabel=f"{unit} since the beginning", ylabel="number")
    axes.get_legend().remove()  # it would cover the events
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


@styled
def metrics_over_time(
    series: Mapping[str, Mapping[str, tuple[Sequence[datetime], Sequence[float]]]],
) -> NotebookFigure:
    """Draw metrics of CloudWatch, one field for each metric and one line for each component.

    Args:
        series: Metric -> component -> (times, values), as GetMetricData returns them, in any order.

    Raises:
        WorkshopError: When no metric has a value.
    """
    points = [times for by_component in series.values() for times, _ in by_component.values()]
    check_drawable(points=[time for times in points for time in times])
    start = min(min(times) for times in points if times)
    end = max(max(times) for times in points if times)
    scale, unit = time_unit((end - start).total_seconds())
    names = list(dict.fromkeys(name for by_component in series.values() for name in by_component))
    figure = new_figure(12, 1 + 2.2 * len(series))
    fields = figure.subplots(len(series), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (metric, by_component) in zip(fields, series.items(), strict=True):
        for name, (times, values) in by_component.items():
            index = names.index(name)
            pairs = sorted(zip(times, values, strict=True))
            axes.plot(
                [(time - start).total_seconds() / scale for time, _ in pairs],
                [value for _, value in pairs],
                color=COLOURS[index % len(COLOURS)], linestyle=LINES[index % len(LINES)],
                marker=MARKERS[index % len(MARKERS)], markersize=4, label=name,
            )  # fmt: skip
        axes.set_title(metric)
        axes.set_ylabel(_UNITS.get(metric, "number"))
        axes.set_ylim(0, None)
        axes.margins(y=0.15)
    fields[-1].set_xlabel(f"{unit} since the first point")
    handles, labels = fields[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(len(labels), 1))
    return figure


def _copies(
    axes: Axes, snapshots: "Sequence[Snapshot]", start_s: float, scale: float, *, with_instances: bool = False
) -> None:
    """Draw the copies of every component as steps: those that are there, and those that are asked for."""
    times = [(one.at_s - start_s) / scale for one in snapshots]
    names = list(dict.fromkeys(name for one in snapshots for name in one.copies))
    for index, name in enumerate(names):
        colour = COLOURS[index % len(COLOURS)]
        there, wanted = zip(*(one.copies.get(name, (0, 0)) for one in snapshots), strict=True)
        axes.step(times, there, where="post", color=colour, label=name)
        axes.step(times, wanted, where="post", color=colour, linestyle=":", linewidth=1.4)
    if with_instances:
        instances = [one.num_instances for one in snapshots]
        axes.step(times, instances, where="post", color=GREY, linestyle="--", label=_INSTANCES)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, axes.get_ylim()[1] + 1)
    axes.legend(loc="upper right", ncols=len(names) + with_instances, fontsize=11)


def time_unit(seconds: float) -> tuple[float, str]:
    """Return the seconds of a unit of a time axis, and its name."""
    return (60.0, "minutes") if seconds > _LONG_S else (1.0, "seconds")


def check_drawable(**what: Sequence[object]) -> None:
    """Make sure that there is something of each to draw.

    Raises:
        WorkshopError: There is none.
    """
    for name, values in what.items():
        if not values:
            raise WorkshopError(
                found=f"no {name} to draw",
                expected="at least one",
                next_step="run the cell that makes them first, and look at its errors",
            )
