"""The processing job that prepares news, against notebook 01's own steps."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from transformers import AutoTokenizer

from workshop.news.clean import clean
from workshop.news.dataset import write
from workshop.news.duplicates import without_leaks
from workshop.news.load import load
from workshop.news.shorten import shorten
from workshop.news.split import take
from workshop.news.table import SPLITS, News
from workshop.pipeline.job import WRONG_USE, run_as_job
from workshop.pipeline.prepare import parse, prepare
from workshop.settings import find_repo_dir

MOST = {"train": 60, "validation": 8, "test": 8}
MAX_TOKENS = 400
TOKENIZER_DIR = find_repo_dir() / "src" / "sample" / "base" / "model"


def dirty_news() -> News:
    """Rows with what a source may have: NFD, leaked test articles, an empty summary, a long article."""
    news = load("sample", "full", seed=7, most=MOST)
    train = news.splits["train"].copy()
    train.loc[0, "document"] = unicodedata.normalize("NFD", train.loc[0, "document"])
    train.loc[1, "summary"] = ""
    train.loc[2, "document"] = " ".join(train["document"].iloc[10:30])
    train = pd.concat([train, news.splits["test"].head(2)], ignore_index=True)
    splits = {**news.splits, "train": train}
    return News(splits=splits, num_loaded={split: len(rows) for split, rows in splits.items()})


def write_raw(news: News, folder: Path) -> Path:
    folder.mkdir()
    for split, rows in news.splits.items():
        rows.to_json(folder / f"{split}.jsonl", orient="records", lines=True, force_ascii=False)
    return folder


def arguments(raw: Path, output: Path, *others: str) -> list[str]:
    paths = ["--input", str(raw), "--tokenizer", str(TOKENIZER_DIR), "--output", str(output)]
    return [*paths, "--max_tokens", str(MAX_TOKENS), *others]


def test_the_same_rows_give_the_bytes_that_notebook_01_writes(tmp_path: Path) -> None:
    news = dirty_news()
    output = tmp_path / "processing" / "output"
    said = prepare(parse(arguments(write_raw(news, tmp_path / "raw"), output)))
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER_DIR)
    own = take(shorten(without_leaks(clean(news)), tokenizer, MAX_TOKENS), "full")
    written = write(own, tmp_path / "notebook-01")
    for split in SPLITS:
        file = f"{split}/{split}.jsonl"
        assert (output / file).read_bytes() == (written.dataset_dir / file).read_bytes()
    rejected = (output / "rejected" / "rejected.jsonl").read_bytes()
    assert rejected == (written.dataset_dir / "rejected.jsonl").read_bytes()
    report = json.loads((output / "report" / "report.json").read_text())
    assert report["sha256"] == written.sha256
    counts = report["counts"]
    assert counts["loaded"]["train"] == 62
    assert counts["rejected: empty summary"] == {"train": 1, "validation": 0, "test": 0, "total": 1}
    assert counts["rejected: the same article as in test"]["train"] == 2
    assert counts["kept"]["total"] == sum(written.num_rows[split] for split in SPLITS)
    assert report["changes"][f"article shortened to fit {MAX_TOKENS:,} tokens"]["train"] >= 1
    assert said.startswith(f"{written.num_rows['train']} train rows, ")


def test_fewer_rows_of_a_split_are_its_first(tmp_path: Path) -> None:
    raw = write_raw(load("sample", "full", seed=7, most=MOST), tmp_path / "raw")
    prepare(parse(arguments(raw, tmp_path / "all")))
    prepare(parse(arguments(raw, tmp_path / "few", "--train_rows", "5")))
    lines = (tmp_path / "all" / "train" / "train.jsonl").read_text().splitlines()
    assert (tmp_path / "few" / "train" / "train.jsonl").read_text().splitlines() == lines[:5]


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("no rows left", "no row left for the split validation"),
        ("no tokenizer", "no tokenizer.json in "),
        ("no rows", "0 files for the split train"),
    ],
)
def test_what_is_wrong_with_the_inputs_is_the_jobs_message(
    fault: str, found: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    news = load("sample", "full", seed=7, most=MOST)
    if fault == "no rows left":
        news.splits["validation"]["summary"] = "짧다"
    raw = write_raw(news, tmp_path / "raw")
    container = tmp_path / "ml"
    output = container / "processing" / "output"
    options = parse(arguments(raw, output))
    if fault == "no tokenizer":
        options.tokenizer = raw
    if fault == "no rows":
        for split in SPLITS:
            (raw / f"{split}.jsonl").unlink()
    assert run_as_job(lambda: prepare(options), options.output) == WRONG_USE
    message = (container / "output" / "message").read_text()
    assert [line.split()[0] for line in message.splitlines()] == ["found", "expected", "do"]
    assert found in message
    assert f"error\n{message}" in capsys.readouterr().err
    assert not output.exists(), "nothing half-written"
