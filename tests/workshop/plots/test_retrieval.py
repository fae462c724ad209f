"""The pictures of the searches show each wording's recall, and where a threshold would stand."""

import numpy as np
import pytest

from workshop import plots
from workshop.evaluation.confidence import mean_interval


def test_each_search_has_a_point_with_its_interval_for_each_wording() -> None:
    values = {"direct": mean_interval([1, 1, 0, 1]), "다른 말 paraphrase": mean_interval([0, 0, 1, 0])}
    figure = plots.recall_by_wording({"words": values, "hybrid stems": values}, title="recall")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == list(values)
    for line, bars in zip(axes.containers, ("words", "hybrid stems"), strict=True):
        assert line.get_label() == bars
        assert list(line.lines[0].get_xdata()) == pytest.approx([75, 25])
    assert len(figure._repr_png_()) > 10_000


def test_scores_with_and_without_the_article_stand_beside_the_thresholds() -> None:
    there, missing = np.linspace(0.85, 0.92, 60), np.linspace(0.8, 0.87, 60)
    figure = plots.score_distributions(there, missing, thresholds=[0.84, 0.86])
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[-2:] == ["임계값 threshold 0.840", "임계값 threshold 0.860"] or labels[:2] == [
        "임계값 threshold 0.840",
        "임계값 threshold 0.860",
    ]
    assert sum(patch.get_height() for patch in axes.patches) == 120
    assert len(figure._repr_png_()) > 10_000
