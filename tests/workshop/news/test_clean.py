"""Cleaning and checking all rows."""

import unicodedata

import pandas as pd
import pytest

from workshop.news.checks import BROKEN, DUPLICATE, NO_DOCUMENT, NO_SUMMARY, SHORT_DOCUMENT
from workshop.news.clean import clean, row_id
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
