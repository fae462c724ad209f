"""Notebooks in a home of their own, in which notebook 03 has trained in Local Mode."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sample.news.generator import rows
from workshop.aws import local as local_aws
from workshop.settings import find_repo_dir

NUM_ARTICLES = 300
"""Thirty steps of training: enough for the loss to fall, as notebook 03 checks."""

TRACK_01 = "01-naver-news-fsdp-QLoRA"
TIMEOUT_S = 1800


def run_notebooks(home: Path, *names: str, **settings: Any) -> str:
    """Execute notebooks, one after the other, in sample mode; return what the run showed.

    Args:
        home: The workshop's; its news.jsonl is the news.
        names: TRACK/NAME of each, without .ipynb.
        settings: Other fields of workshop.yaml.

    Raises:
        AssertionError: A cell failed.
    """
    given = {"news_source": home / "news.jsonl", "use_local_mode": "true", **settings}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environ |= {"WORKSHOP_MODE": "sample", "WORKSHOP_HOME": str(home)}
    environ |= {f"WORKSHOP_{name.upper()}": str(value) for name, value in given.items()}
    paths = [str(find_repo_dir() / "notebook" / f"{name}.ipynb") for name in names]
    done = subprocess.run(
        [sys.executable, "-m", "workshop.notebooks.run", "--notebooks", *paths],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def local_mode_home(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The workshop's home after notebooks 01 and 03; its AWS runs until the tests end."""
    home = tmp_path_factory.mktemp("local-mode-home")
    with (home / "news.jsonl").open("w", encoding="utf-8") as file:
        for row in rows(NUM_ARTICLES, 7):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    try:
        run_notebooks(home, f"{TRACK_01}/01-Prepare-Dataset-KR-News", f"{TRACK_01}/03-SageMaker-Training")
        yield home
    finally:
        local_aws.stop(home / "sample" / "sandbox")
