"""Notebooks where no JupyterLab is: as VS Code runs them, without widgets, and by nbconvert alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient
from tests.browser.chromium import LOOK, REPO_DIR

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

INFERENCE = REPO_DIR / "notebook" / "01-naver-news-fsdp-QLoRA" / "04-SageMaker-Inference.ipynb"
STORY = REPO_DIR / "notebook" / "03-llmops" / "00-LLMOps-Story.ipynb"
CELL_TIMEOUT_S = NBCONVERT_TIMEOUT_S = 600


def outputs_of(notebook: Any) -> list[Any]:
    return [output for cell in notebook["cells"] for output in cell.get("outputs", ())]


def test_without_widgets_bars_are_text_and_views_end_with_what_they_waited_for(
    browser: Chrome, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel is the one that .venv names, as in VS Code; there are no widgets in it."""
    (tmp_path / "ipywidgets.py").write_text("raise ImportError('no widgets here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    notebook = nbformat.read(INFERENCE, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT_S,
        resources={"metadata": {"path": str(INFERENCE.parent)}},
    )
    client.execute()
    outputs = outputs_of(notebook)
    assert not any("application/vnd.jupyter.widget-view+json" in one.get("data", {}) for one in outputs)
    errors = "".join(one["text"] for one in outputs if one.get("name") == "stderr")
    assert "100%|" in errors
    assert errors.count("Warning") == errors.count("TqdmWarning: IProgress not found") == 1
    views = [html for one in outputs if "news-run" in (html := one.get("data", {}).get("text/html", ""))]
    assert len(views) == 3
    assert all('class="news-run done"' in html for html in views)


def test_nbconvert_runs_a_notebook_into_a_page_where_nothing_is_cut(
    browser: Chrome, pictures: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--execute",
        "--to",
        "html",
        "--output-dir",
        tmp_path,
        STORY,
    ]
    done = subprocess.run(
        command, env=os.environ, capture_output=True, text=True, timeout=NBCONVERT_TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    browser.get((tmp_path / f"{STORY.stem}.html").as_uri())
    browser.save_screenshot(str(pictures / "nbconvert.png"))
    wrong = (
        "return whatIsWrong(document.querySelectorAll('.jp-OutputArea-output'), document.body.clientWidth)"
    )
    assert browser.execute_script(f"{LOOK} {wrong}") == []
