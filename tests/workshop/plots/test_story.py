"""The story's pictures show what they are given, and Hangul is drawn."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from workshop import plots
from workshop.plots.style import NotebookFigure
from workshop.story.measured import Measured


def drawn(figure: NotebookFigure) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a character that no font has
        png = figure._repr_png_()
    with Image.open(BytesIO(png)) as image:
        assert image.width > 800


def test_the_lifecycle_has_a_box_and_its_words_for_every_stage() -> None:
    stages = [(f"단계 {index}", f"stage {index}", f"0{index}") for index in range(10)]
    figure = plots.lifecycle(stages, back="처음으로")
    drawn(figure)
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {word for stage in stages for word in stage} | {"처음으로"} == texts


def test_shares_stand_in_their_order_with_their_intervals() -> None:
    bars = {"하나": Measured(mean=60, low=50, high=70), "둘": Measured(mean=97, low=93, high=100)}
    figure = plots.percent_bars({"a": bars, "b": bars}, titles=["가", "나"], xlabel="percent")
    drawn(figure)
    for axes in figure.axes:
        assert [text.get_text() for text in axes.texts] == ["60", "97"]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["하나", "둘"]


def test_the_costs_cross_where_it_is_said() -> None:
    requests = np.geomspace(1, 1e4, 20)
    figure = plots.cost_lines(requests, {"a": requests, "b": np.full_like(requests, 50.0)}, crossing=50)
    drawn(figure)
    assert figure.axes[0].texts[0].get_text() == "50 a day"


def test_what_is_wasted_is_the_rest_of_what_is_reserved() -> None:
    figure = plots.cache_bars(50, {"가": 200, "나": 52})
    drawn(figure)
    assert [text.get_text() for text in figure.axes[0].texts] == ["75.0 %", "3.8 %"]


def test_a_schedule_ends_with_its_last_answer() -> None:
    figure = plots.batch_rows({"static": [(0, 0, 3), (1, 0, 9)], "continuous": [(0, 0, 3), (0, 3, 4)]}, 2)
    drawn(figure)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["static: 9 steps", "continuous: 7 steps"]


def test_each_way_to_split_gives_a_device_its_part() -> None:
    figure = plots.parallel_parts(devices=2, layers=4)
    drawn(figure)
    boxes = [sum(type(patch).__name__ == "FancyBboxPatch" for patch in axes.patches) for axes in figure.axes]
    assert boxes == [8, 8, 4, 4]


@pytest.mark.parametrize("shares", [np.array([0.9, 0.1]), np.array([1.0, 0.0])])
def test_next_tokens_have_a_bar_each(shares: np.ndarray) -> None:
    figure = plots.token_bars(["올랐다", "내렸다"], {"1": shares, "2": shares})
    drawn(figure)
    assert [bar.get_height() for bar in figure.axes[0].patches] == pytest.approx(list(100 * shares))
