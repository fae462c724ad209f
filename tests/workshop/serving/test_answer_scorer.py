"""Answers are scored beside their callers: the share of the last ones, and of everybody's own."""

from __future__ import annotations

import pytest

from workshop.serving.answer_scorer import AnswerScorer


def is_bad(article: str, text: str) -> bool:
    return text not in article


def test_the_share_is_of_the_last_answers_and_told_when_there_are_enough() -> None:
    told: list[float] = []
    with AnswerScorer(is_bad, told.append, interval_s=0.01, num_last=4) as scorer:
        for text in ("기사", "다른 말", "기사"):
            assert scorer.saw("기사입니다", text, "old") == "old"
    assert told == []  # three of four say nothing yet
    with AnswerScorer(is_bad, told.append, interval_s=600, num_last=4) as scorer:
        for text in ("다른 말", "기사", "기사", "다른 말", "다른 말"):
            scorer.saw("기사입니다", text, "old" if text == "기사" else "new")
    assert told == [0.5]  # the first has gone; what is left at the end is told at the end
    assert scorer.num_scored == 5
    assert scorer.bad_shares == {"new": 1.0, "old": 0.0}


def test_what_goes_wrong_while_scoring_is_raised_at_the_end_of_the_block() -> None:
    def put(_: float) -> None:
        raise RuntimeError("no permission")

    with (
        pytest.raises(RuntimeError, match="no permission"),
        AnswerScorer(is_bad, put, interval_s=0.01, num_last=1) as scorer,
    ):
        scorer.saw("기사", "기사", "old")
