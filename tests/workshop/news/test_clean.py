"""Cleaning and checking all rows."""

import unicodedata

import pandas as pd
import pytest

from sample.news import generator, handwritten
from workshop.news.clean import (
    BROKEN,
    DUPLICATE,
    FOREIGN,
    LONG_SUMMARY,
    NO_DOCUMENT,
    NO_SUMMARY,
    SHORT_DOCUMENT,
    SHORT_SUMMARY,
    clean,
    is_broken,
    problem_of,
    row_id,
)
from workshop.news.table import COLUMNS, SPLITS
from workshop.news.text import HTML, NFD

from .conftest import ARTICLE, SUMMARY, MakeNews, article, row

NFD_ARTICLE = unicodedata.normalize("NFD", article(1))
BAD = {
    NO_DOCUMENT: row(document=" \u200b<br> "),
    NO_SUMMARY: row(document=article(2), summary=""),
    SHORT_DOCUMENT: row(document="짧은 기사다.", summary="짧은 요약이라는 문장"),
    BROKEN: row(document=article(3).encode().decode("latin-1")),
    DUPLICATE: row(document=f"  {ARTICLE}&nbsp;", summary="요약이 달라도 같은 기사는 같은 기사다."),
}

MIXED = (
    "Apple이 iPhone 15 Pro Max를 공개했다. A17 Pro chip과 USB-C port, titanium frame을 갖췄다. "
    "Tim Cook CEO는 “the best iPhone ever”라고 말했다."
)
ENGLISH = "Apple unveiled the iPhone 15 Pro on Tuesday in Cupertino, and it costs 999 dollars in most stores."


def test_each_bad_row_is_set_aside_as_found_with_its_reason(make_news: MakeNews) -> None:
    news = clean(make_news(train=[row(), *BAD.values()], test=[row()]))
    assert dict(zip(news.rejected["reason"], news.rejected["document"], strict=True)) == {
        reason: bad["document"] for reason, bad in BAD.items()
    }
    assert list(news.rejected.columns) == [*COLUMNS, "split", "reason"]
    assert set(news.rejected["split"]) == {"train"}
    assert news.splits["train"]["document"].tolist() == [ARTICLE]


def test_decomposed_hangul_is_repaired_and_counted_not_rejected(make_news: MakeNews) -> None:
    news = clean(
        make_news(validation=[row(), row(document=NFD_ARTICLE), row(document=f"<b>{article(4)}</b>")])
    )
    assert news.rejected is None
    assert news.splits["validation"]["document"].tolist() == [ARTICLE, article(1), article(4)]
    assert news.changes == {
        NFD: {"train": 0, "validation": 1, "test": 0},
        HTML: {"train": 0, "validation": 1, "test": 0},
    }


def test_repairs_of_rejected_rows_are_not_counted(make_news: MakeNews) -> None:
    assert clean(make_news(train=[row(document="<b>짧다</b>")])).changes == {}


def test_cleaning_again_changes_nothing(make_news: MakeNews) -> None:
    rows = [row(), row(document=NFD_ARTICLE, title="<b>제목</b>", press=" 신문 "), *BAD.values()]
    once = clean(make_news(train=rows, validation=rows, test=rows))
    again = clean(
        make_news(**{split: once.splits[split][list(COLUMNS)].to_dict("records") for split in SPLITS})
    )
    assert again.rejected is None
    assert again.changes == {}
    for split in SPLITS:
        pd.testing.assert_frame_equal(again.splits[split], once.splits[split])


def test_title_press_and_category_are_cleaned_too(make_news: MakeNews) -> None:
    news = clean(make_news(train=[row(title="&quot;제목&quot;", press=" 신문", category="사회\x00")]))
    assert news.splits["train"].loc[0, ["title", "press", "category"]].tolist() == ['"제목"', "신문", "사회"]


def test_id_depends_on_the_cleaned_text_alone(make_news: MakeNews) -> None:
    first = clean(make_news(train=[row(document=NFD_ARTICLE, press="가")])).splits["train"]["id"][0]
    second = clean(make_news(test=[row(), row(document=article(1), press="나")])).splits["test"]["id"][1]
    assert first == second == row_id(article(1), SUMMARY)
    assert row_id("가", "나다") != row_id("가나", "다")
    # The value is part of the data set: a change would change every file that is written.
    assert row_id(ARTICLE, SUMMARY) == "027f65d61b2c5600"


def test_mojibake_that_cleaning_would_hide_is_found(make_news: MakeNews) -> None:
    news = clean(make_news(train=[row(document=ARTICLE + " ì\x95\x88")]))
    assert news.rejected["reason"].tolist() == [BROKEN]


def test_more_rows_than_one_batch_keep_their_places(make_news: MakeNews) -> None:
    rows = [row(document=f" {article(n)}" if n % 7 else article(n)) for n in range(4_500)]
    rows[2_100] = row(document="")
    news = clean(make_news(train=rows))
    expected = [article(n) for n in range(4_500) if n != 2_100]
    assert news.splits["train"]["document"].tolist() == expected
    assert list(news.splits["train"].index) == list(range(4_499))


def test_counts_add_up_for_every_split(make_news: MakeNews) -> None:
    news = clean(make_news(train=[row(), *BAD.values()], validation=[*BAD.values()][:2], test=[row()]))
    counts = news.counts()
    rejected = counts[counts.index.str.startswith("rejected: ")]
    assert counts.loc["loaded"].tolist() == [6, 2, 1, 9]
    assert counts.loc["kept"].tolist() == [1, 0, 1, 2]
    assert (counts.loc["loaded"] - rejected.sum() == counts.loc["kept"]).all()
    assert counts.loc[f"rejected: {DUPLICATE}"].tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("splits", [{}, {"train": [row()]}])
def test_splits_without_rows_are_no_error(make_news: MakeNews, splits: dict) -> None:
    news = clean(make_news(**splits))
    assert news.counts().loc["kept", "total"] == len(splits)
    assert "id" in news.splits["test"]


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
