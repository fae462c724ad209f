"""The process that emulates a container: started, its output logged, its health asked for, and ended."""

from __future__ import annotations

import contextlib
import http.client
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from processes import warm
from processes.container_view import ContainerView
from processes.group import ProcessGroup
from sandbox import images
from sandbox.logs import lines_of

PING_TIMEOUT_S = 2.0
WATCHDOG_GRACE_S = 5.0  # between SIGTERM and SIGKILL when the sandbox itself was killed
_PING_AGAIN_S = 0.05
_DRAIN_S = 30.0  # its output ends when its processes have ended: at once
# A model whose environment has it, with no value, gets a server that starts alone.
ALONE_VARIABLE = "SERVE_PRELOADED"
_LIBRARIES = "serve.preload"

_MAX_FAILED_FORKS = 2

logger = logging.getLogger("sandbox")
_num_failed_forks = 0  # in a row, of this process


def prepare_fork(command: Sequence[str], given: Mapping[str, str]) -> bool:
    """Let the libraries of `serve` be imported for its forks, and do not wait; False to start a server alone.

    Args:
        command: A container's program and arguments.
        given: Environment of the model's container definition.
    """
    # Elsewhere a fork does not survive the threads of the system's libraries.
    if (
        sys.platform != "linux"
        or not images.is_serve(command)
        or ALONE_VARIABLE in given
        or warm.differs(given)
    ):
        return False
    if _num_failed_forks >= _MAX_FAILED_FORKS:
        return False
    try:
        warm.preload(_LIBRARIES)
    except OSError as error:
        _count_failed_fork(error)
        return False
    return True


def _count_failed_fork(error: OSError) -> None:
    global _num_failed_forks
    _num_failed_forks += 1
    what = "servers start" if _num_failed_forks >= _MAX_FAILED_FORKS else "a server starts"
    logger.warning("%s without preloaded libraries: %s", what, error)


class ServerProcess:
    """A running server; safe from any thread.

    Args:
        command: Program and arguments.
        env: Its whole environment.
        cwd: Its working folder.
        port: Where on 127.0.0.1 it listens when it is ready.
        write: Gets every line of its output, from a thread of its own.
        is_forked: Whether it is forked from the process of `prepare_fork`, once that has its libraries; it
            starts alone where that fails.
        view: What it finds in place of this machine's files.
        health_path: What is asked for to learn whether it is healthy.

    Raises:
        OSError: The program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        port: int,
        write: Callable[[str], None],
        is_forked: bool = False,
        view: ContainerView | None = None,
        health_path: str = "/ping",
    ) -> None:
        self.port = port
        self.ended = threading.Event()
        self._command, self._env, self._cwd, self._write = command, env, cwd, write
        self._view, self._health_path = view, health_path
        self._lock = threading.Lock()
        self._is_wanted = True
        self._group: ProcessGroup | None = None
        self._reader: threading.Thread | None = None
        if is_forked:
            threading.Thread(target=self._fork, name="server start", daemon=True).start()
        else:
            self._adopt(self._start(is_warm=False))

    def _fork(self) -> None:
        global _num_failed_forks
        try:
            group = self._start(is_warm=True)
            _num_failed_forks = 0
        except OSError as error:
            _count_failed_fork(error)
            try:
                group = self._start(is_warm=False)
            except OSError as second:
                reason = second.strerror or second
                if self._is_wanted:
                    self._write(f"[sandbox] {self._command[0]} cannot be started: {reason}")
                self.ended.set()
                return
        self._adopt(group)

    def _start(self, *, is_warm: bool) -> ProcessGroup:
        return ProcessGroup(
            self._command,
            env=self._env,
            cwd=self._cwd,
            watchdog_grace_s=WATCHDOG_GRACE_S,
            is_warm=is_warm,
            view=self._view,
        )

    def _adopt(self, group: ProcessGroup) -> None:
        """Take a started program as the server's, or end it when it is no longer wanted."""
        with self._lock:
            if self._is_wanted:
                self._group = group
                self._reader = threading.Thread(target=self._read, name="server output", daemon=True)
                self._reader.start()
                threading.Thread(target=self._wait, name="server end", daemon=True).start()
                return
        group.close()
        group.process.stdout.close()
        self.ended.set()

    @property
    def exit_status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs, or when it could not be started."""
        return self._group.process.returncode if self._group else None

    def is_healthy(self) -> bool:
        """Ask for its health once; healthy is an answer with 200 within 2 s.

        Source: SageMaker Developer Guide, "Use Your Own Inference Code with Hosting Services".
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PING_TIMEOUT_S)
        try:
            connection.request("GET", self._health_path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait_healthy(self, timeout_s: float, stopped: threading.Event) -> bool:
        """Wait until it is healthy; False when it ended, is late or is no longer wanted."""
        deadline_s = time.monotonic() + timeout_s
        while not self.ended.is_set() and not stopped.is_set() and time.monotonic() < deadline_s:
            if self.is_healthy():
                return True
            self.ended.wait(_PING_AGAIN_S)
        return False

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        if group := self._group_or_nothing():
            group.terminate()

    def close(self, grace_s: float = 0.0) -> None:
        """End it: SIGTERM, up to grace_s seconds of patience, SIGKILL for all that is left of it."""
        if self._group_or_nothing() is None:
            return
        if grace_s:
            self._group.terminate()
            self.ended.wait(grace_s)
        self._group.close()
        self._reader.join(_DRAIN_S)
        with contextlib.suppress(OSError):
            self._group.process.stdout.close()

    def _group_or_nothing(self) -> ProcessGroup | None:
        """Return what runs; what is started just now is ended by the thread that starts it."""
        with self._lock:
            self._is_wanted = self._group is not None
            return self._group

    def _read(self) -> None:
        # ValueError: closed under the reader when the output is held open by what could not be killed.
        with contextlib.suppress(OSError, ValueError):
            for line in lines_of(self._group.process.stdout):
                self._write(line)

    def _wait(self) -> None:
        self._group.process.wait()
        self.ended.set()
