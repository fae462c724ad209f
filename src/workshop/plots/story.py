"""Pictures of the story: lifecycle, shares, costs, caches, batches, parallel parts, next tokens."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from workshop.plots.style import (
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    ORANGE,
    RED,
    SKY,
    NotebookFigure,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workshop.story.measured import Measured

_INK = "#16212e"
_PAPER = "#f7f9fb"


@styled
def lifecycle(stages: Sequence[tuple[str, str, str]], back: str) -> NotebookFigure:
    """Draw the stages as boxes in two rows, left to right and back again, with what closes the circle.

    Args:
        stages: Korean name, English name and notebook of each, an even number of them.
        back: What leads from the last stage to the first.
    """
    half = len(stages) // 2
    figure = new_figure(12, 4.9)
    axes = _blank(figure, (-0.1, half + 0.1), (-0.45, 2.35))
    spots = [(column, 1.32) for column in range(half)] + [(half - 1 - column, 0.1) for column in range(half)]
    for index, ((korean, english, notebook), (left, bottom)) in enumerate(zip(stages, spots, strict=True)):
        colour = COLOURS[0] if index < half else COLOURS[2]
        _box(axes, left + 0.06, bottom, 0.88, 0.85, colour)
        axes.text(left + 0.5, bottom + 0.6, korean, ha="center", fontsize=15, fontweight="bold", color=_INK)
        axes.text(left + 0.5, bottom + 0.38, english, ha="center", fontsize=11, color=_INK)
        axes.text(left + 0.5, bottom + 0.13, notebook, ha="center", fontsize=9.5, color="#4a5a6a")
    for column in range(half - 1):
        _arrow(axes, (column + 0.95, 1.75), (column + 1.05, 1.75))
        _arrow(axes, (column + 1.05, 0.52), (column + 0.95, 0.52))
    _arrow(axes, (half - 0.5, 1.3), (half - 0.5, 0.97))
    _arrow(axes, (0.5, 0.97), (0.5, 1.3), colour=RED)
    axes.text(0.62, 1.135, back, va="center", fontsize=12, color=RED)
    return figure


@styled
def percent_bars(
    groups: Mapping[str, "Mapping[str, Measured]"], *, titles: Sequence[str], xlabel: str
) -> NotebookFigure:
    """Draw shares with their 95 % intervals, a panel for each group.

    Args:
        groups: Name of a panel -> name of a bar -> what was measured.
        titles: Of the panels, in order.
        xlabel: Below each panel.
    """
    num_bars = max(len(bars) for bars in groups.values())
    figure = new_figure(12, 1.5 + 0.46 * num_bars)
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    for axes, title, bars in zip(panels, titles, groups.values(), strict=True):
        positions = -np.arange(len(bars))
        means = np.array([one.mean for one in bars.values()])
        below = [one.mean - one.low for one in bars.values()]
        above = [one.high - one.mean for one in bars.values()]
        colours = [COLOURS[index % len(COLOURS)] if len(groups) > 1 else BLUE for index in range(len(bars))]
        axes.barh(positions, means, xerr=(below, above), height=0.6, color=colours, capsize=4, ecolor=_INK)
        for position, one in zip(positions, bars.values(), strict=True):
            axes.annotate(
                f"{one.mean:.0f}", (one.high, position), (8, 0), textcoords="offset points", va="center"
            )
        axes.set(title=title, xlabel=xlabel, xlim=(0, 112))
        axes.set_yticks(positions, list(bars))
        axes.grid(axis="y", visible=False)
    return figure


@styled
def cost_lines(
    requests_per_day: np.ndarray, lines: Mapping[str, np.ndarray], *, crossing: float
) -> NotebookFigure:
    """Draw what a day costs by the number of requests, on logarithmic axes, and where the lines cross.

    Args:
        requests_per_day: In rising order.
        lines: Name -> dollars a day.
        crossing: Requests a day at which the two cost the same.
    """
    figure = new_figure(12, 4.6)
    axes = figure.subplots()
    for (name, dollars), colour in zip(lines.items(), COLOURS, strict=False):
        axes.plot(requests_per_day, dollars, color=colour, label=name)
    axes.axvline(crossing, color=GREY, linestyle="--")
    axes.set(
        xscale="log", yscale="log", title="하루 비용 · What a day costs",
        xlabel="하루 요청 수 · requests a day", ylabel="USD",
    )  # fmt: skip
    axes.annotate(
        f"{crossing:,.0f} a day",
        (crossing, min(dollars.min() for dollars in lines.values())),
        (8, 0),
        textcoords="offset points",
        color=_INK,
    )
    axes.legend()
    return figure


@styled
def cache_bars(used: float, reserved: Mapping[str, float]) -> NotebookFigure:
    """Draw how much of each way to reserve is used and how much is wasted.

    Args:
        used: Tokens that are really kept.
        reserved: Way -> tokens for which it takes memory.
    """
    figure = new_figure(12, 1.5 + 0.65 * len(reserved))
    axes = figure.subplots()
    positions = -np.arange(len(reserved))
    sizes = np.array(list(reserved.values()))
    axes.barh(positions, np.full(len(sizes), used), height=0.6, color=BLUE, label="쓰는 칸 · used")
    axes.barh(
        positions,
        sizes - used,
        left=used,
        height=0.6,
        color=RED,
        hatch="//",
        alpha=0.75,
        label="낭비 · wasted",
    )
    for position, size in zip(positions, sizes, strict=True):
        axes.annotate(
            f"{100 * (1 - used / size):.1f} %",
            (size, position),
            (8, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set(title="KV 캐시에 잡는 자리 · What is reserved in the KV cache", xlabel="토큰 · tokens")
    axes.set_yticks(positions, list(reserved))
    axes.margins(x=0.1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower right")
    return figure


@styled
def batch_rows(schedules: Mapping[str, Sequence[tuple[int, int, int]]], num_slots: int) -> NotebookFigure:
    """Draw which slot of a batch generates for whom at which step, a panel for each schedule.

    Args:
        schedules: Title -> slot, first step and number of steps of each request, in the order of arrival.
        num_slots: Rows of the batch.
    """
    figure = new_figure(12, 5.2)
    panels = figure.subplots(len(schedules), 1, sharex=True)
    for axes, (title, rows) in zip(panels, schedules.items(), strict=True):
        for index, (slot, start, steps) in enumerate(rows):
            colour = (BLUE, SKY, GREEN, ORANGE)[index % 4]
            axes.barh(slot, steps, left=start, height=0.85, color=colour, edgecolor="white", linewidth=0.6)
        end = max(start + steps for _, start, steps in rows)
        axes.axvline(end, color=RED, linewidth=1.6)
        axes.set(title=f"{title}: {end:,} steps", ylabel="슬롯 · slot", ylim=(-0.6, num_slots - 0.4))
        axes.set_yticks(range(num_slots), range(1, num_slots + 1))
        axes.grid(axis="y", visible=False)
    panels[-1].set_xlabel("스텝(토큰 하나씩) · step, a token each")
    return figure


@styled
def parallel_parts(devices: int = 2, layers: int = 4) -> NotebookFigure:
    """Draw four ways to spread a model over devices: what each device holds is in its colour."""
    figure = new_figure(12, 3.4)
    panels = figure.subplots(1, 4)
    titles = ("모델 · tensor", "토큰·데이터 · data", "파이프라인 · pipeline", "레이어 · layer")
    notes = (
        "행렬을 쪼갬, 층마다 합산",
        "모델은 복제, 배치를 쪼갬",
        "층을 쪼개고 배치를 흘려보냄",
        "층을 쪼갬, 한 번에 한 장치",
    )
    for kind, (axes, title, note) in enumerate(zip(panels, titles, notes, strict=True)):
        axes.axis("off")
        axes.set(title=title, xlim=(-0.1, 4.1), ylim=(-0.9, layers + 0.1))
        for device in range(devices):
            for layer in range(layers):
                is_split_by_layer = kind >= 2
                owner = layer * devices // layers if is_split_by_layer else device
                is_here = owner == device
                if kind == 0:
                    box = (2 * device + 0.04, layer + 0.1, 1.92, 0.75)
                elif kind == 1:
                    box = (2.1 * device + 0.05, layer + 0.1, 1.75, 0.75)
                else:
                    box = (0.9, layer + 0.1, 2.2, 0.75)
                if is_here:
                    _box(axes, *box, (BLUE, GREEN)[device], fill=(SKY, "#9bd8c4")[device])
        if kind == 2:
            for turn in range(3):
                axes.text(0.45, 0.6 + turn * 1.3, f"배치 {3 - turn}", ha="center", fontsize=9, color=_INK)
                _arrow(axes, (0.2, 0.85 + turn * 1.3), (0.2, 1.4 + turn * 1.3))
        axes.text(2, -0.65, note, ha="center", fontsize=10, color=_INK)
    return figure


@styled
def token_bars(tokens: Sequence[str], probabilities: Mapping[str, np.ndarray]) -> NotebookFigure:
    """Draw how likely each next token is under several settings, a panel for each."""
    figure = new_figure(12, 3.6)
    panels = figure.subplots(1, len(probabilities), sharey=True)
    for axes, (title, shares), colour in zip(panels, probabilities.items(), COLOURS, strict=False):
        axes.bar(range(len(tokens)), 100 * shares, color=colour)
        axes.set(title=title)
        axes.set_xticks(range(len(tokens)), tokens, rotation=45, ha="right")
        axes.grid(axis="x", visible=False)
    panels[0].set_ylabel("퍼센트 · percent")
    return figure


def _blank(figure: NotebookFigure, x: tuple[float, float], y: tuple[float, float]) -> "Axes":
    axes = figure.subplots()
    axes.axis("off")
    axes.set(xlim=x, ylim=y)
    return axes


def _box(
    axes: "Axes", left: float, bottom: float, width: float, height: float, colour: str, fill: str = _PAPER
) -> None:
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(
        FancyBboxPatch(
            (left, bottom), width, height, boxstyle=style, facecolor=fill, edgecolor=colour, linewidth=2
        )
    )


def _arrow(
    axes: "Axes", start: tuple[float, float], end: tuple[float, float], colour: str = "#4a5a6a"
) -> None:
    axes.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=16, color=colour, linewidth=2)
    )
