"""Personal data that has a form is masked in any spelling; what only looks like it stays."""

from __future__ import annotations

import unicodedata

import pytest

from sample.news import generator, handwritten
from workshop.monitoring.check_digits import is_business_number, is_luhn, is_rrn
from workshop.monitoring.masking import PLACEHOLDERS, find, mask

PERSONAL = [
    ("010-1234-5678", "phone"),
    ("+82 10 1234 5678", "phone"),
    ("(+82)10.1234.5678", "phone"),
    ("０１０－１２３４－５６７８", "phone"),
    ("010\u200b1234\u200b5678", "phone"),
    ("01012345678", "phone"),
    ("공일공 일이삼사 오육칠팔", "phone"),
    ("공일공에 일이삼사에 5678", "phone"),
    ("공일공 일이삼사의오육칠팔", "phone"),
    ("구공공일공일 일이삼사오육팔", "rrn"),
    ("사일일일 일일일일 일일일일 일일일일", "card"),
    ("⓪①⓪-①②③④-⑤⑥⑦⑧", "phone"),
    ("minsu。k＠example。com", "email"),
    ("031) 123-4567", "phone"),
    ("900101-1234568", "rrn"),
    ("9001011234568", "rrn"),
    ("210315-3000001", "rrn"),
    ("4111 1111 1111 1111", "card"),
    ("123-45-67891", "business"),
    ("hong.gd+news@example.co.kr", "email"),
    ("hong골뱅이example.com", "email"),
    ("hong (at) example (dot) com", "email"),
    ("11-12-345678-90", "licence"),
    ("M12345678", "passport"),
    ("M123A4567", "passport"),
    ("123가4567", "plate"),
    ("서울특별시 강남구 아무개로 123", "address"),
]
NOT_PERSONAL = [
    "",
    "지난 14일 2,345명이 13조5000억 원을 냈다.",
    "주문번호 1234567890123456, 송장 123456789012",
    "4111-1111-1111-1112",
    "대표번호 1588-1234, 080-123-4567, 119",
    "2026-11-29 10:20:30, 2026.11.29.",
    "123-45-67890",
    "900101-9234567, 991332-1234567",
    "담콩시 제품으로 30억 원, 앞으로 10년",
    "오는 3일 일이 많다. 공연은 육칠월에 이사 간 곳에서 한다.",
    "김영수 은행장은 “1만2345명”이라고 말했다.",
    "버전 3.11.2, 192.168.0.1",
]


@pytest.mark.parametrize(("text", "kind"), PERSONAL)
def test_personal_data_with_a_form_is_masked_where_it_stands(text: str, kind: str) -> None:
    assert mask(f"연락은 {text}, 감사합니다") == (f"연락은 {PLACEHOLDERS[kind]}, 감사합니다", (kind,))


@pytest.mark.parametrize("text", NOT_PERSONAL)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert mask(text) == (text, ())


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKD"])
def test_places_are_those_of_the_text_as_it_was_typed(form: str) -> None:
    text = unicodedata.normalize(form, "김영수 각하의 번호는 ") + "０１０-1234-\u200b5678" + " 뒤😀"
    (one,) = find(text)
    assert text[one.start : one.end] == "０１０-1234-\u200b5678"
    assert mask(text).text == text[: one.start] + "[전화번호]" + " 뒤😀"


def test_masking_what_is_masked_changes_nothing() -> None:
    text = mask(" / ".join(text for text, _ in PERSONAL)).text
    assert mask(text) == (text, ())


def test_news_has_no_personal_data_in_it() -> None:
    articles = [row["document"] for row in generator.rows(300, 3)]
    articles += [row["document"] for split in handwritten.SPLITS for row in handwritten.rows(split)]
    assert [found for article in articles if (found := mask(article).kinds)] == []


def test_check_digits_are_those_of_independent_examples() -> None:
    assert is_luhn("79927398713")  # Luhn's article in encyclopedias
    assert not is_luhn("79927398710")
    assert [digit for digit in "0123456789" if is_rrn(f"900101123456{digit}")] == ["8"]
    assert [digit for digit in "0123456789" if is_rrn(f"900101523456{digit}")] == ["1"]
    assert [digit for digit in "0123456789" if is_business_number(f"123456789{digit}")] == ["1"]
