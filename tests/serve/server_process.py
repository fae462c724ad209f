"""A real server process for tests: started, waited for by its own log, ended."""

from __future__ import annotations

import io
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

from processes.warm import WarmProcess, differs

REPO = Path(__file__).parents[2]
BASE = REPO / "src" / "sample" / "base" / "model"
TEMPLATE = REPO / "src" / "train" / "chat_template.jinja"
TIMEOUT_S = 600


class ServerProcess:
    """`python -m serve serve` on a free port of loopback.

    Args:
        variables: The container's environment variables.
        flags: Command line after `serve`.

    Attributes:
        is_warm: Whether it is forked from a process with the libraries, in a tenth of the time.
    """

    is_warm = False

    def __init__(self, *flags: str, **variables: str) -> None:
        command = [sys.executable, "-m", "serve", "serve", *flags]
        own = {"HOST": "127.0.0.1", "PORT": "0", "HF_MODEL_ID": str(BASE)}
        env = inherited_environment() | own | variables
        if self.is_warm and not differs(env):
            self.process = WarmProcess(command, env=env)
        else:
            self.process = subprocess.Popen(
                command,
                env=env | {"PYTHONPATH": str(REPO / "src")},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
            )
        self.output: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in io.TextIOWrapper(io.BufferedReader(self.process.stdout), encoding="utf-8"):
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, text: str) -> str:
        """Return the first line from here on that holds a text; fail when the output ends before."""
        while (line := self._lines.get(timeout=TIMEOUT_S)) is not None:
            self.output.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} was not printed:\n" + "\n".join(self.output))

    @property
    def url(self) -> str:
        """Wait until the server listens and return its address."""
        for line in self.output:
            if "listening on" in line:
                return line.split()[-1]
        return self.wait_for("listening on").split()[-1]

    def ready(self) -> ServerProcess:
        """Wait until the model is loaded."""
        assert self.url
        self.wait_for("ready after")
        return self

    def wait(self) -> tuple[int, str]:
        """Wait for its end and return exit status and the whole output."""
        status = self.process.wait(timeout=TIMEOUT_S)
        while (line := self._lines.get(timeout=TIMEOUT_S)) is not None:
            self.output.append(line)
        return status, "\n".join(self.output)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def inherited_environment() -> dict[str, str]:
    """Return what a server gets of this process's environment; limits to older processors among it."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "LD_LIBRARY_PATH") or name.startswith(("ATEN_CPU_", "CT2_", "ONEDNN_"))
    }
