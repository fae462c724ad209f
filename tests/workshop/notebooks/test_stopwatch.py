"""The cells that a presenter waits for, from notebooks as nbclient leaves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import v4

from workshop.errors import WorkshopError
from workshop.notebooks import stopwatch
from workshop.notebooks.kernel import NotebookKernel, WatchedClient
from workshop.view.clock import MARK


def executed(path: Path, seconds: list[float], silent_s: list[float] | None = None) -> None:
    """Write a notebook whose cells took so long, and stood still so long; the last was not run."""
    cells = [v4.new_markdown_cell("# 01. 제목\n\n## 1. 학습 · Train")]
    for number, lasted in enumerate(seconds, start=1):
        cell = v4.new_code_cell("pass", execution_count=number)
        start, end = "2026-11-29T00:00:00.500000Z", f"2026-11-29T00:00:{lasted + 0.5:09.6f}Z"
        cell.metadata["execution"] = {"iopub.execute_input": start, "shell.execute_reply": end}
        if silent_s:
            cell.metadata["workshop"] = {"silent_s": silent_s[number - 1], "frozen_s": 0.4}
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
    executed(home / "sample" / "report" / "01-한글.ipynb", [0.5, 3.0], [0.5, 1.25])
    executed(home / "sample" / "report" / "02-Train.ipynb", [20.25])
    assert stopwatch.main(["--above", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "  20.2 s  still      - s  frozen      - s  02-Train [1]  1. 학습 · Train",
        "   3.0 s  still    1.2 s  frozen    0.4 s  01-한글 [2]  1. 학습 · Train",
        "2 cells above 2 s, 23 s of them",
    ]


def test_cells_that_stand_still_are_asked_for_apart(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "sample" / "report").mkdir(parents=True)
    executed(home / "sample" / "report" / "02-Train.ipynb", [20.25, 9.0, 8.0], [1.0, 6.5, 4.9])
    assert stopwatch.main(["--silent", "5"]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "   9.0 s  still    6.5 s  frozen    0.4 s  02-Train [2]  1. 학습 · Train"
    ]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([(4.0, "stream"), (5.0, "update_display_data")], (4.0, 0.0, 4.0)),
        ([(1.0, "comm_msg"), (1.5, "stream")], (4.5, 1.5, 4.5)),
        ([(1.0, "execute_reply"), (2.0, "kernel_info_reply")], (6.0, 0.0, 6.0)),
        ([(1.0, "stream"), (3.0, "clock"), (4.0, "clock")], (5.0, 1.0, 2.0)),
    ],
)
def test_the_longest_time_without_anything_new_is_noted_of_each_cell(
    messages: list[tuple[float, str]], expected: tuple[float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times are given, as the kernel writes them into its messages: a machine's own would differ."""
    monkeypatch.setattr(NotebookClient, "process_message", lambda *_: None)
    client, cell = WatchedClient(v4.new_notebook()), v4.new_code_cell("pass")
    for at_s, kind in [(0.0, "execute_input"), *messages, (6.0, "status")]:
        header = {"date": datetime(2026, 11, 30, tzinfo=UTC) + timedelta(seconds=at_s)}
        content = {"metadata": MARK} if kind == "clock" else {}
        kind = "update_display_data" if kind == "clock" else kind
        client.process_message({"msg_type": kind, "header": header, "content": content}, cell, 0)
    noted = cell.metadata["workshop"]
    assert (noted["silent_s"], noted["silent_from_s"], noted["frozen_s"]) == expected


def test_a_kernel_that_is_run_notes_it(tmp_path: Path) -> None:
    notebook = v4.new_notebook(cells=[v4.new_code_cell("import time\nprint(1)\ntime.sleep(0.1)\nprint(2)")])
    kernel = NotebookKernel(notebook, tmp_path, 60)
    kernel.start()
    kernel.join(60)
    kernel.end()
    assert kernel.error is None
    assert notebook.cells[0].metadata["workshop"]["silent_s"] > 0
    nbformat.validate(notebook)


def test_without_a_run_the_command_that_makes_one_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stopwatch.main([]) == 2
    assert "make sample" in capsys.readouterr().err
    with pytest.raises(WorkshopError, match="no executed notebook"):
        stopwatch.slow_cells(home, 1.0)
