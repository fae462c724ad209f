"""Tests in a real browser: what they need, why they are skipped without it, and where their pictures are.

    make test-browser                     # or pytest tests/browser; about two minutes on two fast cores
    BROWSER_TESTS=0 pytest tests          # skipped, as in `make test`
    BROWSER_TESTS=1 pytest ...            # what is missing is a failure, on a machine that was set up for it

A picture of every output, at 1280 x 720, is kept in .workshop/browser until the next run, to be looked at.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.chromium import REPO_DIR, chromium, missing
from tests.browser.jupyterlab import Lab, jupyterlab

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FOLDER = Path(__file__).parent
SWITCH = os.environ.get("BROWSER_TESTS", "")
TRAINING_TIMEOUT_S = 1200


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser; without chromium, its driver or Selenium no test here runs."""
    why = "`make test-browser` runs it" if SWITCH == "0" else missing()
    if why and SWITCH == "1":
        pytest.fail(f"BROWSER_TESTS=1, and {why}")
    if why:
        pytest.skip(why)
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="session")
def pictures() -> Path:
    """An empty folder for what the browser shows, which git ignores."""
    folder = REPO_DIR / ".workshop" / "browser"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def lab(browser: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab as `make lab` starts it; no notebook of the repository is changed by what is done there."""
    status = ["git", "status", "--porcelain", "notebook"]
    before = subprocess.run(status, cwd=REPO_DIR, capture_output=True, check=True).stdout
    with jupyterlab(browser, tmp_path_factory.mktemp("jupyterlab")) as lab:
        yield lab
    assert subprocess.run(status, cwd=REPO_DIR, capture_output=True, check=True).stdout == before


@pytest.fixture(scope="session")
def report() -> Path:
    """The report of what 04 reads from, but for a data set that is there: the trained model is there then."""
    track = REPO_DIR / "notebook" / "01-naver-news-fsdp-QLoRA"
    names = ["01-Prepare-Dataset-KR-News.ipynb", "03-SageMaker-Training.ipynb"]
    home = Path(os.environ["WORKSHOP_HOME"]) / "sample"
    if (home / "data" / "full").is_dir():
        del names[0]
    command = [
        sys.executable,
        "-m",
        "workshop.notebooks.run",
        "--notebooks",
        *(track / name for name in names),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TRAINING_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "report" / "report.html"
