"""An answer is right in every form that counts, and wrong with another number, name or unit."""

import unicodedata

import pytest

from workshop.evaluation.right_answers import is_right_answer


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("1,250억 원", ["1,250억 원"]),
        ("1250억원", ["1,250억 원"]),
        ("사업비는 1천250억 원입니다.", ["1,250억 원"]),
        ("125,000,000,000원", ["1,250억 원"]),
        ("박건호", ["박건호", "박건호 대표"]),
        ("박건호 대표입니다", ["박건호", "박건호 대표"]),
        ("지난 7일", ["지난 7일", "7일"]),
        ("지난 7일 담콩읍에서", ["지난 7일", "7일"]),
        ("7일이다.", ["지난 7일", "7일"]),
        ("발전소를 809기로 늘리겠다", ["발전소를 809기로 늘리겠다"]),
        ("“발전소를 809 기로 늘리겠다”고 했다", ["발전소를 809기로 늘리겠다"]),
        ("10월", ["10월쯤", "10월"]),
        ("기온은 37 ℃까지 올랐다", ["37℃"]),
        (unicodedata.normalize("NFD", "박건호 대표"), ["박건호"]),
    ],
)
def test_these_are_right(answer: str, accepted: list[str]) -> None:
    assert is_right_answer(answer, accepted)


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("", ["1,250억 원"]),
        ("250억 원", ["1,250억 원"]),
        ("1,250만 원", ["1,250억 원"]),
        ("1,250억 달러", ["1,250억 원"]),
        ("1,250억 원 또는 900억 원", ["1,250억 원"]),
        ("42곳", ["42명"]),
        ("김정민", ["정민"]),
        ("박건후", ["박건호"]),
        ("오는 7일", ["지난 7일", "7일"]),
        ("지난 17일", ["지난 7일", "7일"]),
        ("발전소를 809기로 줄이겠다", ["발전소를 809기로 늘리겠다"]),
        ("발전소를 908기로 늘리겠다", ["발전소를 809기로 늘리겠다"]),
        ("돌벼철도가 지난 7일 담콩읍에서 순환 전철을 개통했다고 밝혔다", ["지난 7일", "7일"]),
        ("-3%", ["3%p"]),
        ("👍", ["박건호"]),
    ],
)
def test_these_are_wrong(answer: str, accepted: list[str]) -> None:
    assert not is_right_answer(answer, accepted)


def test_a_number_of_the_question_may_come_again_in_the_answer() -> None:
    said, asked = "1분기 영업이익은 214억 원이다", "큰솔로보틱스의 올해 1분기 영업이익은 얼마인가요?"
    assert is_right_answer(said, ["214억 원"], question=asked)
    assert not is_right_answer(said, ["214억 원"])
