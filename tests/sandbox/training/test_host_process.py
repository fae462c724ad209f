"""The program of one host: read to its last line, and ended."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from sandbox.training.host_process import HostProcess

DAY_S = 86_400  # what waits so long hangs


def started(program: str, folder: Path, read_line) -> HostProcess:
    return HostProcess([sys.executable, "-u", "-c", program], {"PATH": os.environ["PATH"]}, folder, read_line)


def test_every_line_is_read_before_the_exit_code_is_known(tmp_path: Path) -> None:
    lines: list[str] = []
    process = started("for i in range(5000): print(i)\nraise SystemExit(7)", tmp_path, lines.append)
    assert process.wait() == 7
    assert lines == [str(i) for i in range(5000)]


def test_a_line_that_cannot_be_kept_does_not_stop_the_program(tmp_path: Path) -> None:
    seen = []

    def fail(line: str) -> None:
        seen.append(line)
        raise OSError(28, "No space left on device")

    # More than a pipe holds: unread, the program would stand still.
    assert started("for i in range(30_000): print('x' * 20)", tmp_path, fail).wait() == 0
    assert len(seen) == 30_000


def test_a_shorter_grace_replaces_a_longer_one(tmp_path: Path) -> None:
    is_on = threading.Event()
    program = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(1)\ntime.sleep(600)"
    process = started(program, tmp_path, lambda _: is_on.set())
    assert is_on.wait(300)
    process.terminate(DAY_S)
    process.terminate(0.1)
    assert process.wait() == 137
    process.terminate(DAY_S)  # nothing is left to end


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        HostProcess(["/no/such/program"], {}, tmp_path, print)
