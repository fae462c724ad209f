"""How far the runs of one prompt lie apart, beside how far prompts do."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from workshop.evaluation.confidence import mean_interval
from workshop.plots.style import COLOURS, GREY, MARKERS, NotebookFigure, new_figure, styled

if TYPE_CHECKING:
    from workshop.evaluation.cases import CaseRuns


@styled
def run_spread(runs: "Mapping[str, CaseRuns]") -> NotebookFigure:
    """Draw every run of every prompt as a point, and behind them the interval of the prompt's mean.

    The points of a row are the same prompt: what lies between them is luck. The interval is of the cases:
    with other cases of the same sort the prompt would score elsewhere in it.

    Args:
        runs: Name of a prompt -> its answers, in the order from above.
    """
    figure = new_figure(11, 1.7 + 0.6 * len(runs))
    axes = figure.subplots()
    for row, one in enumerate(runs.values()):
        mean, low, high = (100 * value for value in mean_interval(one.values))
        axes.barh(-row, high - low, left=low, height=0.5, color=GREY, alpha=0.25)
        axes.vlines(mean, -row - 0.25, -row + 0.25, color=GREY, linewidth=2.2)
        points = 100 * np.asarray(one.run_means)
        axes.plot(
            points, np.full(len(points), -row), linestyle="", markersize=9, alpha=0.8,
            marker=MARKERS[row % len(MARKERS)], color=COLOURS[row % len(COLOURS)],
        )  # fmt: skip
    axes.set_yticks(-np.arange(len(runs)), list(runs))
    axes.grid(axis="y", visible=False)
    axes.set_xlim(-3, 103)
    axes.set(
        title="점 하나가 실행 한 번, 막대는 95% 구간 · A point is a run, the bar the 95 % interval",
        xlabel="맞은 답, 퍼센트 · right answers, percent",
    )
    return figure
