"""How long the first code cell takes, in a fresh interpreter each time. Printed, never asserted."""

from __future__ import annotations

import statistics
import subprocess
import sys

from workshop.notebooks.order import list_notebooks
from workshop.settings import find_repo_dir

NUM_RUNS = 5
PROGRAM = """
import sys, time
started_s = time.perf_counter()
from workshop.start import start
start(sys.argv[1])
print(time.perf_counter() - started_s)
"""


def test_start_takes() -> None:
    name = list_notebooks(find_repo_dir() / "notebook")[0].stem
    seconds = []
    for _ in range(NUM_RUNS):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, name], capture_output=True, text=True, check=True
        )
        seconds.append(float(done.stdout.split()[-1]))
    median_s, slowest_s = statistics.median(seconds), max(seconds)
    print(f"\nstart(): median {median_s:.3f} s, slowest {slowest_s:.3f} s of {NUM_RUNS} fresh interpreters")
