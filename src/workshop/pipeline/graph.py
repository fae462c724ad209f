"""An execution drawn from what AWS says of it: every step, what it waits for and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from matplotlib.patches import FancyBboxPatch

from workshop.pipeline.execution import NOT_RUN, WAITING, Execution, Step, read_execution
from workshop.pipeline.watch import status_text
from workshop.plots.style import BLUE, GREEN, GREY, ORANGE, RED, NotebookFigure, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workshop.aws.session import Aws

_WIDTH_INCHES = 10.6
"""1,272 pixels at the figures' 120 dots an inch."""

_ROW_INCHES, _BOX_INCHES, _HEAD_INCHES = 1.35, 0.9, 0.55
_MAX_BOX_INCHES, _GAP_INCHES = 3.0, 0.25
_NAME_SIZE, _TEXT_SIZE, _SMALLEST = 12.0, 10.0, 7.0  # points
# Of a character in ems: NanumGothic's Hangul is as wide as it is high, its Latin letters about half of that.
_WIDE, _NARROW = 1.0, 0.6

_COLOURS = {
    "Succeeded": GREEN,
    "Failed": RED,
    "Stopped": ORANGE,
    "Stopping": ORANGE,
    "Starting": BLUE,
    "Executing": BLUE,
    WAITING: GREY,
    NOT_RUN: GREY,
}


@dataclass(frozen=True, kw_only=True)
class _Box:
    """Centre and width, in inches from the lower left corner."""

    x: float
    y: float
    width: float

    @property
    def top(self) -> float:
        return self.y + _BOX_INCHES / 2

    @property
    def bottom(self) -> float:
        return self.y - _BOX_INCHES / 2


def execution_graph(aws: Aws, execution_arn: str) -> NotebookFigure:
    """Draw an execution as it is now; any pipeline's.

    Raises:
        ClientError: There is none of this ARN, or AWS refuses.
    """
    return draw_execution(read_execution(aws, execution_arn))


@styled
def draw_execution(execution: Execution) -> NotebookFigure:
    """Draw an execution: a box for each step, its status as colour and as word."""
    rows = _rows(execution.steps)
    height = _HEAD_INCHES + _ROW_INCHES * len(rows)
    figure = new_figure(_WIDTH_INCHES, height)
    figure.set_layout_engine("none")  # inches of the figure are the units of the axes
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH_INCHES), ylim=(0, height))
    axes.set_axis_off()
    title = f"{execution.pipeline} · {execution.status}"
    axes.text(0.15, height - 0.12, title, va="top", weight="bold", fontsize=14)
    boxes = {
        step.name: _Box(
            x=_WIDTH_INCHES * (place + 0.5) / len(row),
            y=height - _HEAD_INCHES - _ROW_INCHES * (number + 0.5),
            width=min(_MAX_BOX_INCHES, _WIDTH_INCHES / len(row) - _GAP_INCHES),
        )
        for number, row in enumerate(rows)
        for place, step in enumerate(row)
    }
    for before, step in _direct(rows):
        _arrow(axes, boxes[before], boxes[step.name], execution[before], step)
    for step in execution.steps:
        _draw_box(axes, boxes[step.name], step)
    return figure


def _draw_box(axes: Axes, box: _Box, step: Step) -> None:
    colour = _COLOURS.get(step.status, GREY)
    axes.add_patch(
        FancyBboxPatch(
            (box.x - box.width / 2, box.bottom), box.width, _BOX_INCHES, gid=step.name,
            boxstyle="round,pad=0,rounding_size=0.08", facecolor=_tint(colour), edgecolor=colour,
            linewidth=2.2, linestyle="--" if step.status == NOT_RUN else "-",
        )
    )  # fmt: skip
    lines = (
        (step.name, _NAME_SIZE, "bold"),
        (step.type, _TEXT_SIZE, "normal"),
        (status_text(step), _TEXT_SIZE, "bold"),
    )
    for number, (text, size, weight) in enumerate(lines):
        fitting, size_that_fits = _fitted(text, size, box.width - 0.16)
        axes.text(
            box.x, box.y + 0.24 * (1 - number), fitting, ha="center", va="center", fontsize=size_that_fits,
            weight=weight, color="#222222", gid=step.name,
        )  # fmt: skip


def _fitted(text: str, size: float, width: float) -> tuple[str, float]:
    """Return a text and the size of letters with which it fits a width in inches.

    What is too long for the smallest letters loses its middle: names differ at their ends.
    """
    smaller = min(size, 72 * width / _ems(text))
    if smaller >= _SMALLEST:
        return text, smaller
    begin, end = text[: len(text) // 2], text[len(text) // 2 :]
    while _ems(f"{begin}…{end}") * _SMALLEST / 72 > width and end:
        begin, end = (begin[:-1], end) if len(begin) > len(end) else (begin, end[1:])
    return f"{begin}…{end}", _SMALLEST


def _ems(text: str) -> float:
    return sum(_WIDE if ord(letter) > 0x1100 else _NARROW for letter in text)


def _arrow(axes: Axes, start: _Box, end: _Box, before: Step, step: Step) -> None:
    is_branch = step.condition == before.name
    is_taken = not is_branch or before.outcome in ("", step.branch)
    look = {"color": "#444444" if is_taken else GREY, "linestyle": "-" if is_taken else "--"}
    look |= {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "linewidth": 2.0 if is_taken else 1.4}
    axes.annotate("", (end.x, end.top), xytext=(start.x, start.bottom), zorder=0, arrowprops=look)
    if is_branch:
        axes.text(
            (start.x + end.x) / 2, (start.bottom + end.top) / 2, step.branch, ha="center", va="center",
            fontsize=_TEXT_SIZE, weight="bold" if is_taken else "normal", color=look["color"],
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip


def _rows(steps: Sequence[Step]) -> list[list[Step]]:
    """Return the steps by how many steps are before them at most; each below those that it waits for."""
    by_name = {step.name: step for step in steps}
    graph = {step.name: _known(step, by_name) for step in steps}
    depths: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        depths[name] = 1 + max((depths[before] for before in graph[name]), default=-1)
    places: dict[str, float] = {}
    rows = []
    for depth in range(1 + max(depths.values())):
        row = [step for step in steps if depths[step.name] == depth]
        # Below what it waits for; stable: what waits for the same stays in the definition's order.
        means = {step.name: _mean([places[name] for name in graph[step.name]]) for step in row}
        row.sort(key=lambda step, means=means: means[step.name])
        places |= {step.name: (number + 0.5) / len(row) for number, step in enumerate(row)}
        rows.append(row)
    return rows


def _direct(rows: Sequence[Sequence[Step]]) -> Iterator[tuple[str, Step]]:
    """Yield (name, step that waits for it), but for what it waits for through others: fewer lines say it."""
    by_name = {step.name: step for row in rows for step in row}
    all_before: dict[str, set[str]] = {}
    for step in by_name.values():  # in the order of the rows
        near = _known(step, by_name)
        far = set().union(*(all_before[name] for name in near))
        all_before[step.name] = {*near, *far}
        yield from ((name, step) for name in near if name not in far)


def _known(step: Step, by_name: Mapping[str, Step]) -> list[str]:
    return [name for name in step.after if name in by_name]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def _tint(colour: str) -> str:
    """Return a colour so light that black text stands on it."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * 0.14):02x}" for part in parts)
