"""Tables tell the same numbers as the scores, and show texts without running them."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from workshop.evaluation.confidence import difference_interval, mean_interval, permutation_p_value
from workshop.evaluation.table import (
    LONG_ARTICLE_CHARS,
    gain_table,
    p_value_table,
    percent_table,
    score_table,
    side_by_side,
)

DRAW = np.random.default_rng(2)
SCORES = {
    "lead-3": {"word_rouge_l": DRAW.random(50), "numbers_right": DRAW.integers(0, 2, 50).astype(float)},
    "tuned": {"word_rouge_l": DRAW.random(50), "numbers_right": np.ones(50)},
}


class Texts(HTMLParser):
    """Collects text by the class of the innermost span, and every tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.open, self.marked = [], [], []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append(tag)
        self.open.append((tag, dict(attributes).get("class")))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self.marked.append((self.open[-1][1] if self.open else None, data))

    def of(self, css: str) -> list[str]:
        return [data for name, data in self.marked if name == css]


def test_the_table_holds_means_and_intervals():
    table = score_table(SCORES, seed=4)
    for system, metrics in SCORES.items():
        for metric, values in metrics.items():
            assert tuple(table.loc[system, metric]) == pytest.approx(mean_interval(values, seed=4))


def test_the_gains_are_paired():
    table = gain_table(SCORES, "tuned")
    expected = difference_interval(SCORES["tuned"]["word_rouge_l"], SCORES["lead-3"]["word_rouge_l"])
    assert list(table.index) == ["tuned - lead-3"]
    assert tuple(table.loc["tuned - lead-3", "word_rouge_l"]) == expected


def test_the_readable_table_is_in_percent():
    text = percent_table(score_table(SCORES))
    assert list(text.columns) == ["word ROUGE-L", "numbers right"]
    assert text.loc["tuned", "numbers right"] == "100.0 [100.0, 100.0]"
    assert re.fullmatch(r"[+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\]", percent_table(
        gain_table(SCORES, "tuned"), signed=True
    ).loc["tuned - lead-3", "word ROUGE-L"])  # fmt: skip


def test_numbers_are_marked_right_and_wrong():
    html = side_by_side(
        ["20일 37%, 420억 원, 5명"],
        ["37%와 420억 원"],
        {"tuned": ["37% 늘고 99명, 5명"], "untuned": ["없다"]},
    ).data
    texts = Texts(html)
    assert texts.of("right")[1:] == ["37"]  # the first ones are the legend's
    assert texts.of("wrong")[1:] == ["99", "420억", "37, 420억"]


def test_numbers_are_marked_by_what_they_mean():
    html = side_by_side(
        ["3천200억원을 들여 0.5%p 올렸고 두 명이 왔다"],
        ["3200억 원, 0.5%p"],
        {"tuned": ["3천200억원에 2명, 0.5%p"], "untuned": ["3천원과 200억원, 0.5%"]},
    ).data
    texts = Texts(html)
    assert texts.of("right")[1:] == ["3천200억", "0.5"]
    assert texts.of("wrong")[1:] == ["3천", "200억", "0.5", "3200억, 0.5"]


@pytest.mark.parametrize("where", ["article", "long article", "reference", "summary", "system", "title"])
def test_markup_in_texts_is_shown_and_not_run(where: str):
    evil = "<script>alert('1')</script>&amp;<img src=x onerror=1><u>"
    if where == "long article":
        where, evil = "article", evil * 20
    text = dict.fromkeys(("article", "reference", "summary", "system", "title"), "글") | {where: evil}
    html = side_by_side(
        [text["article"]], [text["reference"]], {text["system"]: [text["summary"]]}, titles=[text["title"]]
    ).data
    texts = Texts(html)
    assert not {"script", "img", "u"} & set(texts.tags)
    assert evil in "".join(data for css, data in texts.marked if css != "more")


def test_a_long_article_is_folded_and_whole():
    article = "가나다 라마바. " * 100
    html = side_by_side([article, "짧다"], ["글", "글"], {"tuned": ["글", "글"]}).data
    texts = Texts(html)
    assert len(article) > LONG_ARTICLE_CHARS
    assert texts.tags.count("details") == 1
    shown = "".join(data for css, data in texts.marked if css != "more" and "\n." not in data)
    assert article in shown


def test_every_system_has_its_column():
    html = side_by_side(["글"], ["글"], {"lead-3": ["가"], "untuned": ["나"], "tuned": ["다"]}).data
    assert re.findall("<th>(.*?)</th>", html) == [
        "기사 Article", "정답 Reference", "앞 세 문장 lead-3", "학습 전 untuned", "학습 후 tuned",
    ]  # fmt: skip


def test_the_p_values_are_paired():
    table = p_value_table(SCORES, "tuned", seed=3)
    expected = permutation_p_value(SCORES["tuned"]["word_rouge_l"], SCORES["lead-3"]["word_rouge_l"], seed=3)
    assert list(table.index) == ["tuned - lead-3"]
    assert table.loc["tuned - lead-3", "word_rouge_l"] == expected
    assert list(table.columns) == ["word_rouge_l", "numbers_right"]


def test_what_is_no_share_is_not_turned_into_percent():
    text = percent_table(score_table({"tuned": {"density": np.array([3.0, 5.0]), "coverage": np.ones(2)}}))
    assert text.loc["tuned", "density (words)"].startswith("4.0 [")
    assert text.loc["tuned", "coverage"] == "100.0 [100.0, 100.0]"
