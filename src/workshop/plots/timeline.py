"""What figures over time share: units that people read, requests as points, events as lines, AWS minutes."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from workshop.errors import WorkshopError
from workshop.plots.looks import looks
from workshop.plots.style import RED

if TYPE_CHECKING:
    from workshop.serving.steady_load import SteadyRequest

_LONG_S = 180
"""Longer than this the axis counts minutes."""
_SLOW_S = 2.0
"""From here on answers are shown in seconds."""
_GAP_PERIODS = 1.5
"""Points that lie further apart than so many of their periods are not joined."""
_INK = "#444444"
# Shares of the width of a figure at size 10: a letter, and a syllable of Hangul.
_LETTER, _SYLLABLE = 0.0062, 0.0105

Event = tuple[str, float]


def time_unit(seconds: float) -> tuple[float, str]:
    """Return the seconds of a unit of a time axis, and the axis's label."""
    if seconds > _LONG_S:
        return 60.0, "시작하고 지난 분 · minutes since the beginning"
    return 1.0, "시작하고 지난 초 · seconds since the beginning"


def draw_requests(axes: Axes, requests: "Sequence[SteadyRequest]", start_s: float, scale: float) -> None:
    """Draw every request by when it was sent and how long it took; failed ones are red crosses."""
    slowest_s = max(one.seconds for one in requests)
    times, unit = (1.0, "초 · s") if slowest_s >= _SLOW_S else (1000.0, "ms")
    for label, look in looks(one.label for one in requests if not one.error).items():
        shown = [one for one in requests if one.label == label and not one.error]
        axes.plot(
            [(one.sent_at_s - start_s) / scale for one in shown], [times * one.seconds for one in shown],
            linestyle="", marker=look.marker, markersize=6, alpha=0.75, color=look.colour,
            label=f"{label} · {len(shown):,}",
        )  # fmt: skip
    failed = [one for one in requests if one.error]
    axes.plot(
        [(one.sent_at_s - start_s) / scale for one in failed], [times * one.seconds for one in failed],
        linestyle="", marker="x", markersize=9, markeredgewidth=2.5, color=RED,
        label=f"실패 failed · {len(failed):,}",
    )  # fmt: skip
    axes.set_ylabel(f"응답까지 · to the answer, {unit}")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.35)


def mark_events(axes: Sequence[Axes], events: Sequence[Event], start_s: float, scale: float) -> None:
    """Draw events as lines through all axes, their names at the top of the first, none over another.

    Args:
        axes: What is drawn in them is there already: the names are laid out for their width.
        events: What happened, and when (time.time()).
    """
    first, last = axes[0].get_xlim()
    ends: list[float] = []  # of each level, where its last name ends
    for text, at_s in sorted(events, key=lambda event: event[1]):
        share = ((at_s - start_s) / scale - first) / (last - first)
        width = sum(_SYLLABLE if character > "ᄀ" else _LETTER for character in text)
        is_at_edge = share + width > 1
        left = share - width if is_at_edge else share
        level = next((index for index, end in enumerate(ends) if end < left), len(ends))
        ends[level : level + 1] = [left + width + 0.01]
        for one in axes:
            one.axvline((at_s - start_s) / scale, color=_INK, linestyle=":", linewidth=1.6)
        axes[0].annotate(
            text, ((at_s - start_s) / scale, 1), xycoords=("data", "axes fraction"),
            xytext=(-4 if is_at_edge else 4, -3 - 15 * level), textcoords="offset points",
            ha="right" if is_at_edge else "left", va="top", fontsize=10, color=_INK,
        )  # fmt: skip


def add_aws_minutes(axes: Axes, scale: float, clock_speed: float) -> None:
    """Show at the top the minutes of AWS, where the clock of the AWS on this machine runs faster.

    Only waits follow that clock: what is computed takes the time that it takes.
    """
    if clock_speed <= 1:
        return
    minutes = scale * clock_speed / 60
    second = axes.secondary_xaxis(
        "top", functions=(lambda value: value * minutes, lambda value: value / minutes)
    )
    second.set_xlabel(f"AWS에서의 분(기다림) · minutes of waits on AWS, clock x {clock_speed:g}")


def apart_at_gaps(
    times_s: Sequence[float], values: Sequence[float], period_s: float | None = None
) -> tuple[list[float], list[float]]:
    """Return points in the order of time with a NaN wherever some are missing between two of them.

    Args:
        period_s: Between two points; the shortest that there is when None.
    """
    pairs = sorted(zip(times_s, values, strict=True))
    steps = [after[0] - before[0] for before, after in itertools.pairwise(pairs)]
    period_s = period_s or min((step for step in steps if step > 0), default=0.0)
    shown_times, shown_values = [], []
    for index, (at_s, value) in enumerate(pairs):
        if index and steps[index - 1] > _GAP_PERIODS * period_s:
            shown_times.append((at_s + pairs[index - 1][0]) / 2)
            shown_values.append(float("nan"))
        shown_times.append(at_s)
        shown_values.append(value)
    return shown_times, shown_values


def legend_below(axes: Sequence[Axes], *, ncols: int = 5) -> None:
    """Put one legend of all axes below the figure, where it covers nothing."""
    found: dict[str, object] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    axes[0].figure.legend(
        list(found.values()), list(found), loc="outside lower center", ncols=min(ncols, len(found))
    )


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
