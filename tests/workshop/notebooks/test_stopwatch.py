"""The cells that a presenter waits for, from notebooks as nbclient leaves them."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from workshop.errors import WorkshopError
from workshop.notebooks import stopwatch


def executed(path: Path, seconds: list[float]) -> None:
    """Write a notebook whose cells took so long; the last was not run."""
    cells = [v4.new_markdown_cell("# 01. 제목\n\n## 1. 학습 · Train")]
    for number, lasted in enumerate(seconds, start=1):
        cell = v4.new_code_cell("pass", execution_count=number)
        start, end = "2026-11-29T00:00:00.500000Z", f"2026-11-29T00:00:{lasted + 0.5:09.6f}Z"
        cell.metadata["execution"] = {"iopub.execute_input": start, "shell.execute_reply": end}
        cells.append(cell)
    nbformat.write(v4.new_notebook(cells=[*cells, v4.new_code_cell("pass")]), path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    monkeypatch.setenv("WORKSHOP_MODE", "sample")
    return tmp_path


def test_cells_are_told_longest_first_with_their_heading(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "sample" / "report").mkdir(parents=True)
    executed(home / "sample" / "report" / "01-한글.ipynb", [0.5, 3.0])
    executed(home / "sample" / "report" / "02-Train.ipynb", [20.25])
    assert stopwatch.main(["--above", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "  20.2 s  02-Train [1]  1. 학습 · Train",
        "   3.0 s  01-한글 [2]  1. 학습 · Train",
        "2 cells above 2 s, 23 s of them",
    ]


def test_without_a_run_the_command_that_makes_one_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stopwatch.main([]) == 2
    assert "make sample" in capsys.readouterr().err
    with pytest.raises(WorkshopError, match="no executed notebook"):
        stopwatch.slow_cells(home, 1.0)
