"""What the data set looks like: how long its texts are, and what they are about."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from workshop.plots.style import COLOURS, LINES, RED, NotebookFigure, new_figure, styled

_MAX_BINS = 40


@styled
def length_histograms(
    num_chars: Mapping[str, Sequence[int]],
    num_tokens: Mapping[str, Sequence[int]],
    *,
    max_tokens: int | None = None,
) -> NotebookFigure:
    """Draw how long the rows of each split are, in characters and in tokens.

    Splits differ in size, so each one is drawn as the share of its own rows.

    Args:
        num_chars: For each split the rows' lengths in characters.
        num_tokens: For each split the rows' lengths in tokens.
        max_tokens: The model's context, drawn as a line.
    """
    figure = new_figure(12, 4.2)
    left, right = figure.subplots(1, 2)
    _lengths(left, num_chars, "글자 수 · Length in characters", "한 행의 글자 수 · characters per row")
    _lengths(right, num_tokens, "토큰 수 · Length in tokens", "한 행의 토큰 수 · tokens per row")
    if max_tokens is not None:
        right.axvline(max_tokens, color=RED, linestyle=":")
        right.annotate(
            f"컨텍스트 context {max_tokens:,}",
            (max_tokens, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-6, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            rotation=90,
            color=RED,
        )
    return figure


def _lengths(axes: Axes, lengths: Mapping[str, Sequence[int]], title: str, label: str) -> None:
    # The longest 0.5 % would squeeze all the others into a few bars: they count in the last bar.
    every = np.concatenate([np.asarray(values) for values in lengths.values()])
    num_bins = min(_MAX_BINS, 5 + int(np.sqrt(len(every))))
    edges = np.linspace(every.min(), max(np.quantile(every, 0.995), every.min() + 1), num_bins + 1)
    for index, (split, values) in enumerate(lengths.items()):
        shown = np.clip(values, edges[0], edges[-1])
        axes.hist(
            shown,
            edges,
            weights=np.full(len(shown), 100 / len(shown)),
            histtype="stepfilled" if index == 0 else "step",
            color=COLOURS[index],
            alpha=0.35 if index == 0 else 1,
            linestyle=LINES[index % len(LINES)],
            linewidth=2,
            label=f"{split} · {len(values):,}행 rows · 중앙값 median {np.median(values):,.0f}",
        )
    axes.set(title=title, xlabel=label, ylabel="분할의 % · % of the split")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.32)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.legend(loc="upper left", fontsize=11)


@styled
def category_bars(categories: Mapping[str, Sequence[str]]) -> NotebookFigure:
    """Draw which share of each split has which category.

    Args:
        categories: For each split the categories of its rows.
    """
    counts = {split: Counter(values) for split, values in categories.items()}
    total = sum(counts.values(), Counter())
    names = [name for name, _ in reversed(total.most_common())]
    height = 0.8 / len(counts)
    figure = new_figure(10, 1.6 + 0.62 * len(names))
    axes = figure.subplots()
    for index, (split, count) in enumerate(counts.items()):
        shares = [100 * count[name] / max(count.total(), 1) for name in names]
        positions = np.arange(len(names)) + 0.4 - (index + 0.5) * height
        bars = axes.barh(positions, shares, height * 0.92, color=COLOURS[index], label=split)
        axes.bar_label(bars, [f"{count[name]:,}" for name in names], padding=4, fontsize=10, color="#444444")
    axes.set_yticks(np.arange(len(names)), [name or "없음 (none)" for name in names])
    axes.grid(axis="y", visible=False)
    axes.margins(x=0.08)
    axes.set(title="분야 · Categories", xlabel="분할의 %, 숫자는 행 수 · % of the split, numbers: rows")
    axes.legend(loc="lower right")
    return figure
