"""What happened to inference components over time: requests, copies, instances, metrics."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from workshop.plots.looks import looks
from workshop.plots.style import GREY, LINES, NotebookFigure, new_figure, styled
from workshop.plots.timeline import (
    add_aws_minutes,
    apart_at_gaps,
    check_drawable,
    draw_requests,
    legend_below,
    mark_events,
    time_unit,
)

if TYPE_CHECKING:
    from workshop.endpoint.rollout_watch import Snapshot
    from workshop.serving.steady_load import SteadyRequest

_INSTANCES = "인스턴스 instances"
_MILLISECONDS = 1e-3
_UNITS = {"ModelLatency": ("ms", _MILLISECONDS), "OverheadLatency": ("ms", _MILLISECONDS)}
"""CloudWatch has them in microseconds.

Source: SageMaker Developer Guide, "Amazon SageMaker AI endpoint invocation metrics".
"""
_TITLES = {
    "Invocations": "호출 수", "ModelLatency": "모델의 지연 시간", "OverheadLatency": "그 밖의 지연 시간",
    "NoCapacityInvocationFailures": "자리가 없어 거절한 수",
}  # fmt: skip


@styled
def update_timeline(
    requests: "Sequence[SteadyRequest]",
    snapshots: "Sequence[Snapshot]",
    *,
    title: str = "부하 중의 업데이트 · Update under load",
    events: Mapping[str, float] | None = None,
    clock_speed: float = 1.0,
) -> NotebookFigure:
    """Draw every request of a steady load above the copies that were there to answer it.

    Args:
        requests: Of the load; failed ones are red crosses.
        snapshots: Of a watch during the load.
        events: What happened -> when (time.time()), drawn as lines.
        clock_speed: So many times faster the waits of AWS passed; above 1 its minutes stand at the top.

    Raises:
        WorkshopError: When there was no request or no snapshot.
    """
    check_drawable(requests=requests, snapshots=snapshots)
    start_s = min(requests[0].sent_at_s, snapshots[0].at_s)
    end_s = max(max(one.sent_at_s + one.seconds for one in requests), snapshots[-1].at_s)
    scale, label = time_unit(end_s - start_s)
    figure = new_figure(12, 6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    draw_requests(upper, requests, start_s, scale)
    upper.set_title(title)
    _copies(lower, snapshots, start_s, scale)
    mark_events((upper, lower), list((events or {}).items()), start_s, scale)
    lower.set(xlabel=label, ylabel="복제본 · copies")
    add_aws_minutes(upper, scale, clock_speed)
    legend_below((upper, lower))
    return figure


@styled
def copies_over_time(
    snapshots: "Sequence[Snapshot]",
    *,
    events: Mapping[str, float] | None = None,
    title: str = "복제본과 인스턴스 · Copies and instances",
    clock_speed: float = 1.0,
) -> NotebookFigure:
    """Draw how many copies and instances there were.

    Args:
        events: What happened -> when (time.time()), drawn as lines.
        clock_speed: See update_timeline.

    Raises:
        WorkshopError: When there was no snapshot.
    """
    check_drawable(snapshots=snapshots)
    start_s = snapshots[0].at_s
    scale, label = time_unit(snapshots[-1].at_s - start_s)
    figure = new_figure(12, 4.6)
    axes = figure.subplots()
    _copies(axes, snapshots, start_s, scale, with_instances=True)
    mark_events((axes,), list((events or {}).items()), start_s, scale)
    axes.set(title=title, xlabel=label, ylabel="개수 · number")
    add_aws_minutes(axes, scale, clock_speed)
    legend_below((axes,))
    return figure


@styled
def metrics_over_time(
    series: Mapping[str, Mapping[str, tuple[Sequence[datetime], Sequence[float]]]],
) -> NotebookFigure:
    """Draw metrics of CloudWatch, one field for each metric and one line for each component.

    Latencies are in milliseconds. Where no point came for a period, the line has a gap.

    Args:
        series: Metric -> component -> (times, values), as GetMetricData returns them, in any order.

    Raises:
        WorkshopError: When no metric has a value.
    """
    points = [times for by_component in series.values() for times, _ in by_component.values()]
    check_drawable(points=[time for times in points for time in times])
    start = min(min(times) for times in points if times)
    end = max(max(times) for times in points if times)
    scale, label = time_unit((end - start).total_seconds())
    drawn = looks(name for by_component in series.values() for name in by_component)
    lines = dict(zip(drawn, LINES * len(drawn), strict=False))
    every = sorted({(time - start).total_seconds() for times in points for time in times})
    period_s = min((after - at for at, after in itertools.pairwise(every)), default=None)
    figure = new_figure(12, 1 + 2.2 * len(series))
    fields = figure.subplots(len(series), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (metric, by_component) in zip(fields, series.items(), strict=True):
        unit, times_unit = _UNITS.get(metric, ("개수 · number", 1))
        for name, (times, values) in by_component.items():
            seconds, shown = apart_at_gaps(
                [(time - start).total_seconds() for time in times],
                [value * times_unit for value in values],
                period_s,
            )
            axes.plot(
                [second / scale for second in seconds], shown, color=drawn[name].colour,
                linestyle=lines[name], marker=drawn[name].marker, markersize=6, label=_short(name),
            )  # fmt: skip
        axes.set_title(f"{_TITLES[metric]} · {metric}" if metric in _TITLES else metric)
        axes.set_ylabel(unit)
        if unit != "ms":
            axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.margins(y=0.15)
        axes.set_ylim(0, None)
        if not any(len(times) for times, _ in by_component.values()):
            axes.text(
                0.5, 0.5, "값 없음 · no value", transform=axes.transAxes, ha="center", va="center", color=GREY
            )
            axes.set_yticks([])
    fields[-1].set_xlabel(label)
    legend_below(fields)
    return figure


def _copies(
    axes: Axes, snapshots: "Sequence[Snapshot]", start_s: float, scale: float, *, with_instances: bool = False
) -> None:
    """Draw the copies of every component as steps: those that are there, and those that are asked for."""
    times = [(one.at_s - start_s) / scale for one in snapshots]
    for name, look in looks(name for one in snapshots for name in one.copies).items():
        there, wanted = zip(*(one.copies.get(name, (0, 0)) for one in snapshots), strict=True)
        axes.step(times, there, where="post", color=look.colour, label=f"{_short(name)} 복제본 copies")
        axes.step(
            times, wanted, where="post", color=look.colour, linestyle=":", linewidth=1.4,
            label=f"{_short(name)} 요청한 수 asked for",
        )  # fmt: skip
    if with_instances:
        instances = [one.num_instances for one in snapshots]
        axes.step(times, instances, where="post", color=GREY, linestyle="--", label=_INSTANCES)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, axes.get_ylim()[1] + 1)


def _short(name: str) -> str:
    """Return a component's name without that of the run before it: tuned of news-ic-1129-tuned."""
    return name.rpartition("-")[2]
