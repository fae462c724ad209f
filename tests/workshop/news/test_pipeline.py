"""All steps in order, as notebook 01 takes them."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sample.news import generator
from workshop.news.clean import clean
from workshop.news.dataset import WrittenDataset, read_rows, write
from workshop.news.duplicates import NEAR_DUPLICATE_JACCARD, find_leaks, without_leaks
from workshop.news.load import load
from workshop.news.shorten import count_tokens, shorten
from workshop.news.split import SIZES, take
from workshop.news.table import SPLITS, News
from workshop.prompt import article_of, summary_of


def prepare(source: str, dataset_name: str, tokenizer: Any, folder: Path) -> tuple[News, WrittenDataset]:
    news = without_leaks(clean(load(source, dataset_name)))
    news = take(shorten(news, tokenizer, 2_048), dataset_name)
    return news, write(news, folder / dataset_name)


@pytest.mark.parametrize("dataset_name", ["small", "full"])
def test_sample_mode_has_exactly_the_documented_rows(
    dataset_name: str, tokenizer: Any, tmp_path: Path
) -> None:
    news, written = prepare("sample", dataset_name, tokenizer, tmp_path)
    assert {split: written.num_rows[split] for split in SPLITS} == SIZES[dataset_name]
    rows = {split: read_rows(written.dataset_dir, split) for split in SPLITS}
    assert {split: len(found) for split, found in rows.items()} == SIZES[dataset_name]
    ids = [row["id"] for split in SPLITS for row in rows[split]]
    assert len(set(ids)) == len(ids)
    # What stands in the files is checked for leaks again.
    tables = {
        split: pd.DataFrame(
            {
                "document": [article_of(row["messages"]) for row in found],
                "summary": [summary_of(row["messages"]) for row in found],
            },
            dtype="str",
        )
        for split, found in rows.items()
    }
    for split, tested in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert find_leaks(tables[split], tables[tested]).empty
        # The docstring's promise: generated news stay far below the threshold.
        assert find_leaks(tables[split], tables[tested], threshold=0.5).empty
    assert max(count_tokens(news.splits["test"], tokenizer)) <= 2_048


def test_dirty_file_becomes_a_clean_data_set_the_same_every_time(tokenizer: Any, tmp_path: Path) -> None:
    rows = list(generator.rows(400, seed=31))
    for place in range(0, 40, 4):
        rows[place]["document"] = unicodedata.normalize("NFD", rows[place]["document"])
        rows[place + 1]["document"] = ""
        rows[place + 2] = dict(rows[200 + place])  # an exact copy elsewhere in the file
        rows[place + 3]["document"] = rows[300 + place]["document"] + " 덧붙인 말."
    path = tmp_path / "news.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    news, first = prepare(str(path), "full", tokenizer, tmp_path / "a")
    _, second = prepare(str(path), "full", tokenizer, tmp_path / "b")
    assert first.sha256 == second.sha256
    counts = news.counts()
    assert counts.loc["loaded", "total"] == 400
    assert counts.loc["rejected: empty article", "total"] == 10
    assert (counts.loc["loaded"] == counts.drop(index="loaded").sum()).all()
    assert (
        first.num_rows["rejected"]
        == len(news.rejected)
        == counts.loc["loaded", "total"] - counts.loc["kept", "total"]
    )
    # Copies: within a split the later one goes, between splits the one that is not tested on.
    copied = [rows[200 + place]["document"] for place in range(0, 40, 4)]
    for text in copied:
        assert sum((news.splits[split]["document"] == text).sum() for split in SPLITS) == 1
    for split, tested in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert find_leaks(news.splits[split], news.splits[tested], threshold=NEAR_DUPLICATE_JACCARD).empty
    assert (
        sum(change["train"] + change["validation"] + change["test"] for change in news.changes.values()) == 10
    )
