"""A real server process for tests: started, waited for by its own log, ended."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

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
        preloaded: Socket of a parent to be forked from; None to start alone.
    """

    preloaded: Path | None = None

    def __init__(self, *flags: str, **variables: str) -> None:
        inherited = inherited_environment()
        own = {"PYTHONPATH": str(REPO / "src")}
        if self.preloaded is not None:
            own["SERVE_PRELOADED"] = str(self.preloaded)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "serve", "serve", *flags],
            env=inherited | own | {"HOST": "127.0.0.1", "PORT": "0", "HF_MODEL_ID": str(BASE)} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self.output: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
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
