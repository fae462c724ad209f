"""Nothing that a process group started outlives the process that started it, whenever that is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil

from processes.group import LAUNCH_ID_VARIABLE

REPO = Path(__file__).parents[2]
# Kills itself as soon as its command runs, before it does anything else.
DIES_AT_ONCE = """
import os, signal, subprocess
from processes.group import ProcessGroup

class Popen(subprocess.Popen):
    def __init__(self, command, **options):
        super().__init__(command, **options)
        if command[0] == "sleep":
            os.kill(os.getpid(), signal.SIGKILL)

subprocess.Popen = Popen
ProcessGroup(["sleep", "600.25"], env=dict(os.environ))
"""


def sleepers() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline() == ["sleep", "600.25"] and LAUNCH_ID_VARIABLE in process.environ():
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_what_starts_a_command_and_is_killed_at_that_moment_leaves_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", DIES_AT_ONCE], cwd=REPO / "src", timeout=300)
    assert done.returncode < 0
    deadline_s = time.monotonic() + 300
    while (left := sleepers()) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    for process in left:
        process.kill()
    assert left == []
