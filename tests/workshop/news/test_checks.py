"""What makes a row unfit."""

import pytest

from sample.news import generator, handwritten
from workshop.news.checks import (
    BROKEN,
    FOREIGN,
    LONG_SUMMARY,
    NO_DOCUMENT,
    NO_SUMMARY,
    SHORT_DOCUMENT,
    SHORT_SUMMARY,
    is_broken,
    problem_of,
)

from .conftest import ARTICLE, SUMMARY

MIXED = (
    "Apple이 iPhone 15 Pro Max를 공개했다. A17 Pro chip과 USB-C port, titanium frame을 갖췄다. "
    "Tim Cook CEO는 “the best iPhone ever”라고 말했다."
)
ENGLISH = "Apple unveiled the iPhone 15 Pro on Tuesday in Cupertino, and it costs 999 dollars in most stores."


@pytest.mark.parametrize(
    ("document", "summary", "reason"),
    [
        (ARTICLE, SUMMARY, None),
        (MIXED, "Apple이 iPhone 15 Pro Max를 공개했다.", None),
        ("", SUMMARY, NO_DOCUMENT),
        ("", "", NO_DOCUMENT),
        (ARTICLE, "", NO_SUMMARY),
        (ARTICLE[:49], SUMMARY, SHORT_DOCUMENT),
        (ARTICLE[:50], SUMMARY[:10], None),
        (ARTICLE, SUMMARY[:9], SHORT_SUMMARY),
        (ARTICLE, ARTICLE, LONG_SUMMARY),
        (ARTICLE, ARTICLE + "끝", LONG_SUMMARY),
        (ARTICLE, ARTICLE[:-1], None),
        (ENGLISH, SUMMARY, FOREIGN),
        (ARTICLE, ENGLISH[:60], FOREIGN),
        ("中國政府今天在北京宣布新的經濟計劃。" * 5, SUMMARY, FOREIGN),
        ("1234 5678 " * 10, SUMMARY, FOREIGN),
        (ARTICLE + "\ufffd", SUMMARY, BROKEN),
        (ARTICLE, SUMMARY + "\ud800", BROKEN),
    ],
)
def test_row_has_the_reason_or_none(document: str, summary: str, reason: str | None) -> None:
    assert problem_of(document, summary) == reason


def wrongly_decoded(text: str) -> dict[str, str]:
    utf8, cp949 = text.encode(), text.encode("cp949")
    return {
        "UTF-8 as Latin-1": utf8.decode("latin-1"),
        "UTF-8 as Windows-1252": utf8.decode("cp1252", "ignore"),
        "UTF-8 as CP949": utf8.decode("cp949", "replace"),
        "UTF-8 as CP949 with question marks": utf8.decode("cp949", "replace").replace("\ufffd", "?"),
        "UTF-8 as CP949 with losses": utf8.decode("cp949", "ignore"),
        "CP949 as UTF-8": cp949.decode("utf-8", "replace"),
        "CP949 as Latin-1": cp949.decode("latin-1"),
        "CP949 as Windows-1252": cp949.decode("cp1252", "ignore"),
        "decomposed UTF-8 as Windows-1252": "\u1112\u1161\u11ab".encode().decode("cp1252", "ignore") * 3,
    }


@pytest.mark.parametrize("kind", wrongly_decoded(""))
def test_text_decoded_wrongly_is_broken(kind: str) -> None:
    texts = [row["document"] for row in handwritten.rows("train")]
    assert all(is_broken(wrongly_decoded(text)[kind]) for text in texts)
    # Also a part of a text: one line that came from elsewhere.
    assert is_broken(ARTICLE + wrongly_decoded(SUMMARY)[kind])


def test_one_broken_syllable_is_found() -> None:
    assert is_broken("오늘 날씨는 ì•ˆ 좋다")


@pytest.mark.parametrize(
    "text",
    [
        "Così…” 라고 썼다. Café, naïve, São Paulo, Zürich, Ångström, Ærø, crème brûlée, être…”",
        "기온은 25°C±2, ½컵, 10×20, §3, ©2026, «인용»",
        "똠방각하와 펲시콜라, 햏자, 뷁, 쀓을 한 번씩 쓴 긴 글이다. 요즘 세대는 이런 글자를 잘 모른다.",
        "大韓民國 😀👨‍👩‍👧 ｶﾀｶﾅ ﾡﾢ ＡＢＣ ㈜ ① ㎏",
        "ìêë",
    ],
)
def test_unusual_text_is_not_broken(text: str) -> None:
    assert not is_broken(text)


def test_own_articles_have_no_problem() -> None:
    rows = [row for split in handwritten.SPLITS for row in handwritten.rows(split)]
    rows += generator.rows(2_000, seed=5)
    rows += generator.rows(500, seed=6, topics=generator.HELD_OUT_TOPICS)
    assert {problem_of(row["document"], row["summary"]) for row in rows} == {None}
