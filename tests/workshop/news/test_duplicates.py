"""Leaks between splits."""

import random
import re

import pandas as pd
import pytest

from sample.news import generator
from workshop.news.clean import clean
from workshop.news.duplicates import find_leaks, without_leaks

from .conftest import ARTICLE, SUMMARY, MakeNews, article, row


def summary(number: int) -> str:
    return " ".join(f"{word}{number}" for word in SUMMARY.split())


def with_changed_words(text: str, num_changed: int) -> str:
    words = text.split()
    for place in range(0, num_changed * 3, 3):
        words[place] = f"바뀐말{place}"
    return " ".join(words)


def jaccard(first: str, second: str) -> float:
    """Compute the similarity once more, plainly: on sets of words, without hashes."""

    def triples(text: str) -> set[tuple[str, ...]]:
        words = re.sub(r"[\W_]+", " ", text.lower()).split()
        return {tuple(words[place : place + 3]) for place in range(max(1, len(words) - 2))}

    one, two = triples(first), triples(second)
    return len(one & two) / len(one | two)


def test_leaked_training_rows_are_rejected_and_the_test_split_stays(make_news: MakeNews) -> None:
    leaks = {
        "the same article as in test": row(summary=summary(1)),
        "nearly the same article as in test": row(document=ARTICLE + " 끝.", summary=summary(2)),
        "the same summary as in validation": row(document=article(3), summary=summary(10)),
        "nearly the same summary as in test": row(document=article(4), summary=SUMMARY + " 끝."),
    }
    good = row(document=article(5), summary=summary(5))
    news = make_news(
        train=[good, *leaks.values()],
        validation=[row(document=article(10), summary=summary(10))],
        test=[row()],
    )
    checked = without_leaks(clean(news))
    assert checked.rejected["reason"].tolist() == list(leaks)
    assert set(checked.rejected["split"]) == {"train"}
    assert checked.splits["train"]["document"].tolist() == [good["document"]]
    assert [len(checked.splits[split]) for split in ("validation", "test")] == [1, 1]


def test_between_validation_and_test_the_validation_row_goes(make_news: MakeNews) -> None:
    checked = without_leaks(
        clean(
            make_news(train=[row(document=article(1), summary=summary(1))], validation=[row()], test=[row()])
        )
    )
    assert checked.rejected[["split", "reason"]].values.tolist() == [
        ["validation", "the same article as in test"]
    ]


def test_letter_case_and_punctuation_do_not_hide_a_leak() -> None:
    first = pd.DataFrame({"document": ["Apple이, “iPhone 15”를 공개했다!"], "summary": ["가"]})
    second = pd.DataFrame({"document": ["apple이 IPHONE-15 를 공개했다."], "summary": ["나"]})
    assert find_leaks(first, second)["similarity"].tolist() == [1.0]


@pytest.mark.parametrize("num_changed", range(1, 8))
def test_threshold_decides_by_the_true_similarity(num_changed: int) -> None:
    changed = with_changed_words(ARTICLE, num_changed)
    similarity = jaccard(ARTICLE, changed)
    first = pd.DataFrame({"document": [changed], "summary": [summary(1)]})
    second = pd.DataFrame({"document": [ARTICLE], "summary": [summary(2)]})
    for threshold, expected in ((similarity, [similarity]), (similarity + 0.001, [])):
        found = find_leaks(first, second, threshold=threshold)
        assert found["similarity"].tolist() == pytest.approx(expected)


def test_every_pair_is_found_and_none_besides() -> None:
    # Against comparing all pairs plainly, on texts with many templates in common.
    rng = random.Random(3)
    rows = list(generator.rows(160, seed=11))
    for changed in rows[::3]:
        source = rng.choice(rows)
        words = source["document"].split()
        for _ in range(rng.randint(0, 8)):
            words[rng.randrange(len(words))] = f"말{rng.randrange(10**6)}"
        changed["document"] = " ".join(words)
    first, second = pd.DataFrame(rows[:90]), pd.DataFrame(rows[90:])
    for threshold in (0.1, 0.3, 0.7, 1.0):
        expected = {
            (kind, one, two): similarity
            for kind, column in (("article", "document"), ("summary", "summary"))
            for one, text in enumerate(first[column])
            for two, other in enumerate(second[column])
            if (similarity := jaccard(text, other)) >= threshold
        }
        found = find_leaks(first, second, threshold=threshold)
        ours = {(leak.kind, leak.row, leak.tested_row): leak.similarity for leak in found.itertuples()}
        assert ours == pytest.approx(expected)
        assert len(expected) > 5 or threshold == 1.0


@pytest.mark.parametrize("text", ["", "한", "두 말", "...", "😀", "大韓民國", "한글"])
def test_texts_of_few_words_are_compared_as_a_whole(text: str) -> None:
    first = pd.DataFrame({"document": [text, text + " 또 다른 말"], "summary": ["가 나 다", "라 마 바"]})
    second = pd.DataFrame({"document": [text], "summary": ["사 아 자"]})
    assert find_leaks(first, second)["row"].tolist() == [0]


def test_rows_beyond_the_first_batch_are_found_at_their_place(make_news: MakeNews) -> None:
    rows = [row(document=article(n), summary=summary(n)) for n in range(2_300)]
    rows[2_222] = row()
    news = make_news(train=rows, test=[row(document=article(-1), summary=summary(-1)), row()])
    found = find_leaks(news.splits["train"], news.splits["test"])
    assert found[["row", "tested_row", "kind"]].values.tolist() == [
        [2_222, 1, "article"],
        [2_222, 1, "summary"],
    ]


def test_splits_without_rows_are_no_error(make_news: MakeNews) -> None:
    assert without_leaks(make_news(train=[row()])).rejected is None
    assert without_leaks(make_news(test=[row()])).rejected is None
