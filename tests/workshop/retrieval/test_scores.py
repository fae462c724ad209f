"""Recall and MRR count the place of the one right article, and their intervals are the evaluation's."""

import pytest

from workshop.evaluation.confidence import difference_interval, mean_interval
from workshop.retrieval.corpus import Question
from workshop.retrieval.scores import (
    gain_table,
    gains,
    interval_text,
    rank_of,
    score,
    score_table,
    verdict_text,
)


def question(right: str, wording: str = "direct") -> Question:
    return Question(
        id=right, article_id=right, wording=wording, asks_for="who", text="", model_text="", answers=("",)
    )


QUESTIONS = [question("a"), question("b"), question("c", "keywords"), question("d", "keywords")]
RANKINGS = [["a"], list("xyzvwb"), list("xc"), []]


def test_each_question_has_its_recall_and_its_reciprocal_rank() -> None:
    found = score(QUESTIONS, RANKINGS)
    assert found.recall_at_5 == [1, 0, 1, 0]
    assert found.reciprocal_ranks == [1, pytest.approx(1 / 6), 0.5, 0]


def test_a_right_article_below_the_tenth_place_is_not_found() -> None:
    ranking = [*map(str, range(9)), "a", "b"]
    assert rank_of(ranking, "a") == 10
    assert rank_of(ranking, "b") is None


def test_the_table_has_a_row_for_each_search_and_a_column_for_each_wording_with_intervals() -> None:
    found = score(QUESTIONS, RANKINGS)
    table = score_table({"one": found, "two": found}, QUESTIONS)
    assert list(table.index) == ["one", "two"]
    assert list(table.columns) == ["recall@5 all", "recall@5 direct", "recall@5 keywords", "MRR all"]
    assert table.loc["one", "recall@5 all"] == interval_text(mean_interval([1, 0, 1, 0]))
    assert table.loc["one", "MRR all"] == interval_text(mean_interval(found.reciprocal_ranks))


def test_gains_are_paired_by_question() -> None:
    left, right = [1.0, 0.5, 0.2, 0.0], [0.5, 0.5, 0.1, 0.0]
    found = gains(left, right, QUESTIONS)
    assert found["all"] == difference_interval(left, right)
    assert found["keywords"] == difference_interval(left[2:], right[2:])
    assert list(found) == ["all", "direct", "keywords"]


def test_a_gain_is_called_one_only_when_its_interval_leaves_out_zero() -> None:
    values = {"good": [1.0, 1.0, 0.9, 1.0], "same": [0.5, 0.4, 0.6, 0.5], "base": [0.5] * 4}
    table = gain_table(values, "base", QUESTIONS)
    assert list(table.index) == ["good - base", "same - base"]
    assert table.loc["good - base", "all"].endswith("better")
    assert table.loc["same - base", "all"].endswith("no difference seen")
    assert verdict_text(difference_interval(values["base"], values["good"])) == "worse"


def test_rankings_of_other_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        score(QUESTIONS, RANKINGS[:2])
