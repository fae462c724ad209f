"""Every check passes what is right and finds the fault that it is there for."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from workshop.evaluation.checks import CHECKS


@pytest.mark.parametrize(
    ("check", "wanted", "answer", "is_kept"),
    [
        ("number", "340억 원", "340억 원", True),
        ("number", "340억 원", "총투자액은 340억원입니다.", True),
        ("number", "3만5천 톤", "35,000톤", True),
        ("number", "340억 원", "430억 원", False),  # swapped
        ("number", "340억 원", "340만 원", False),  # another scale
        ("number", "340억 원", "34", False),  # cut
        ("number", "340억 원", "340억 원, 지난해 210억 원", False),  # another one beside it
        ("number", "97.6%", "97.6", False),
        ("number", "340억 원", "", False),
        ("name", "김연혁", "김연혁 은행장", True),
        ("name", "김연혁", "김연혁입니다", True),
        ("name", "김연혁", "박가온 교수", False),  # another's
        ("name", "김연혁", "새김연혁", False),  # the end of a longer one
        ("name", "담콩읍", "담콩", False),  # cut
        ("name", "김연혁", "", False),
        ("other_names", ["박가온"], "김연혁 은행장", True),
        ("other_names", ["박가온", "참돌"], "김연혁 은행장, 박가온 교수", False),
        ("length", [2, 6], "김연혁 은행장", True),
        ("length", [2, 5], "김연혁 은행장", False),
        ("length", [1, 20], "", False),
        ("language", 0.9, "심사 기간을 309일로 줄이겠다", True),
        ("language", 0.5, "340", True),
        ("language", 0.5, "The fund is 34 billion won.", False),
        ("language", 0.9, "AI 반도체", False),
        ("language", 0.5, "AI 반도체", True),
        ("language", 0.5, "", False),
        ("language", 0.5, " \n\u200b", False),
        ("language", 0.5, "🙂", False),
        ("language", 0.5, "漢字", False),
        ("refusal", True, "기사에 나오지 않습니다.", True),
        ("refusal", True, "기사만으로는 알 수 없습니다.", True),
        ("refusal", True, "나이는 언급되지 않았다.", True),
        ("refusal", True, "주가에 관한 정보는 없습니다", True),
        ("refusal", True, "491억 원", False),
        ("refusal", True, "나이는 알 수 없지만 52세입니다.", False),
        ("refusal", True, "", False),
        ("refusal", False, "김연혁 은행장", True),
        ("refusal", False, "알 수 없습니다.", False),
    ],
)
def test_a_planted_answer_is_judged_by_its_rule(check: str, wanted: Any, answer: str, is_kept: bool) -> None:
    assert CHECKS[check].passes(answer, wanted) is is_kept


@pytest.mark.parametrize(
    ("check", "wanted", "answer"),
    [
        ("number", "340억 원", "３４０억 원이다"),
        ("name", "김연혁", "김연혁 은행장"),
        ("length", [2, 6], "김연혁 은행장"),
        ("language", 0.9, "심사 기간"),
        ("refusal", True, "기사에 나오지 않습니다."),
    ],
)
def test_letters_that_a_mac_writes_apart_are_judged_alike(check: str, wanted: Any, answer: str) -> None:
    apart = unicodedata.normalize("NFD", answer)
    assert apart != answer
    assert CHECKS[check].passes(answer, wanted)
    assert CHECKS[check].passes(apart, wanted)


def test_a_very_long_answer_and_control_characters_are_judged_too() -> None:
    long = "가\x00나\ud800 다라 " * 20_000
    judged = {
        name: check.passes(
            long, {"number": "1명", "name": "김", "other_names": ["박"], "length": [0, 9]}[name]
        )
        for name, check in CHECKS.items()
        if name in ("number", "name", "other_names", "length")
    }
    assert judged == {"number": False, "name": False, "other_names": True, "length": False}
    assert CHECKS["language"].passes(long, 0.5)
    assert not CHECKS["refusal"].passes(long, True)
