from __future__ import annotations

import pickle

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from workshop.errors import WorkshopError

RAISE = """
from workshop.errors import WorkshopError
raise WorkshopError(found='빈 파일', expected='rows', next_step='do')
"""


def run_cell(source: str) -> list:
    """Execute one cell in a real kernel; return its outputs after checking that it counts as failed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    return notebook.cells[0].outputs


def test_the_message_holds_found_expected_and_next_step() -> None:
    error = WorkshopError(found="mode 'sampel'", expected="sample", next_step="edit workshop.yaml")
    assert str(error).splitlines() == [
        "found     mode 'sampel'",
        "expected  sample",
        "do next   edit workshop.yaml",
    ]


def test_all_three_parts_are_required() -> None:
    with pytest.raises(TypeError):
        WorkshopError(found="a", expected="b")  # type: ignore[call-arg]


def test_the_error_and_its_subclasses_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(WorkshopError(found="a", expected="b", next_step="c")))
    assert (type(error), error.found, error.next_step) == (WorkshopError, "a", "c")


def test_a_notebook_shows_three_lines_and_the_cell_still_fails() -> None:
    (output,) = run_cell(RAISE)
    assert (output.output_type, output.ename) == ("error", "WorkshopError")
    assert output.evalue.startswith("found     빈 파일")
    assert len(output.traceback) == 3
    assert not any("Traceback" in line or "---->" in line for line in output.traceback)


def test_any_other_error_keeps_its_traceback() -> None:
    (output,) = run_cell("1 / 0")
    assert output.ename == "ZeroDivisionError"
    assert any("Traceback" in line for line in output.traceback)
