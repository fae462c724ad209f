"""What an evaluation refuses, before it takes time and without leaving a report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.workshop.pipeline.test_report import REFERENCES, ROWS, report

from workshop.pipeline.evaluate import evaluate, parse
from workshop.pipeline.inputs import NO_PRODUCTION
from workshop.pipeline.job import WRONG_USE, run_as_job
from workshop.pipeline.report import EVALUATION
from workshop.settings import find_repo_dir

BASE = find_repo_dir() / "src" / "sample" / "base" / "model"


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """The inputs of a first version, whose model is not there yet."""
    for name in ("model", "test", "production"):
        (tmp_path / name).mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in ROWS[:4])
    (tmp_path / "test" / "test.jsonl").write_text(lines)
    (tmp_path / "production" / NO_PRODUCTION).write_text("{}")
    return tmp_path


def refused(inputs: Path, *others: str) -> str:
    words = [word for name in ("model", "test", "production") for word in (f"--{name}", str(inputs / name))]
    options = parse([*words, "--output", str(inputs / "ml" / "processing" / "output"), *others])
    assert run_as_job(lambda: evaluate(options), options.output) == WRONG_USE
    assert not (options.output / EVALUATION).exists()
    return (inputs / "ml" / "output" / "message").read_text()


def test_a_report_of_production_that_is_none_is_seen_before_the_model_is_loaded(inputs: Path) -> None:
    (inputs / "production" / EVALUATION).write_text('{"rouge": 1}')
    assert "which has no scores (KeyError: 'articles')" in refused(inputs)


def test_no_test_rows_are_left(inputs: Path) -> None:
    (inputs / "test" / "test.jsonl").write_text("")
    assert "0 test articles in " in refused(inputs)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, "nothing in "),
        ({"model.tar.gz": b"1"}, "model.tar.gz in "),
        ({"config.json": b"{}", "pytorch_model.bin": b"1"}, "config.json, pytorch_model.bin in "),
        ({"model.safetensors": b"cut"}, "which cannot be loaded"),
    ],
)
def test_a_model_that_is_none_is_named(inputs: Path, files: dict[str, bytes], found: str) -> None:
    if "model.safetensors" in files:
        shutil.copytree(BASE, inputs / "model", dirs_exist_ok=True)
    for name, content in files.items():
        (inputs / "model" / name).write_bytes(content)
    message = refused(inputs, "--max_new_tokens", "2")
    assert found in message
    assert 'compression_type="NONE"' in message


def test_production_was_asked_other_articles_is_seen_before_the_model_is_loaded(inputs: Path) -> None:
    (inputs / "production" / EVALUATION).write_text(json.dumps(report(REFERENCES)))
    message = refused(inputs)
    assert "4 test articles, and 24 that production was asked: 4 of them the same" in message
