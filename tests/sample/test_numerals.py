"""Numbers are written as Korean newspapers write them, and the evaluation reads back what was meant."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from sample.news import numerals
from workshop.evaluation.numerals import Number, numbers

SCALES = {"": 1, "만": 10**4, "억": 10**8}


def worth(text: str) -> Decimal:
    """Read a number that stands alone in a text, with another code than the one that wrote it."""
    (number,) = numbers(text)
    return number.value


@pytest.mark.parametrize(
    ("value", "scale", "plain", "myriads", "thousands", "hundreds"),
    [
        (87, "", "87", "87", "87", "87"),
        (300, "", "300", "300", "300", "3백"),
        (450, "", "450", "450", "450", "450"),
        (1_000, "", "1,000", "1000", "1천", "1천"),
        (1_250, "", "1,250", "1250", "1천250", "1천250"),
        (1_500, "만", "1,500", "1500", "1천500", "1천5백"),
        (2_046, "", "2,046", "2046", "2천46", "2천46"),
        (3_200, "억", "3,200", "3200", "3천200", "3천2백"),
        (7_500, "만", "7,500", "7500", "7천500", "7천5백"),
        (10_001, "", "10,001", "1만1", "1만1", "1만1"),
        (12_000, "", "12,000", "1만2000", "1만2천", "1만2천"),
        (12_500, "억", "12,500", "1조2500", "1조2천500", "1조2천5백"),
        (23_000, "억", "23,000", "2조3000", "2조3천", "2조3천"),
        (35_000, "만", "35,000", "3억5000", "3억5천", "3억5천"),
        (80_000, "", "80,000", "8만", "8만", "8만"),
        (98_765, "", "98,765", "9만8765", "9만8천765", "9만8천765"),
        (1_200_000, "", "1,200,000", "120만", "120만", "120만"),
        (12_345_678, "", "12,345,678", "1234만5678", "1천234만5천678", "1천234만5천678"),
    ],
)
def test_a_number_is_written_in_each_manner(
    value: int, scale: str, plain: str, myriads: str, thousands: str, hundreds: str
) -> None:
    manners = (numerals.PLAIN, "만", "천", "백")
    written = [numerals.write(value, manner, scale=scale) for manner in manners]
    assert written == [plain, myriads, thousands, hundreds]
    assert {worth(f"{text}{scale}원") for text in written} == {value * SCALES[scale]}


@pytest.mark.parametrize("manner", numerals.MANNERS)
@pytest.mark.parametrize("scale", SCALES)
def test_the_evaluation_reads_what_was_written(manner: str, scale: str) -> None:
    rng = random.Random(2)
    for _ in range(2_000):
        value = rng.randint(1, 10 ** rng.randint(1, 8) - 1)
        if not scale or value % 10_000:
            assert worth(f"{numerals.write(value, manner, scale=scale)}{scale}원") == value * SCALES[scale]


@pytest.mark.parametrize(("value", "scale"), [(0, ""), (-3, ""), (10**8, ""), (30_000, "만"), (50_000, "억")])
def test_what_no_paper_writes_is_refused(value: int, scale: str) -> None:
    """30,000 of 만원 are 3억원: 3억만원 is no number."""
    with pytest.raises(ValueError, match="expected 1 to 99,999,999, and what"):
        numerals.write(value, "천", scale=scale)


@pytest.mark.parametrize("unit", ["억 원", "만 달러", "톤", "명", "가구", "㎿"])
@pytest.mark.parametrize("manner", numerals.MANNERS)
def test_the_amounts_of_an_article_are_of_one_unit_written_alike_and_differ(unit: str, manner: str) -> None:
    rng = random.Random(3)
    units = set()
    for _ in range(1_000):
        amounts = numerals.Amounts(rng, manner, unit, decimals=True)
        drawn = [f"{amounts.draw()}{amounts.unit}" for _ in range(3)]
        units.add(amounts.unit)
        assert len({worth(text) for text in drawn}) == 3
        assert len({"여 " in text for text in drawn}) == 1
        assert len({"." in text for text in drawn}) == 1 or manner == numerals.PLAIN
    currency = unit.partition(" ")[2]
    if not currency or manner == numerals.PLAIN:
        assert units == {unit}
    else:
        space = " " if manner == "만" else ""
        assert units == {f"억{space}{currency}", f"만{space}{currency}"}


@pytest.mark.parametrize("manner", list(numerals.MANNERS)[1:])
def test_what_is_said_to_be_about_a_number_is_a_round_one(manner: str) -> None:
    rng = random.Random(4)
    drawn = [numerals.draw_head_count(rng, manner) for _ in range(2_000)]
    about = [text for text in drawn if text.endswith("여 ")]
    assert 0.4 < len(about) / len(drawn) < 0.6
    assert all(worth(f"{text}명") % 100 == 0 for text in about)
    assert not any("여" in numerals.draw_head_count(rng, numerals.PLAIN) for _ in range(500))


def test_points_of_percent_have_one_decimal_and_are_never_zero() -> None:
    rng = random.Random(5)
    drawn = {numerals.draw_points(rng) for _ in range(2_000)}
    assert len(drawn) == 45
    assert numbers("0.5%p") == [Number(0, 3, Decimal("0.5"), "%p")]
    assert all(Decimal(0) < worth(f"{points}%p") < 5 for points in drawn)


def test_a_third_of_the_articles_mixes_digits_and_scale_words() -> None:
    rng = random.Random(6)
    drawn = [numerals.draw_manner(rng) for _ in range(4_000)]
    for manner, share in (("", 0.70), ("만", 0.10), ("천", 0.15), ("백", 0.05)):
        assert abs(drawn.count(manner) / len(drawn) - share) < 0.03
