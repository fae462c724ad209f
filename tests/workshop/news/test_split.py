"""The documented sizes."""

import pytest

from workshop.errors import WorkshopError
from workshop.news.clean import clean
from workshop.news.split import SIZES, sizes_of, sizes_to_load, take

from .conftest import MakeNews, article, row


def test_sizes_are_the_documented_ones() -> None:
    assert SIZES["small"] == {"train": 10, "validation": 10, "test": 10}
    assert SIZES["full"] == {"train": 22_194, "validation": 2_466, "test": 2_740}
    assert sum(SIZES["full"].values()) == 27_400


def test_some_percent_more_rows_are_loaded_than_needed() -> None:
    for split, size in sizes_of("full").items():
        assert 1.02 * size < sizes_to_load("full")[split] < 1.05 * size


def test_rejected_rows_are_made_up_for_by_the_next_ones(make_news: MakeNews) -> None:
    rows = [row(document="" if n in (0, 5) else article(n)) for n in range(14)]
    news = take(clean(make_news(train=rows, validation=rows[:12], test=rows[:6])), "small")
    kept = {split: table["document"].tolist() for split, table in news.splits.items()}
    assert kept["train"] == [article(n) for n in (1, 2, 3, 4, 6, 7, 8, 9, 10, 11)]
    assert {split: len(texts) for split, texts in kept.items()} == {"train": 10, "validation": 10, "test": 4}
    assert news.counts().loc["not used: beyond the documented size"].tolist() == [2, 0, 0, 2]
    assert news.counts().loc["kept"].tolist() == [10, 10, 4, 24]


def test_unknown_name_is_refused() -> None:
    with pytest.raises(WorkshopError, match="'tiny'"):
        sizes_of("tiny")
