"""The numbers of a newspaper are read as its readers read them."""

import itertools
import unicodedata
from decimal import Decimal

import pytest
from tests.workshop.evaluation.numeral_cases import CASES

from workshop.evaluation.numerals import Number, numbers

ALL_CASES = [(text, values) for cases in CASES.values() for text, values in cases]


def meant(value: int | str) -> tuple[Decimal, str]:
    """Return value and unit of a case's number."""
    text = str(value)
    if text.startswith("code "):
        return Decimal(text[len("code ") :]), "code"
    digits = text.rstrip("%p")
    return Decimal(digits), text[len(digits) :]


def read(text: str) -> list[tuple[Decimal, str]]:
    return [(number.value, number.unit) for number in numbers(text)]


@pytest.mark.parametrize(("text", "values"), ALL_CASES, ids=[text or "nothing" for text, _ in ALL_CASES])
def test_numbers_are_read_as_newspapers_write_them(text: str, values: list):
    assert read(text) == [meant(value) for value in values]


def test_a_case_means_the_same_within_an_article():
    for text, values in ALL_CASES:
        assert read(f"김 씨는 “{text}”라고 했다.") == [meant(value) for value in values], text


def test_hangul_in_its_letters_is_read_alike():
    for text, values in ALL_CASES:
        assert read(unicodedata.normalize("NFD", text)) == [meant(value) for value in values], text


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("값은 3만 5000원", ["3만 5000"]),
        ("한때 1천500만원, △3.2%", ["1천500만", "△3.2"]),
        ("두 명이 2시간 반", ["두", "2시간 반"]),
        ("’24년 5·18, ２０２４．３．５", ["’24", "２０２４", "３", "５"]),
        ("가격은 三億원", ["三億"]),
    ],
)
def test_a_number_knows_its_place(text: str, places: list[str], form: str):
    text = unicodedata.normalize(form, text)
    found = [unicodedata.normalize("NFC", text[number.start : number.end]) for number in numbers(text)]
    assert found == places


def test_numbers_stand_in_order_and_apart():
    found = numbers(" / ".join(text for text, _ in ALL_CASES))
    assert len(found) > len(ALL_CASES)
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("한 번", [1]),
        ("두 사람은 3명", [2, 3]),
        ("3·1절", [3, 1]),
        ("이 사람", []),
        ("천년 고찰", []),
    ],
)
def test_asides_are_read_for_those_who_ask(text: str, values: list):
    assert [number.value for number in numbers(text, asides=True)] == values


def test_a_written_sign_is_kept():
    assert numbers("-3%, +3%, 3%") == [
        Number(0, 2, Decimal(-3), "%", -1),
        Number(5, 7, Decimal(3), "%", 1),
        Number(10, 11, Decimal(3), "%", 0),
    ]


@pytest.mark.timeout(60)  # each takes milliseconds; a pattern that tries every split of one never ends
@pytest.mark.parametrize(
    "text",
    [
        "9",
        "1,",
        "3천",
        "이십",
        "이 ",
        "'",
        "1-",
        "11-",
        "1.",
        "1·",
        "두 ",
        "3만 ",
        "이다",
        "만 명이",
        "-",
        "천5",
    ],
)
def test_a_text_that_repeats_itself_is_read(text: str):
    for before, after in (("", ""), ("두 명", "힝"), ("삼천만 원", "힝"), ("'24년", "'")):
        numbers(before + text * 5_000 + after)
