"""Groundedness finds what the context does not say, and says nothing of whether it is right."""

import unicodedata

import pytest

from workshop.evaluation.grounded import is_grounded, unsupported

CONTEXT = (
    "참돌캐피탈은 지난 11일 담콩읍에서 새 연금 상품을 확대했다고 밝혔다. "
    "지원금은 972억 원으로 지난해 58억 원보다 늘었다. "
    "김연혁 은행장은 “심사 기간을 309일로 줄이겠다”고 말했다. "
    "배현욱 교수는 “기대보다 늦었다”고 평가했다."
)


@pytest.mark.parametrize(
    "answer",
    [
        "김연혁",
        "김연혁 은행장입니다.",
        "972억 원",
        "972억원",
        "97,200,000,000원",
        "９７２억 원",
        "담콩읍",
        "지난 11일",
        "“심사 기간을 309일로 줄이겠다”",
        "참돌캐피탈의 지원금은 972억 원이다",
        unicodedata.normalize("NFD", "김연혁 은행장"),
    ],
)
def test_these_stand_in_the_context(answer: str) -> None:
    assert unsupported(answer, CONTEXT) == []
    assert is_grounded(answer, CONTEXT)
    assert is_grounded(answer, unicodedata.normalize("NFD", CONTEXT))


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("927억 원", ["927억"]),  # a swapped digit
        ("972만 원", ["972만"]),
        ("972%", ["972"]),
        ("972억 달러", ["달러"]),
        ("김연호 은행장", ["김연호"]),  # another's name
        ("김연", ["김연"]),  # a cut one
        ("연혁", ["연혁"]),
        ("오는 11일", ["오는"]),
        ("김연혁 은행장 3명", ["3", "명"]),
        ("the president", ["the", "president"]),
        ("은행장 金延赫", ["金延赫"]),
    ],
)
def test_these_do_not_and_are_named(answer: str, found: list[str]) -> None:
    assert unsupported(answer, CONTEXT) == found
    assert not is_grounded(answer, CONTEXT)


@pytest.mark.parametrize("answer", ["배현욱 은행장", "58억 원", "배현욱"])
def test_a_wrong_answer_may_be_grounded(answer: str) -> None:
    assert is_grounded(answer, CONTEXT)


def test_a_right_answer_without_a_context_is_not_grounded() -> None:
    assert unsupported("김연혁 972억 원", "") == ["김연혁", "972억", "원"]
    assert not is_grounded("김연혁", "")


@pytest.mark.parametrize("answer", ["", " \n", "…", "👍"])
def test_an_answer_without_a_word_is_not_grounded(answer: str) -> None:
    assert unsupported(answer, CONTEXT) == []
    assert not is_grounded(answer, CONTEXT)


def test_a_particle_alone_makes_no_word_of_a_context() -> None:
    """A syllable that is left without its particle counts behind a number alone: 이 and 은 are everywhere."""
    assert not is_grounded("수는", "김연혁 수를 셌다")
    assert is_grounded("3명은", "3명이 왔다")
