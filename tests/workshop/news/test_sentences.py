"""Where Korean sentences end."""

import re
import time

import pytest

from workshop.news.sentences import sentence_ends, sentences

CASES = {
    "decimals": (
        "물가가 3.5% 올랐다. 금리는 2.75%로 유지됐다.",
        ["물가가 3.5% 올랐다.", "금리는 2.75%로 유지됐다."],
    ),
    "stops inside a quotation": (
        "“물가가 오른다. 걱정이다.”라고 말했다. 끝이다.",
        ["“물가가 오른다. 걱정이다.”라고 말했다.", "끝이다."],
    ),
    "quotation and particle apart": (
        "그는 “오늘은 좋다.” 라고 말했다. 다음.",
        ["그는 “오늘은 좋다.” 라고 말했다.", "다음."],
    ),
    "any particle at a quotation": (
        "“돕겠다.”는 것이 설명이다. “가자!”며 웃었다. “정말?”이란 말이다.",
        ["“돕겠다.”는 것이 설명이다.", "“가자!”며 웃었다.", "“정말?”이란 말이다."],
    ),
    "quotation as a sentence": ("“오늘은 좋다.” 그는 말했다.", ["“오늘은 좋다.”", "그는 말했다."]),
    "surname that looks like a particle": (
        "“오늘은 좋다.” 고 씨는 말했다.",
        ["“오늘은 좋다.”", "고 씨는 말했다."],
    ),
    "straight quotes": (
        '밝혔다. "좋다. 참 좋다."고 했다. 끝.',
        ["밝혔다.", '"좋다. 참 좋다."고 했다.', "끝."],
    ),
    "no space after the stop": (
        '밝혔다.그는 말했다."좋다."고 했다.',
        ["밝혔다.", "그는 말했다.", '"좋다."고 했다.'],
    ),
    "nested quotes and brackets": (
        "홍길동(40·회사원. 서울)씨는 “‘좋다.’고 했다.”고 전했다. 끝.",
        ["홍길동(40·회사원. 서울)씨는 “‘좋다.’고 했다.”고 전했다.", "끝."],
    ),
    "unpaired quote": (
        "열린 “따옴표가 닫히지 않았다. 다음 문장이다.",
        ["열린 “따옴표가 닫히지 않았다.", "다음 문장이다."],
    ),
    "closing quote alone": ("그랬다.” 그는 갔다.", ["그랬다.”", "그는 갔다."]),
    "questions and exclamations": (
        "정말인가? 그렇다! 이럴 수가?! 끝",
        ["정말인가?", "그렇다!", "이럴 수가?!", "끝"],
    ),
    "abbreviations": (
        "Dr. Kim은 U.S. 시장에서 Apple Inc. 주식을 샀다. 이어 팔았다.",
        ["Dr. Kim은 U.S. 시장에서 Apple Inc. 주식을 샀다.", "이어 팔았다."],
    ),
    "English sentence": ("It rose. 한국도 올랐다.", ["It rose.", "한국도 올랐다."]),
    "dates": (
        "2026. 11. 20. 서울에서 열렸다. 2026.11.21. 끝난다.",
        ["2026. 11. 20. 서울에서 열렸다.", "2026.11.21. 끝난다."],
    ),
    "numbered list": ("1. 첫째다.\n2. 둘째다.", ["1. 첫째다.", "2. 둘째다."]),
    "addresses": (
        "메일은 a.b@news.co.kr 이다. v1.2.3이 나왔다.",
        ["메일은 a.b@news.co.kr 이다.", "v1.2.3이 나왔다."],
    ),
    "pauses": (
        "음... 그게 그렇다. 그는… 말을 잇지 못했다...  네.",
        ["음... 그게 그렇다.", "그는… 말을 잇지 못했다...", "네."],
    ),
    "full-width": ("東京だ。大阪だ。정말？네！", ["東京だ。", "大阪だ。", "정말？", "네！"]),
    "line breaks": (
        "제목\n\n본문이다.\r\n끝\u2028더",
        ["제목", "본문이다.", "끝", "더"],
    ),
    "emoji": ("좋다 😀. 👨‍👩‍👧 왔다!", ["좋다 😀.", "👨‍👩‍👧 왔다!"]),
    "no end": ("끝 없는 문장", ["끝 없는 문장"]),
    "empty": ("", []),
    "blank": (" \n\t ", []),
    "only stops": ("...", ["..."]),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_text_is_split_where_a_reader_would(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize("text", [text for text, _ in CASES.values()])
def test_no_character_is_lost(text: str) -> None:
    assert re.sub(r"\s", "", "".join(sentences(text))) == re.sub(r"\s", "", text)


@pytest.mark.parametrize("text", [text for text, _ in CASES.values()])
def test_ends_rise_and_reach_the_end_of_the_text(text: str) -> None:
    ends = sentence_ends(text)
    assert ends == sorted(set(ends))
    assert ends[-1:] == ([len(text.rstrip())] if text.strip() else [])


@pytest.mark.parametrize(
    "text",
    [
        "그는 “말했다. 그랬다.”고 했다. " * 30_000,
        "(“" * 100_000 + "다. " * 30_000 + ")" * 100_000,
        "." * 300_000,
    ],
)
def test_very_long_text_takes_linear_time(text: str) -> None:
    # Not a benchmark: a quadratic search would take minutes, this takes well under a second.
    begin = time.process_time()
    sentences(text)
    assert time.process_time() - begin < 10
