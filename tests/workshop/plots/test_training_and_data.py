"""Figures show the numbers they are given, in letters that can be read."""

import logging
import subprocess
import sys
import warnings
from io import BytesIO

import matplotlib
import numpy as np
import pytest
from PIL import Image

from workshop import plots
from workshop.errors import WorkshopError
from workshop.evaluation.table import gain_table, score_table

DRAW = np.random.default_rng(1)
CHARS = {
    "train": DRAW.integers(300, 2000, 500),
    "validation": DRAW.integers(300, 2000, 60),
    "test": [700, 900, 5000],
}
CATEGORIES = {"train": ["경제"] * 6 + ["사회"] * 3 + ["뷁똠 漢字"], "test": ["경제", "사회", "IT과학"]}
RECORDS = [
    {"step": step, "num_steps": 60, "loss": 3 / step, "learning_rate": 1e-3, "tokens_per_s": 9000.0 + step,
     "memory_mib": 700.0 + step, "elapsed_s": step / 5}
    for step in range(1, 61)
] + [{"step": step, "eval_loss": 3 / step + 0.1} for step in (20, 40, 60)]  # fmt: skip
SCORES = {
    name: {"word_rouge_l": DRAW.random(40), "numbers_right": DRAW.integers(0, 2, 40).astype(float)}
    for name in ("lead-3", "미세 조정 전", "tuned")
}
FIGURES = {
    "lengths": lambda: plots.length_histograms(CHARS, CHARS, max_tokens=1024),
    "categories": lambda: plots.category_bars(CATEGORIES),
    "loss": lambda: plots.loss_curve(RECORDS),
    "short loss": lambda: plots.loss_curve([{"step": 1, "loss": 2.5}]),
    "speed": lambda: plots.speed_and_memory(RECORDS),
    "speed alone": lambda: plots.speed_and_memory([{"tokens_per_s": 5.0, "elapsed_s": 1.0}]),
    "scores": lambda: plots.score_intervals(score_table(SCORES)),
    "gains": lambda: plots.gain_intervals(gain_table(SCORES, "tuned")),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_without_a_warning_or_a_missing_glyph(
    name: str, caplog: pytest.LogCaptureFixture
):
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        png = FIGURES[name]()._repr_png_()
    assert caplog.messages == []
    with Image.open(BytesIO(png)) as image:
        assert image.width > 800
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 20


def test_without_the_font_hangul_would_be_missing():
    from matplotlib.figure import Figure

    figure = Figure()
    figure.suptitle("경제")
    with pytest.warns(UserWarning, match=r"Glyph .* missing"):
        figure.savefig(BytesIO())


def test_labels_of_figures_are_in_the_korean_font():
    figure = plots.category_bars(CATEGORIES)
    labels = figure.axes[0].get_yticklabels()
    assert {label.get_text() for label in labels} == {"경제", "사회", "뷁똠 漢字", "IT과학"}
    assert {label.get_fontfamily()[0] for label in labels} == {"NanumGothic"}


def test_a_figure_saved_by_matplotlib_itself_keeps_the_font():
    figure = plots.loss_curve(RECORDS)
    figure.savefig(BytesIO())
    labels = [label for axes in figure.axes for label in axes.get_xticklabels() + axes.get_yticklabels()]
    assert {label.get_fontfamily()[0] for label in labels} == {"NanumGothic"}


def test_the_settings_of_matplotlib_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    plots.category_bars(CATEGORIES)._repr_png_()
    assert dict(matplotlib.rcParams) == before


def test_bars_are_shares_of_their_split():
    axes = plots.category_bars(CATEGORIES).axes[0]
    shares = {bars.get_label(): sum(bar.get_width() for bar in bars) for bars in axes.containers}
    assert shares == {"train": pytest.approx(100), "test": pytest.approx(100)}
    names = [label.get_text() for label in axes.get_yticklabels()]
    widths = [bar.get_width() for bar in axes.containers[0]]
    assert dict(zip(names, widths, strict=True)) == pytest.approx(
        {"경제": 60, "사회": 30, "뷁똠 漢字": 10, "IT과학": 0}
    )


def test_every_row_is_in_the_histogram_even_the_longest():
    axes = plots.length_histograms(CHARS, CHARS).axes[0]
    for patch in axes.patches:
        num_bins = len(np.unique(patch.get_xy()[:, 0])) - 1
        heights = patch.get_xy()[1 : 2 * num_bins : 2, 1]
        assert heights.sum() == pytest.approx(100)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[2] == "test · 3행 rows · 중앙값 median 900"


def test_the_loss_curve_holds_the_losses_of_the_run():
    upper, lower = plots.loss_curve(RECORDS).axes
    raw, mean, evaluation = upper.get_lines()
    assert raw.get_xydata().tolist() == [[r["step"], r["loss"]] for r in RECORDS if "loss" in r]
    assert evaluation.get_xydata().tolist() == [
        [r["step"], r["eval_loss"]] for r in RECORDS if "eval_loss" in r
    ]
    losses = raw.get_ydata()
    assert mean.get_label() == "학습 training (3스텝 평균 mean)"
    assert mean.get_ydata()[10] == pytest.approx(losses[9:12].mean())
    assert mean.get_ydata()[0] == pytest.approx(losses[:2].mean())
    assert set(lower.get_lines()[0].get_ydata()) == {1e-3}


def test_the_loss_curve_marks_where_each_job_ended():
    upper, lower = plots.loss_curve(RECORDS, job_ends=[30, 60]).axes
    for axes in (upper, lower):
        assert [line.get_xdata()[0] for line in axes.get_lines()[-2:]] == [30, 60]
    assert [text.get_text() for text in upper.texts][-2:] == [
        "작업 1 끝 · end of job 1",
        "작업 2 끝 · end of job 2",
    ]


def test_speed_and_memory_name_median_and_peak():
    left, right = plots.speed_and_memory(RECORDS).axes
    assert left.get_title(loc="left") == "속도 Speed · 중앙값 median 9,030 tokens/s"
    assert right.get_title(loc="left") == "메모리 Memory · 최대 peak 760 MiB"


def test_score_intervals_end_where_the_table_says():
    table = score_table(SCORES)
    axes = plots.score_intervals(table).axes[0]
    for system, container in zip(table.index, axes.containers, strict=True):
        (segments,) = (line.get_segments() for line in container.lines[2])
        for metric, segment in zip(("word_rouge_l", "numbers_right"), segments, strict=True):
            expected = (100 * table.loc[system, (metric, "low")], 100 * table.loc[system, (metric, "high")])
            assert (segment[0][0], segment[1][0]) == pytest.approx(expected)


@pytest.mark.parametrize("draw", [plots.loss_curve, plots.speed_and_memory])
def test_a_run_without_steps_is_named(draw):
    with pytest.raises(WorkshopError, match="0 progress records"):
        draw([])


def test_a_figure_draws_without_pyplot():
    code = (
        "import sys; from workshop import plots; plots.loss_curve([{'step': 1, 'loss': 2.0}])._repr_png_();"
        "print([name for name in ('torch', 'pandas', 'matplotlib.pyplot', 'koreanize_matplotlib')"
        " if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
