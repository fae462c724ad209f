"""What protects callers: a guarded update with its alarms, and circuit breakers, each above every request."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from workshop.plots.style import (
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    LINES,
    MARKERS,
    ORANGE,
    RED,
    SKY,
    NotebookFigure,
    new_figure,
    styled,
)
from workshop.plots.timeline import (
    Event,
    add_aws_minutes,
    apart_at_gaps,
    check_drawable,
    draw_requests,
    legend_below,
    mark_events,
    time_unit,
)

if TYPE_CHECKING:
    from workshop.endpoint.guarded_update import RollOut
    from workshop.endpoint.rollout_watch import UpdateSnapshot
    from workshop.serving.steady_load import SteadyRequest

_STATES = {"ALARM": RED, "OK": GREEN, "INSUFFICIENT_DATA": "#d9dce1"}
_STAGES = {
    "Creating": SKY, "ActivatingTraffic": ORANGE, "Baking": BLUE, "Deleting": GREY, "RollingBack": RED,
    "Updating": SKY, "InService": "#d9dce1",
}  # fmt: skip
_BREAKERS = {"closed": GREEN, "open": RED, "half-open": ORANGE}
_NONE, _QUIET = "#f3f4f6", ("InService", "")
_OUTCOMES = {"went through": "반영됨", "went back": "롤백됨"}
_MOST_TIMES = 3.0
"""A metric that is higher above its threshold is drawn at the upper edge."""


@styled
def rollout_timeline(
    rolled: "RollOut", thresholds: Mapping[str, float], *, title: str = "", clock_speed: float = 1.0
) -> NotebookFigure:
    """Draw every request by who answered, each watched metric against its threshold, stages and alarms.

    Lines mark where the update began, where an alarm went off, where it was rolled back and where it ended.

    Args:
        rolled: The update; failed requests are red crosses.
        thresholds: Watched metric -> threshold of its alarm, above 0.
        title: Of the figure; version and outcome when "".
        clock_speed: So many times faster the waits of AWS passed; above 1 its minutes stand at the top.

    Raises:
        WorkshopError: When there was no request or no snapshot.
    """
    requests, snapshots, series = rolled.result.requests, rolled.snapshots, rolled.series
    outcome = rolled.outcome.partition(":")[0]
    title = title or " · ".join(filter(None, (rolled.version, _OUTCOMES.get(outcome), outcome)))
    check_drawable(requests=requests, snapshots=snapshots)
    start_s = min(requests[0].sent_at_s, snapshots[0].at_s)
    end_s = max(max(one.sent_at_s + one.seconds for one in requests), snapshots[-1].at_s)
    scale, label = time_unit(end_s - start_s)
    figure = new_figure(12, 8)
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    draw_requests(upper, requests, start_s, scale)
    upper.set_title(title)
    for index, (metric, (times, values)) in enumerate(series.items()):
        pairs = sorted(zip(times, values, strict=True))
        shown = [(time.timestamp() - start_s, value / thresholds[metric]) for time, value in pairs]
        shown = [(at_s, value) for at_s, value in shown if -1 <= at_s <= end_s - start_s]
        seconds, times_of_it = apart_at_gaps(
            [at_s for at_s, _ in shown], [min(value, _MOST_TIMES) for _, value in shown]
        )
        middle.plot(
            [at_s / scale for at_s in seconds], times_of_it, color=COLOURS[index], label=metric,
            linestyle=LINES[index % len(LINES)], marker=MARKERS[index], markersize=5,
        )  # fmt: skip
    middle.axhline(1, color=RED, linewidth=1.4)
    middle.set(ylabel="임계값의 배수 · x threshold", ylim=(0, _MOST_TIMES * 1.05))
    middle.legend(loc="upper left", ncols=len(series), fontsize=11)
    names = list(dict.fromkeys(name for one in snapshots for name in one.alarms))
    rows = {"update": ([one.stage for one in snapshots], _STAGES)}
    rows |= {
        name.rpartition("-")[2]: ([one.alarms.get(name, "") for one in snapshots], _STATES) for name in names
    }
    _strips(lower, [one.at_s for one in snapshots], rows, start_s, end_s, scale)
    lower.set(xlabel=label, xlim=(0, (end_s - start_s) / scale))
    mark_events((upper, middle, lower), _events(snapshots), start_s, scale)
    add_aws_minutes(upper, scale, clock_speed)
    legend_below((upper,))
    return figure


def _events(snapshots: "Sequence[UpdateSnapshot]") -> list[Event]:
    """Return when the update began and ended, when an alarm went off and when it was rolled back."""
    is_begun = [one.stage not in _QUIET for one in snapshots]
    found = {
        "업데이트 시작 · update begins": is_begun,
        "경보 · alarm": [
            begun and "ALARM" in one.alarms.values() for begun, one in zip(is_begun, snapshots, strict=True)
        ],
        "롤백 · rolls back": [one.stage == "RollingBack" for one in snapshots],
    }
    events = [(text, snapshots[hits.index(True)].at_s) for text, hits in found.items() if True in hits]
    if True in is_begun and not is_begun[-1]:
        last = max(index for index, begun in enumerate(is_begun) if begun)
        events.append(("끝 · ends", snapshots[last + 1].at_s))
    return events


def _strips(
    axes: Axes,
    times_s: Sequence[float],
    rows: Mapping[str, tuple[Sequence[str], Mapping[str, str]]],
    start_s: float,
    end_s: float,
    scale: float,
) -> None:
    """Draw what held from one moment to the next, a strip for each row: its values and their colours."""
    ends = [*times_s[1:], end_s]
    for height, (values, colours) in enumerate(reversed(rows.values())):
        begin = 0
        for index, value in enumerate(values):
            if index + 1 < len(values) and values[index + 1] == value:
                continue
            left, right = times_s[begin] - start_s, ends[index] - start_s
            axes.broken_barh(
                [(left / scale, (right - left) / scale)],
                (height - 0.38, 0.76),
                color=colours.get(value, _NONE),
            )
            if (right - left) / (end_s - start_s) > 0.012 * len(value) and value not in _QUIET:
                axes.text(
                    (left + right) / 2 / scale, height, value, ha="center", va="center", fontsize=10,
                    color="#222222" if value == "INSUFFICIENT_DATA" else "white",
                )  # fmt: skip
            begin = index + 1
    axes.set_yticks(range(len(rows)), list(reversed(rows)))
    axes.grid(visible=False)


@styled
def breaker_timeline(
    requests: "Sequence[SteadyRequest]",
    states: "Sequence[tuple[float, Mapping[str, str]]]",
    events: Mapping[str, float],
    *,
    title: str = "누가 답했나, 그리고 서킷 브레이커 · Who answered, and the breakers",
) -> NotebookFigure:
    """Draw every request by the rung that answered it, above the state of each rung's circuit breaker.

    Args:
        states: time.time() and rung -> state, in order.
        events: What happened -> when (time.time()), drawn as lines.

    Raises:
        WorkshopError: When there was no request or no state.
    """
    check_drawable(requests=requests, states=states)
    start_s = min(requests[0].sent_at_s, states[0][0])
    end_s = max(max(one.sent_at_s + one.seconds for one in requests), states[-1][0])
    scale, label = time_unit(end_s - start_s)
    figure = new_figure(12, 6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    draw_requests(upper, requests, start_s, scale)
    upper.set_title(title)
    rows = {name: ([one.get(name, "") for _, one in states], _BREAKERS) for name in states[0][1]}
    _strips(lower, [at_s for at_s, _ in states], rows, start_s, end_s, scale)
    mark_events((upper, lower), list(events.items()), start_s, scale)
    lower.set(xlabel=label, xlim=(0, (end_s - start_s) / scale))
    legend_below((upper,))
    return figure
