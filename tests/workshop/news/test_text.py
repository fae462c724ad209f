"""Cleaning one text."""

import unicodedata

import pytest

from sample.news import generator, handwritten
from workshop.news.text import (
    CONTROL,
    HTML,
    INVISIBLE,
    MODEL_MARK,
    NFD,
    WHITESPACE,
    changes_of,
    clean_text,
)

KEPT = {
    "hanja": "大韓民國 헌법 第1條",
    "emoji with joiners": "👨‍👩‍👧‍👦 🏳️‍🌈 👩🏽‍🚀 ❤️‍🔥 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "half-width and full-width": "ｶﾀｶﾅ ﾡﾢﾤ ＡＢＣ １２３ ％",
    "mixed Korean and English": "iPhone 15 Pro가 New York에서 $1,199에 출시됐다",
    "marks that NFKC would change": "㈜한국 ① ㎏ ½ ™ … ‘가’ “나” · ～ ℃ ㎡",
    "Korean angle brackets": "<사진=한강시> 3 < 5 > 2 <한강일보> <표 1>",
    "ampersands": "R&D 투자 AT&T; ?a=1&copy=2 &notice; &unknown; A & B",
    "line breaks": "제목\n본문\n끝",
    "jamo and old Hangul": "ㅋㅋㅋ ㅠㅠ 나랏말ᄊᆞ미",
    "empty": "",
    "pipes": "<|가|> |a| <||>",
}
CHANGED = {
    "NFD": (unicodedata.normalize("NFD", "한강시 버스"), "한강시 버스", {NFD}),
    "NFD of Latin": (unicodedata.normalize("NFD", "Café"), "Café", {NFD}),
    "compatibility hanja": ("\uf90a", "金", {NFD}),
    "control characters": ("가\x00나\x1b다\x7f라\x9f", "가나다라", {CONTROL}),
    "zero width": ("가\u200b나\ufeff다\u2060라\xad마", "가나다라마", {INVISIBLE}),
    "joiner without emoji": ("가\u200d나\u200c다\u200d", "가나다", {INVISIBLE}),
    "direction marks": ("\u202b가\u202c\u200e나\u2067", "가나", {INVISIBLE}),
    "entities": ("&quot;가&quot; &amp; &lt;나&gt; &#44032;&#xAC00;", '"가" & <나> 가가', {HTML}),
    "entities twice and three times": ("&amp;quot;가&amp;amp;nbsp;나", '"가 나', {HTML, WHITESPACE}),
    "tags": ('<p>가<b class="x">나</b></p><br/>다', "가나\n다", {HTML, WHITESPACE}),
    "tags as entities": ("&lt;b&gt;가&lt;/b&gt;", "가", {HTML}),
    "tag inside a tag": ("<b<b>>가", "가", {HTML}),
    "script and comment": (
        "가<script>alert('나')</script>다<!-- 라 -->마",
        "가 다 마",
        {HTML},
    ),
    "whitespace": (" 가  나\t다 \n\n\n 라\xa0\u3000마 ", "가 나 다\n라 마", {WHITESPACE}),
    "line breaks of all kinds": ("가\r\n나\r다\x0b라\x85마\u2028바", "가\n나\n다\n라\n마\n바", {WHITESPACE}),
    "Hangul fillers": ("가\u3164나\uffa0다", "가 나 다", {WHITESPACE}),
    "special tokens of a model": ("가<|end_of_text|>나<|eot_<|x|>id|>", "가나", {MODEL_MARK}),
    "special token as entities": ("&lt;|end_of_text|&gt;가", "가", {HTML, MODEL_MARK}),
    "only rubbish": ("\u200b \x00<br>&nbsp;", "", {CONTROL, INVISIBLE, HTML, WHITESPACE}),
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_belongs_to_the_text_stays(text: str) -> None:
    assert clean_text(text) == text
    assert changes_of(text) == set()
    # Also where something else in the text is cleaned.
    assert clean_text(f"{text}&nbsp;끝") == f"{text} 끝".strip()


@pytest.mark.parametrize(("text", "expected", "changes"), CHANGED.values(), ids=CHANGED)
def test_what_does_not_belong_goes_and_is_named(text: str, expected: str, changes: set[str]) -> None:
    assert clean_text(text) == expected
    assert changes_of(text) == changes


@pytest.mark.parametrize("text", [text for text, _, _ in CHANGED.values()])
def test_cleaning_again_changes_nothing(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)
    joined = " ".join([text, *KEPT.values()])
    assert clean_text(clean_text(joined)) == clean_text(joined)


def test_every_single_character_is_cleaned_at_once() -> None:
    # The quick test for clean texts and the cleaning itself must agree about every character.
    for code in range(0x110000):
        if 0xD800 <= code <= 0xDFFF:
            continue
        for text in (f"가{chr(code)}나", f"{chr(code)}\u200d{chr(code)}"):
            once = clean_text(text)
            assert clean_text(once) == once, hex(code)


def test_own_articles_are_clean_already() -> None:
    rows = [row for split in handwritten.SPLITS for row in handwritten.rows(split)]
    rows += generator.rows(500, seed=5)
    for row in rows:
        for text in row.values():
            assert clean_text(text) == text


def test_very_long_text_is_cleaned() -> None:
    text = "가나 &amp; <b>다</b>\u200b  " * 200_000
    assert clean_text(text) == ("가나 & 다 " * 200_000).strip()


def test_deep_nesting_ends() -> None:
    assert clean_text("&" + "amp;" * 100_000 + "lt;b&gt;가") == "가"
