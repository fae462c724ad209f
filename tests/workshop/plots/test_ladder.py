"""The pictures of the ladder show every rung with its interval, and tuning's two sides."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
import pytest
from pandas import DataFrame
from PIL import Image

from workshop import plots
from workshop.evaluation.confidence import mean_interval
from workshop.evaluation.table import score_table
from workshop.plots.style import NotebookFigure

CLOSED, FOUND = np.array([0.0, 0, 0, 0]), np.array([1.0, 1, 0, 1])


def drawn(figure: NotebookFigure) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png = figure._repr_png_()
    with Image.open(BytesIO(png)) as image:
        assert image.width > 800


def test_every_rung_has_its_share_of_right_answers_its_tokens_and_its_parts() -> None:
    scores = score_table({"closed book": {"right": CLOSED}, "검색 RAG": {"right": FOUND}})
    work = DataFrame(
        {"tokens read": [20.0, 250.0], "parts": [1, 3]}, index=["closed book", "검색 RAG"]
    ).rename_axis("rung")
    figure = plots.quality_beside_work(scores, work)
    drawn(figure)
    quality, cost, effort = figure.axes
    assert list(quality.containers[0].lines[0].get_xdata()) == [0, 75]
    assert [label.get_text() for label in quality.get_yticklabels()] == ["closed book", "검색 RAG"]
    low, high = quality.containers[0].lines[2][0].get_segments()[1][:, 0]
    assert (low, high) == pytest.approx((100 * mean_interval(FOUND).low, 100 * mean_interval(FOUND).high))
    assert [bar.get_width() for bar in cost.patches] == [20, 250]
    assert [bar.get_width() for bar in effort.patches] == [1, 3]


def test_each_task_has_a_bar_for_each_model() -> None:
    figure = plots.side_effect_bars(
        {"summaries": {"base": CLOSED, "tuned": FOUND}, "answers": {"base": FOUND, "tuned": CLOSED}}
    )
    drawn(figure)
    (axes,) = figure.axes
    bars = [container for container in axes.containers if hasattr(container, "patches")]
    assert [[bar.get_height() for bar in one.patches] for one in bars] == [[0, 75], [75, 0]]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["summaries", "answers"]
