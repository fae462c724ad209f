"""What a search finds, by how a question is put, and how far its scores tell right articles from wrong."""

from collections.abc import Mapping, Sequence

import numpy as np

from workshop.evaluation.confidence import Interval
from workshop.plots.style import (
    BLUE,
    COLOURS,
    GREY,
    LINES,
    MARKERS,
    ORANGE,
    NotebookFigure,
    new_figure,
    styled,
)


@styled
def recall_by_wording(searches: Mapping[str, Mapping[str, Interval]], *, title: str) -> NotebookFigure:
    """Draw each search's recall for each wording, with its 95 % interval.

    Args:
        searches: Name to wording to interval; each has the same wordings.
        title: Of the figure.
    """
    wordings = list(next(iter(searches.values())))
    figure = new_figure(11, 1.8 + len(wordings) * (0.3 + 0.22 * len(searches)))
    axes = figure.subplots()
    for place, (name, by_wording) in enumerate(searches.items()):
        means, lows, highs = 100 * np.array([by_wording[wording] for wording in wordings]).T
        heights = -np.arange(len(wordings)) - (place - (len(searches) - 1) / 2) * 0.8 / len(searches)
        axes.errorbar(
            means, heights, xerr=(means - lows, highs - means), fmt=MARKERS[place % len(MARKERS)],
            color=COLOURS[place % len(COLOURS)], markersize=8, capsize=4, label=name,
        )  # fmt: skip
    for line in range(1, len(wordings)):
        axes.axhline(0.5 - line, color="#cccccc", linewidth=1)
    axes.set_yticks(-np.arange(len(wordings)), wordings)
    axes.set_ylim(0.5 - len(wordings), 0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(-4, 104)
    axes.set(title=title, xlabel="recall@5, 퍼센트, 95 % 구간 · percent, 95 % interval")
    figure.legend(loc="outside lower center", ncols=min(5, len(searches)))
    return figure


@styled
def score_distributions(
    there: Sequence[float], missing: Sequence[float], *, thresholds: Sequence[float]
) -> NotebookFigure:
    """Draw how high the best score is when the right article is in the index, and when it is not.

    Args:
        there: Best score of each question.
        missing: The same with its article taken out.
        thresholds: Below which nothing would be found; each a line.
    """
    figure = new_figure(11, 4.2)
    axes = figure.subplots()
    bins = np.linspace(min(*there, *missing), max(*there, *missing), 26)
    axes.hist(
        missing,
        bins=bins,
        color=ORANGE,
        alpha=0.55,
        label="기사가 색인에 없음 · its article is not in the index",
    )
    axes.hist(
        there, bins=bins, color=BLUE, alpha=0.55, label="기사가 색인에 있음 · its article is in the index"
    )
    for threshold, line in zip(thresholds, LINES, strict=False):
        axes.axvline(threshold, color=GREY, linestyle=line, label=f"임계값 threshold {threshold:.3f}")
    axes.set(
        title="질문마다 가장 높은 점수 · Best score of each question",
        xlabel="코사인 · cosine",
        ylabel="질문 수 · questions",
    )
    axes.legend()
    return figure
