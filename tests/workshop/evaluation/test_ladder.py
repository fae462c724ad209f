"""Rungs are scored on the same questions, and what is said of them follows from the numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from workshop.evaluation.answers import Row
from workshop.evaluation.ladder import (
    Rung,
    by_group,
    cheapest_as_good,
    finding,
    num_answers_per_s,
    score_rungs,
    usd_per_1000_answers,
    work_table,
)
from workshop.evaluation.verdict import verdict

ARTICLE = "참돌캐피탈의 지원금은 972억 원이고 지난해는 58억 원이었다. 김연혁 은행장과 배현욱 교수가 말했다."
FOLLOWS = ("better", "worse", "unseen")


@dataclass(frozen=True)
class Question:
    model_text: str
    answers: tuple[str, ...]


WHO = Question("참돌캐피탈 은행장은 누구?", ("김연혁", "김연혁 은행장"))
AMOUNT = Question("참돌캐피탈 지원금은?", ("972억 원",))


def row(answer: str, *, prompt: str = "", latency_s: float = 1.0, **details: int) -> Row:
    return Row(
        prompt=prompt, answer=answer, latency_s=latency_s, made_at="", settings={}, details=details
    )  # fmt: skip


def rung(name: str, *answers: str, context: str = ARTICLE) -> Rung:
    rows = [row(answer) for answer in answers]
    return Rung(name=name, rows=rows, contexts=[[context]] * len(rows), parts=("prompt",))


@pytest.mark.parametrize(
    ("question", "answer", "context", "is_right", "is_grounded"),
    [
        (WHO, "김연혁", ARTICLE, 1, 1),
        (AMOUNT, "972억원", ARTICLE, 1, 1),
        (AMOUNT, "927억 원", ARTICLE, 0, 0),  # a swapped number
        (WHO, "배현욱", ARTICLE, 0, 1),  # another's name: grounded, and wrong
        (AMOUNT, "58억 원", ARTICLE, 0, 1),
        (WHO, "김연혁", "", 1, 0),  # right, and nobody told it
        (AMOUNT, "972억 원", "다른 기사입니다.", 1, 0),
        (WHO, "김연호", ARTICLE, 0, 0),
        (WHO, "", ARTICLE, 0, 0),
    ],
)
def test_rightness_and_groundedness_are_two_things(
    question: Question, answer: str, context: str, is_right: int, is_grounded: int
) -> None:
    scores = score_rungs([rung("one", answer, context=context)], [question])
    assert scores["one"]["right"].tolist() == [is_right]
    assert scores["one"]["grounded"].tolist() == [is_grounded]


def test_a_rung_with_another_number_of_answers_is_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        score_rungs([rung("one", "김연혁")], [WHO, AMOUNT])


def test_the_price_of_answers_is_that_of_the_hours_they_take() -> None:
    """1,000 answers at 4 a second are 250 s of a machine for 7.20 USD an hour."""
    assert usd_per_1000_answers(7.20, 4) == pytest.approx(7.20 * 250 / 3600)
    assert usd_per_1000_answers(0, 4) == 0
    day = 24 * 3600
    assert usd_per_1000_answers(7.20, 1000 / day) == pytest.approx(7.20 * 24)  # a day long, for 1,000


def test_answers_in_a_second_are_users_by_latency() -> None:
    rows = [row("a", latency_s=seconds, num_users=4) for seconds in (1.0, 2.0, 3.0)]
    assert num_answers_per_s(rows) == pytest.approx(4 / 2.0)


def test_work_is_the_sum_of_its_parts() -> None:
    rows = [
        row("one two", prompt="a b c", latency_s=0.5, num_users=2, num_generated_tokens=7),
        row("one two", prompt="a b c d e", latency_s=1.5, num_users=2),
    ]
    built = Rung(name="RAG", rows=rows, contexts=[[], []], parts=("model endpoint", "index", "embeddings"))
    bare = Rung(name="bare", rows=rows, contexts=[[], []], parts=("model endpoint",))
    usd_per_hour = {"model endpoint": 6.0, "embeddings": 1.2}
    table = work_table([built, bare], lambda text: 1 + len(text.split()), usd_per_hour)
    assert table.loc["RAG", "tokens read"] == (4 + 6) / 2
    assert table.loc["RAG", "tokens written"] == (7 + 2) / 2  # as told, or without the begin token
    assert table.loc["RAG", "median ms"] == 1000
    assert table.loc["RAG", "answers/s"] == 2
    assert table.loc["RAG", "USD per 1,000"] == pytest.approx((6.0 + 1.2) / 3600 * 1000 / 2)
    assert table.loc["bare", "USD per 1,000"] == pytest.approx(6.0 / 3600 * 1000 / 2)
    assert table["parts"].tolist() == [3, 1]


def test_a_price_that_is_not_known_is_not_free() -> None:
    built = Rung(name="RAG", rows=[row("a")], contexts=[[]], parts=("model endpoint",))
    assert math.isnan(usd_per_1000_answers(None, 4))
    assert math.isnan(work_table([built], len, {"model endpoint": None}).loc["RAG", "USD per 1,000"])


@pytest.mark.parametrize(
    ("new", "old", "follows"),
    [
        ([1] * 39 + [0], [0] * 40, "better"),
        ([0] * 40, [1] * 39 + [0], "worse"),
        ([1, 0] * 20, [0, 1] * 20, "unseen"),
        ([1] * 40, [1] * 40, "unseen"),
    ],
)
def test_a_sentence_says_what_follows_from_the_verdict(new: list[int], old: list[int], follows: str) -> None:
    scores = {"RAG": {"right": np.array(new, float)}, "bare": {"right": np.array(old, float)}}
    said = finding(scores, "right", "RAG", "bare", level=0.99, **{name: name for name in FOLLOWS})
    assert said == (
        f"RAG {100 * np.mean(new):.1f} %, bare {100 * np.mean(old):.1f} % right: "
        f"{verdict(new, old, level=0.99)}. {follows}"
    )


def test_the_cheapest_that_is_not_seen_to_be_worse_is_chosen() -> None:
    best, close, poor = np.ones(40), np.array([1.0] * 39 + [0]), np.array([1.0] * 20 + [0] * 20)
    scores = {"right article": {"right": best}, "RAG": {"right": close}, "bare": {"right": poor}}
    assert cheapest_as_good(scores, "right", {"right article": 3, "RAG": 2, "bare": 1}) == "RAG"
    assert cheapest_as_good(scores, "right", {"right article": 1, "RAG": 2}) == "right article"
    assert cheapest_as_good(scores, "right", {"bare": 1}) == "bare"
    assert cheapest_as_good(scores, "right", {"RAG": 2, "right article": 2}) == "right article"


def test_shares_are_shown_by_group_with_their_number() -> None:
    scores = {"RAG": {"right": np.array([1.0, 1, 0, 1])}, "bare": {"right": np.zeros(4)}}
    table = by_group(scores, "right", ["who", "when", "who", "who"])
    assert list(table.columns) == ["who (n = 3)", "when (n = 1)"]
    assert table.loc["RAG", "when (n = 1)"] == "100 [100, 100]"
    assert table.loc["RAG", "who (n = 3)"].startswith("67 [")
    assert table.loc["bare", "who (n = 3)"] == "0 [0, 0]"
