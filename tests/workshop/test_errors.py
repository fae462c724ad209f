from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

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
