"""Processes that compute side by side share the cores that they may use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from processes import cores


@pytest.mark.parametrize(
    ("num_cores", "num_processes", "threads"), [(8, 2, 4), (8, 3, 2), (2, 2, 1), (1, 2, 1), (2, 8, 1)]
)
def test_threads_and_processes_are_no_more_than_the_cores(
    monkeypatch: pytest.MonkeyPatch, num_cores: int, num_processes: int, threads: int
) -> None:
    monkeypatch.setattr(cores, "num_cores", lambda: num_cores)
    assert cores.threads_per_process(num_processes) == threads


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux binds a process to cores")
def test_a_process_that_is_bound_to_one_core_counts_one() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from processes.cores import num_cores; print(num_cores())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "1"
