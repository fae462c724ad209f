"""What the rungs of the ladder bring and take, and what tuning gives and takes away."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from workshop.evaluation.confidence import mean_interval
from workshop.plots.style import COLOURS, GREY, MARKERS, NotebookFigure, new_figure, styled

if TYPE_CHECKING:
    from pandas import DataFrame

_HATCHES = ("", "//")


@styled
def quality_against_work(scores: "DataFrame", work: "DataFrame", metric: str = "right") -> NotebookFigure:
    """Draw how right each rung is against the tokens that it reads for an answer, with the parts to keep up.

    Args:
        scores: What `workshop.evaluation.table.score_table` returned.
        work: What `workshop.evaluation.ladder.work_table` returned, of the same rungs.
    """
    figure = new_figure(11, 6)
    axes = figure.subplots()
    for index, rung in enumerate(work.index):
        mean, low, high = (100 * scores.loc[rung, (metric, part)] for part in ("mean", "low", "high"))
        num_tokens, num_parts = work.loc[rung, "tokens read"], int(work.loc[rung, "parts"])
        axes.errorbar(
            [num_tokens], [mean], yerr=[[mean - low], [high - mean]], linewidth=2.2, capsize=4,
            fmt=MARKERS[index % len(MARKERS)], color=COLOURS[index % len(COLOURS)],
            markersize=6 + 2 * num_parts,
            label=f"{rung} · {num_parts} part{'s' if num_parts > 1 else ''}",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(-4, 108)
    axes.set_yticks(range(0, 101, 20))
    axes.set(
        title="What an answer takes, and how often it is right",
        xlabel="tokens read for an answer (logarithmic); the larger the mark, the more parts to keep",
        ylabel=f"{metric}, percent, with 95 % interval",
    )
    figure.legend(loc="outside lower center", ncols=3)
    return figure


@styled
def side_effect_bars(
    tasks: Mapping[str, Mapping[str, Sequence[float]]], *, title: str = "What tuning gives and takes"
) -> NotebookFigure:
    """Draw two models side by side on each task, with 95 % intervals.

    Args:
        tasks: Task -> model -> one value between 0 and 1 for each case; the same models in every task.
    """
    figure = new_figure(9, 5)
    axes = figure.subplots()
    models = list(next(iter(tasks.values())))
    width = 0.8 / len(models)
    for index, model in enumerate(models):
        intervals = 100 * np.array([mean_interval(values[model]) for values in tasks.values()])
        means, lows, highs = intervals.T
        positions = np.arange(len(tasks)) + (index - (len(models) - 1) / 2) * width
        axes.bar(
            positions, means, width * 0.92, yerr=(means - lows, highs - means), capsize=5, label=model,
            color=COLOURS[index], hatch=_HATCHES[index % len(_HATCHES)], edgecolor="white", ecolor="#333333",
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
    axes.set(title=title, ylabel="percent, with 95 % interval")
    figure.legend(loc="outside lower center", ncols=len(models))
    return figure
