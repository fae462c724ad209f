"""The program of one host of a job: a process group whose lines are read and which ends within a grace."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from processes.container_view import ContainerView
from processes.group import ProcessGroup
from sandbox.logs import lines_of

_WATCHDOG_GRACE_S = 1  # when the sandbox is killed nobody takes what a job still saves


class HostProcess:
    """A running program whose lines go to a function.

    Args:
        command: Program and arguments.
        environment: Its whole environment.
        folder: Its working folder.
        read_line: Called with every line, from a thread of its own.
        view: What it finds in place of this machine's files; its working folder is /opt/ml then.

    Raises:
        OSError: The program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        read_line: Callable[[str], None],
        *,
        view: ContainerView | None = None,
    ) -> None:
        self._group = ProcessGroup(
            command, env=environment, cwd=folder, watchdog_grace_s=_WATCHDOG_GRACE_S, view=view
        )
        self._read_line = read_line
        self._lock = threading.Lock()
        self._killer: threading.Timer | None = None
        self._has_ended = False
        self._reader = threading.Thread(target=self._read, name="job log", daemon=True)
        self._reader.start()

    @property
    def launch_id(self) -> str:
        """What every process of the program carries in its environment."""
        return self._group.launch_id

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended."""
        return self._group.process.poll() is None

    def terminate(self, grace_s: float) -> None:
        """Send SIGTERM, and SIGKILL to what runs after a grace; a shorter grace replaces a longer one."""
        with self._lock:
            if self._has_ended:
                return
            if self._killer:
                # Once: a second signal would interrupt the handler that saves what there is.
                self._killer.cancel()
            else:
                self._group.terminate()
            self._killer = threading.Timer(grace_s, self._group.close)
            self._killer.daemon = True
            self._killer.start()

    def wait(self) -> int:
        """Wait for the end of the program and of everything it started, and read its last line.

        Returns:
            Its exit code: 128 + n for a signal n.
        """
        code = self._group.process.wait()
        if self._killer:
            # The first process dies of the signal at once; what still saves a model holds the log open.
            self._reader.join()
        self.close()
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        """Kill what still runs, and read what it wrote."""
        with self._lock:
            self._has_ended = True
            if self._killer:
                self._killer.cancel()
        self._group.close()
        self._reader.join()
        self._group.process.stdout.close()

    def _read(self) -> None:
        for line in lines_of(self._group.process.stdout):
            try:
                self._read_line(line)
            except Exception:
                # A full disk, say. Go on reading: a program that nobody reads stands still for ever.
                logging.getLogger("sandbox").exception("a line of a job's log was lost")
