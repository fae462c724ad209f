"""The tuned model summarises news it has never seen: names and one topic included."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.train.quality import measure


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return measure(tmp_path_factory.mktemp("quality"), seed=42)


def test_summaries_of_unseen_articles_are_right(scores: dict) -> None:
    tuned = scores["all topics"]["tuned"]
    assert tuned["word_rouge_l"] >= 0.85
    assert tuned["numbers_right"] >= 0.90
    assert tuned["names"] >= 0.95


def test_the_model_learns_to_stop(scores: dict) -> None:
    assert scores["all topics"]["tuned"]["ends"] >= 0.95
    assert scores["all topics"]["untuned"]["ends"] < 0.5


@pytest.mark.parametrize("other", ["untuned", "lead-3", "best sentence"])
@pytest.mark.parametrize("news", ["all topics", "held-out topic"])
def test_the_tuned_model_is_above_every_other_system(scores: dict, news: str, other: str) -> None:
    assert scores[news]["tuned"]["word_rouge_l"] > scores[news][other]["word_rouge_l"]


def test_the_base_model_has_not_learnt_the_task(scores: dict) -> None:
    """Otherwise fine-tuning would have nothing to teach."""
    assert scores["all topics"]["untuned"]["word_rouge_l"] < 0.5


def test_the_model_in_the_repository_is_small() -> None:
    base = Path(__file__).parents[2] / "src" / "sample" / "base" / "model"
    assert sum(file.stat().st_size for file in base.iterdir()) < 10 * 2**20
