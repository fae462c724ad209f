"""Numbers and names are compared by what they mean."""

import unicodedata
from decimal import Decimal

import pytest

from workshop.evaluation.facts import names_right, number_values, numbers, numbers_right

ARTICLE = "한빛전자는 20일 420억 원을 들여 용량을 37% 늘렸다고 했다. 값은 3만 5000원이다."
REFERENCE = "420억 원을 들여 용량을 37% 늘렸다."


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("37%로 늘었다", [37]),
        ("1,234,567명과 22,194건", [1_234_567, 22_194]),
        ("3.50%", ["3.5"]),
        ("3만5천원", [35_000]),
        ("3만 5000원", [35_000]),
        ("1억 2천만 원", [120_000_000]),
        ("5천 명, 3만 명", [5_000, 30_000]),
        ("2024년 5월", [2024, 5]),
        ("３７％ １，２００", [37, 1200]),
        ("A10G와 G20", [10, 20]),
        ("12,34", [12, 34]),
        ("1,2345", [1, 2345]),
        ("3 대 2", [3, 2]),
        ("²와 세 명 그리고 😀", [3]),
        ("", []),
    ],
)
def test_numbers_are_read_with_commas_and_scale_words(text: str, values: list):
    assert [number.value for number in numbers(text)] == [Decimal(value) for value in values]


def test_a_number_knows_its_place():
    text = "값은 3만 5000원"
    assert [text[number.start : number.end] for number in numbers(text)] == ["3만 5000"]


def test_scale_words_tell_amounts_apart():
    assert number_values("3만 원").isdisjoint(number_values("3억 원"))


@pytest.mark.parametrize(
    ("summary", "is_right"),
    [
        (REFERENCE, True),
        ("37% 늘리려고 420억을 썼다", True),
        ("20일 37% 늘렸고 420억 원, 3만5천원", True),
        ("용량을 37% 늘렸다", False),  # 420억 left out
        ("용량을 73% 늘렸다. 420억", False),  # digits swapped
        ("37%, 420억, 9년", False),  # 9 invented
        ("37%, 420만", False),  # wrong scale
        ("", False),
    ],
)
def test_numbers_are_right_when_none_is_missing_and_none_invented(summary: str, is_right: bool):
    assert numbers_right(ARTICLE, REFERENCE, summary) is is_right


def test_without_numbers_in_the_reference_only_inventions_are_wrong():
    assert numbers_right("3명이 왔다", "여럿이 왔다", "사람들이 왔다")
    assert not numbers_right("3명이 왔다", "여럿이 왔다", "4명이 왔다")


@pytest.mark.parametrize(
    ("article", "summary", "is_right"),
    [
        ("3천200억원을 들여", "3200억 원을 들였다", True),
        ("3천200억원을 들여", "3천원과 200억원을 들였다", False),
        ("3천원과 200억원", "3천200억원", False),
        ("1천500만원", "1500만 원", True),
        ("1천500만원", "1천 명과 500만원", False),
        ("7천5백만원", "7500만원", True),
        ("1만2천여 명", "1만2000명", True),
        ("20여만 명", "20만여 명", True),
        ("10~20만 명", "10만~20만 명", True),
        ("10~20만 명", "10명~20만 명", False),
        ("3~4%", "3%에서 4%", True),
        ("’24년 3월 5일", "2024년 3월 5일", True),
        ("2024.3.5. 발표", "2024년 3월 5일 발표", True),
        ("삼천만 원", "3000만 원", True),
        ("두 명이 다쳤다", "2명이 다쳤다", True),
        ("두 명이 다쳤다", "세 명이 다쳤다", False),
        ("3億원", "3억 원", True),
        ("2시간 반", "2.5시간", True),
        ("2시간 반", "2시간", False),
        ("0.5%p 올랐다", "0.5%포인트 올랐다", True),
        ("0.5%p 올랐다", "0.5% 올랐다", False),
        ("37%가 찬성", "37명이 찬성", False),
        ("37퍼센트", "37%", True),
        ("-3% 성장", "3% 줄었다", True),
        ("3% 줄었다", "-3%", True),
        ("-3% 성장", "+3% 성장", False),
        ("영하 3도와 영상 5도", "-3도와 5도", True),
        ("영하 3도", "영상 3도", False),
        ("△3.2%", "3.2% 감소", True),
        ("전화 02-123-4567", "전화 02-123-4568", False),
        ("전화 02-123-4567", "전화 02-123", False),
        ("3·1절 기념식에 50명", "3·1절에 50명이 모였다", True),
        ("제3조를 고쳤다", "3조 원을 들였다", False),
        ("6·3 대선을 앞두고", "6월 3일 대선을 앞두고", True),
        ("6·3 대선을 앞두고", "6월 4일 대선을 앞두고", False),
        ("대선을 앞두고", "6·3 대선을 앞두고", True),
        ("사흘간 열렸다", "3일간 열렸다", True),
        ("사흘간 열렸다", "4일간 열렸다", False),
        ("한 차례 열렸다", "1차례 열렸다", True),
        ("열렸다", "다시 한번 열렸다", True),
        ("김 씨와 이 씨가", "두 사람이", True),
        ("두 사람이 다쳤다", "2명이 다쳤다", True),
        ("두 사람이 다쳤다", "3명이 다쳤다", False),
    ],
)
def test_a_summary_is_judged_by_what_its_numbers_mean(article: str, summary: str, is_right: bool):
    assert numbers_right(article, "", summary) is is_right


def test_an_aside_is_no_answer_to_a_reference():
    article = "지난 1일 두 사람이 2명을 뽑았고 다시 한번 뽑는다"
    assert not numbers_right(article, "지난 1일 뽑았다", "다시 한번 뽑는다")
    assert not numbers_right(article, "2명을 뽑았다", "두 사람이 뽑았다")
    assert numbers_right(article, "두 사람이 한번 뽑는다", "뽑는다")


def test_a_reference_asks_for_the_unit_and_the_sign_too():
    article = "지지율은 3% 떨어져 2%p 차이다. 기온은 -3도에서 +3도다."
    assert numbers_right(article, "-3% 떨어졌다", "3% 떨어졌다")
    assert not numbers_right(article, "2%p 차이다", "2% 차이다")
    assert not numbers_right(article, "기온은 +3도", "기온은 -3도")


@pytest.mark.parametrize(
    ("summary", "names", "is_right"),
    [
        ("김민수는 서울에서 말했다", ["김민수", "서울"], True),
        ("김민수는 말했다", ["김민수", "서울"], False),
        ("김민주는 말했다", ["김민수"], False),
        ("새한빛전자가 밝혔다", ["한빛전자"], False),
        ("㈜한빛전자가 밝혔다", ["한빛전자"], True),
        ("‘한빛전자’가", ["한빛전자"], True),
        (unicodedata.normalize("NFD", "김민수는"), ["김민수"], True),
        ("C++ 모임", ["C++"], True),
        ("", ["김민수"], False),
        ("", [], True),
    ],
)
def test_names_are_right_when_each_stands_for_itself(summary: str, names: list[str], is_right: bool):
    assert names_right(summary, names) is is_right
