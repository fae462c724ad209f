"""How good the summaries are, with what is known and what is luck."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workshop.evaluation.scores import metric_label
from workshop.plots.looks import looks
from workshop.plots.style import GREEN, GREY, NotebookFigure, new_figure, styled

if TYPE_CHECKING:
    from pandas import DataFrame

DEFAULT_METRICS = ("word_rouge_l", "syllable_rouge_l", "numbers_right", "names_right")


@styled
def score_intervals(table: "DataFrame", metrics: Sequence[str] = DEFAULT_METRICS) -> NotebookFigure:
    """Draw every system's mean scores with their 95 % intervals.

    Args:
        table: What `workshop.evaluation.table.score_table` returned.
        metrics: Which scores to show; those that the table lacks are left out.
    """
    metrics = [metric for metric in metrics if metric in table.columns.get_level_values(0)]
    systems = list(table.index)
    figure = new_figure(11, 1.7 + len(metrics) * (0.34 + 0.26 * len(systems)))
    axes = figure.subplots()
    for index, (system, look) in enumerate(looks(systems).items()):
        parts = np.array(
            [[100 * table.loc[system, (m, p)] for p in ("mean", "low", "high")] for m in metrics]
        )
        means, lows, highs = parts.T
        positions = -np.arange(len(metrics)) - (index - (len(systems) - 1) / 2) * 0.8 / len(systems)
        axes.errorbar(
            means, positions, xerr=(means - lows, highs - means), fmt=look.marker,
            color=look.colour, markersize=9, capsize=4, linewidth=2.2, label=system,
        )  # fmt: skip
        for mean, high, position in zip(means, highs, positions, strict=True):
            axes.annotate(
                f"{mean:.1f}",
                (high, position),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                fontsize=11,
            )
    for line in range(1, len(metrics)):
        axes.axhline(0.5 - line, color="#cccccc", linewidth=1)
    axes.set_yticks(-np.arange(len(metrics)), [metric_label(metric) for metric in metrics])
    axes.set_ylim(0.5 - len(metrics), 0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, 108)
    axes.set_xticks(range(0, 101, 20))
    axes.set(title="점수와 95 % 신뢰 구간 · Scores, 95 % intervals", xlabel="퍼센트 · percent")
    figure.legend(loc="outside lower center", ncols=len(systems))
    return figure


@styled
def gain_intervals(table: "DataFrame", metric: str = "word_rouge_l") -> NotebookFigure:
    """Draw by how much one system is better than each other one; an interval across 0 may be luck.

    Args:
        table: What `workshop.evaluation.table.gain_table` returned.
    """
    figure = new_figure(11, 1.5 + 0.55 * len(table))
    axes = figure.subplots()
    for position, (_, row) in enumerate(table[metric][["mean", "low", "high"]].iterrows()):
        mean, low, high = 100 * row
        colour = GREY if low <= 0 <= high else GREEN
        bounds = [[mean - low], [high - mean]]
        axes.errorbar(
            [mean], [-position], xerr=bounds, fmt="o", color=colour, markersize=9, capsize=4, linewidth=2.2
        )
        text = f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
        axes.annotate(
            text, (mean, -position), xytext=(0, 9), textcoords="offset points", ha="center", fontsize=11
        )
    axes.axvline(0, color="#555555", linewidth=1.2)
    axes.set_yticks(-np.arange(len(table)), list(table.index))
    axes.set_ylim(-len(table) + 0.4, 0.75)
    axes.margins(x=0.15)
    axes.grid(axis="y", visible=False)
    axes.set(
        title=f"{metric_label(metric)}: 얼마나 나은가, 기사마다 비교 · Gain, paired by article",
        xlabel="퍼센트포인트, 95 % 구간 · points, 95 % interval",
    )
    return figure
