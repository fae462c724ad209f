"""Prepare news for training as a processing job: notebook 01's steps, by the same functions.

    python prepare.py --input FOLDER --tokenizer FOLDER --output FOLDER --max_tokens 2048

reads a file of raw rows for each split, in any form that `workshop.news.load` takes, and leaves
OUTPUT/{train,validation,test}/{split}.jsonl in the chat format, OUTPUT/rejected/rejected.jsonl, and
OUTPUT/report/report.json: what became of the rows.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from processes.files import atomic_write
from workshop.errors import WorkshopError
from workshop.news.clean import clean
from workshop.news.dataset import write
from workshop.news.duplicates import without_leaks
from workshop.news.load import load
from workshop.news.shorten import shorten
from workshop.news.split import SIZES, take
from workshop.news.table import SPLITS, News
from workshop.pipeline.job import run_as_job


def prepare(options: argparse.Namespace) -> str:
    """Read, clean, separate, shorten and write the rows; return a line that says how many.

    Raises:
        WorkshopError: No rows, no tokenizer, a split without rows, or rows that cannot be read.
    """
    from transformers import AutoTokenizer

    if not (options.tokenizer / "tokenizer.json").is_file():
        raise WorkshopError(
            found=f"no tokenizer.json in {options.tokenizer}",
            expected="the tokenizer of the base model",
            next_step="give the input `tokenizer` the address that copy_tokenizer has returned",
        )
    tokenizer = AutoTokenizer.from_pretrained(options.tokenizer)
    news = without_leaks(clean(load(str(options.input), options.dataset_name)))
    news = take(shorten(news, tokenizer, options.max_tokens), options.dataset_name, most=_most(options))
    print(news.counts().to_string(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        written = write(news, Path(folder) / "data")
        report = report_of(news, written.sha256, max_tokens=options.max_tokens)
        # Nothing is in an output before everything is made: AWS may upload what a job left that failed.
        for name in written.sha256:
            path = Path(name)
            _put(options.output / (path.parent.name or path.stem) / path.name, (written.dataset_dir / path))
    _put_text(options.output / "report" / "report.json", json.dumps(report, ensure_ascii=False, indent=1))
    return ", ".join(f"{written.num_rows[split]:,} {split} rows" for split in (*SPLITS, "rejected"))


def report_of(news: News, sha256: dict[str, str], *, max_tokens: int) -> dict[str, Any]:
    """Return what became of the rows, as JSON can hold it.

    Returns:
        `counts` and `changes` (fate or change -> split -> rows, "total" among them), `sha256` by file and
        `max_tokens`.
    """
    return {
        "counts": news.counts().to_dict("index"),
        "changes": news.changes_table().to_dict("index"),
        "sha256": sha256,
        "max_tokens": max_tokens,
    }


def _most(options: argparse.Namespace) -> dict[str, int]:
    given = {split: getattr(options, f"{split}_rows") for split in SPLITS}
    return {split: num_rows for split, num_rows in given.items() if num_rows}


def _put(path: Path, source: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, source.read_bytes())


def _put_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, text + "\n")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--input", type=Path, required=True, help="folder with raw rows of each split")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the base model's tokenizer")
    parser.add_argument("--output", type=Path, required=True, help="folder of the outputs")
    parser.add_argument("--max_tokens", type=int, required=True, help="longest row, as in the recipe")
    parser.add_argument("--dataset_name", choices=list(SIZES), default="full", help="whose sizes are kept")
    for split in SPLITS:
        parser.add_argument(f"--{split}_rows", type=int, default=0, help="first rows that are kept; 0: all")
    return parser.parse_args(arguments)


def main() -> int:
    """Run as a job."""
    options = parse()
    return run_as_job(lambda: prepare(options), options.output)


if __name__ == "__main__":
    sys.exit(main())
