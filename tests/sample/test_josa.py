"""Particles follow the sound of the word before them."""

from __future__ import annotations

import pytest

from sample.news.josa import fill, particle

CASES = [
    ("서울", "을", "을"),
    ("대구", "을", "를"),
    ("집", "으로", "으로"),
    ("서울", "으로", "로"),  # ㄹ takes 로
    ("바다", "으로", "로"),
    ("사람", "이", "이"),
    ("나무", "이", "가"),
    ("책", "은", "은"),
    ("시계", "은", "는"),
    ("물", "과", "과"),
    ("3", "을", "을"),  # 삼
    ("2", "을", "를"),  # 이
    ("7", "으로", "로"),  # 칠
    ("10", "은", "은"),  # 영
    ("45%", "으로", "로"),  # 퍼센트
    ("12㎞", "을", "를"),
    ("30㎿", "이던", "던"),
    ("120억 원", "이다", "이다"),
    ("450대", "이었", "였"),
    ("3천200억원", "으로", "으로"),
    ("7천5백만원", "을", "을"),
    ("1만2500", "을", "을"),  # 오백
    ("2조", "을", "를"),
    ("1만2천여 명", "이던", "이던"),
    ("3천여 가구", "이었", "였"),
    ("9천㎿", "으로", "로"),
    ("2조3천억달러", "은", "는"),
    ("0.5%p", "으로", "로"),  # 퍼센트포인트
    ("0.5%포인트", "을", "를"),
    ("’24년", "은", "은"),
    ("3천", "으로", "으로"),
    ("5억7천", "과", "과"),
    ("‘다온’", "이", "이"),
    ("“새나루”", "이", "가"),
    ("Kakao", "은", "는"),
]


@pytest.mark.parametrize(("word", "name", "expected"), CASES)
def test_particle_fits(word: str, name: str, expected: str) -> None:
    assert particle(word, name) == expected


def test_slots_are_filled_with_and_without_particles() -> None:
    assert fill("{who:은} {where}에서 {what:을} 봤다", {"who": "별", "where": "섬", "what": "바다"}) == (
        "별은 섬에서 바다를 봤다"
    )


def test_an_unknown_particle_or_slot_is_an_error() -> None:
    with pytest.raises(KeyError):
        particle("별", "조차")
    with pytest.raises(KeyError):
        fill("{nobody}", {})
