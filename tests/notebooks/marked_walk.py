"""The notebooks that pytest runs anyway: with their exercises, and among marked secrets.

None of the secrets may be in anything that they leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

import nbformat
import nbmake.pytest_items
import pytest
from tests.notebooks.exercises import with_exercises
from tests.notebooks.marked_secrets import MarkedSecrets

from workshop.notebooks.report import write_report
from workshop.notebooks.run import NotebookRun

# What must have been looked at while it ran, or the look would say nothing.
KINDS = {
    "03-SageMaker-Training": "job",
    "04-SageMaker-Inference": "server",
    "01-SageMaker-Inference-Local-Test": "server",
    "02-SageMaker-Inference-Component": "server",
    "02-1-Option-Adapter-AB": "server",
    "02-2-Option-Rolling-Update": "server",
    "02-3-Option-Scale-to-Zero": "server",
    "01-Evaluate-From-The-Start": "server",
    "02-RAG-Hybrid-Search": "server",
    "03-Prompt-RAG-FineTune": "server",
    "04-Monitoring": "server",
    "05-Rollout-AB-Fallback": "server",
    "06-Pipeline-Registry": "job",
    "07-Own-Image": "server",
}


@cache
def _secrets(home: Path) -> MarkedSecrets:
    return MarkedSecrets(home)


@contextmanager
def run_among_marked_secrets(home: Path, notebook: Path) -> Iterator[None]:
    """Let a notebook run, with its outputs and its report in the home, and look for the secrets.

    Raises:
        AssertionError: One is somewhere; or nothing that the notebook starts was seen.
    """
    secrets, executed = _secrets(home), home / "executed"
    secrets.kinds.clear()
    for folder in (executed, home / "tmp"):
        folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch, secrets.watching(home):
        for name, value in {**secrets.variables, "TMPDIR": str(home / "tmp")}.items():
            patch.setenv(name, value)
        patch.setattr(nbmake.pytest_items, "NotebookRun", _keeping(executed))
        yield
    found = [*secrets.found_below(home), *secrets.found_in_processes]
    if found:
        raise AssertionError(f"secrets of a user's in what {notebook.stem} left:\n" + "\n".join(found))
    kind = KINDS.get(notebook.stem)
    if kind not in {None, *secrets.kinds}:
        raise AssertionError(f"no {kind} was seen while {notebook.stem} ran")


def _keeping(folder: Path) -> type:
    class Keeping(nbmake.pytest_items.NotebookRun):
        def execute(self):
            notebook = with_exercises(nbformat.read(self.filename, 4), self.filename.stem)
            with patch.object(nbformat, "read", return_value=notebook):
                result = super().execute()
            nbformat.write(result.nb, folder / self.filename.name)
            run = NotebookRun(path=self.filename, notebook=result.nb, seconds=0.0)
            write_report(folder / f"{self.filename.stem}.html", [run], "sample")
            return result

    return Keeping
