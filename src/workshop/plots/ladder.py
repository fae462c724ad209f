"""What the rungs of the ladder bring and take, and what tuning gives and takes away."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workshop.evaluation.confidence import mean_interval
from workshop.plots.looks import looks
from workshop.plots.style import COLOURS, GREY, NotebookFigure, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_HATCHES = ("", "//")


@styled
def quality_beside_work(scores: "DataFrame", work: "DataFrame", metric: str = "right") -> NotebookFigure:
    """Draw how right each rung is, and beside it the tokens that it reads for an answer and its parts.

    Args:
        scores: What `workshop.evaluation.table.score_table` returned.
        work: What `workshop.evaluation.ladder.work_table` returned, of the same rungs.
    """
    rungs = list(work.index)
    figure = new_figure(12, 1.6 + 0.4 * len(rungs))
    quality, cost, effort = figure.subplots(1, 3, sharey=True, width_ratios=(3, 1.6, 1.2))
    means, lows, highs = (
        np.array([100 * scores.loc[rung, (metric, part)] for rung in rungs])
        for part in ("mean", "low", "high")
    )
    positions = -np.arange(len(rungs))
    quality.errorbar(
        means, positions, xerr=(means - lows, highs - means), fmt="o", color=COLOURS[0], markersize=9,
        capsize=4, linewidth=2.2,
    )  # fmt: skip
    _annotate(quality, highs, positions, [f"{mean:.0f}" for mean in means])
    for axes, column, colour in ((cost, "tokens read", COLOURS[1]), (effort, "parts", COLOURS[2])):
        values = work[column].to_numpy()
        axes.barh(positions, values, height=0.6, color=colour)
        _annotate(axes, values, positions, [f"{value:,.0f}" for value in values])
        axes.margins(x=0.25)
    quality.set(title="맞은 비율 · Right answers", xlabel=f"{metric}, 퍼센트 · percent, 95 %")
    quality.set_xlim(-3, 112)
    quality.set_xticks(range(0, 101, 20))
    quality.set_yticks(positions, rungs)
    cost.set(title="읽는 양 · Reads", xlabel="답마다 토큰 · tokens an answer")
    effort.set(title="관리할 것 · Kept", xlabel="개수 · parts")
    for axes in (quality, cost, effort):
        axes.grid(axis="y", visible=False)
    return figure


@styled
def side_effect_bars(
    tasks: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    title: str = "튜닝이 주는 것과 가져가는 것 · What tuning gives and takes",
) -> NotebookFigure:
    """Draw two models side by side on each task, with 95 % intervals.

    Args:
        tasks: Task -> model -> one value between 0 and 1 for each case; the same models in every task.
    """
    figure = new_figure(9, 5)
    axes = figure.subplots()
    models = list(next(iter(tasks.values())))
    width = 0.8 / len(models)
    for index, (model, look) in enumerate(looks(models).items()):
        intervals = 100 * np.array([mean_interval(values[model]) for values in tasks.values()])
        means, lows, highs = intervals.T
        positions = np.arange(len(tasks)) + (index - (len(models) - 1) / 2) * width
        axes.bar(
            positions, means, width * 0.92, yerr=(means - lows, highs - means), capsize=5, label=model,
            color=look.colour, hatch=_HATCHES[index % len(_HATCHES)], edgecolor="white", ecolor="#333333",
        )  # fmt: skip
        for mean, high, position in zip(means, highs, positions, strict=True):
            axes.annotate(
                f"{mean:.1f}", (position, high), xytext=(0, 5), textcoords="offset points", ha="center",
                fontsize=11,
            )  # fmt: skip
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set_xticks(np.arange(len(tasks)), list(tasks))
    axes.set_ylim(0, 112)
    axes.set_yticks(range(0, 101, 20))
    axes.grid(axis="x", visible=False)
    axes.set(title=title, ylabel="퍼센트, 95 % 구간 · percent, 95 % interval")
    figure.legend(loc="outside lower center", ncols=len(models))
    return figure


def _annotate(axes: "Axes", ends: np.ndarray, positions: np.ndarray, texts: Sequence[str]) -> None:
    for end, position, text in zip(ends, positions, texts, strict=True):
        axes.annotate(
            text, (end, position), xytext=(7, 0), textcoords="offset points", va="center", fontsize=11
        )
