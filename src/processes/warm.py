"""A process with its libraries imported: forked by the standard library's fork server, used like a Popen.

Imports are nearly all of a server's start: forked, one is ready after 0.1 s instead of 2.6 (two idle cores).
The fork server is a child of this process: it starts with the first warm process and again when it has ended,
and ends with this process and those that it forked.

Source: Python's library reference, multiprocessing, "Contexts and start methods".
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.popen_forkserver import Popen
from pathlib import Path

from processes.container_view import ContainerView

# Read by the interpreter, the loader or a library before any code of the program: a fork cannot change them.
READ_AT_START = (
    *("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_", "MKL_", "KMP_", "GOMP_", "ATEN_"),
    *("TORCH", "PYTORCH", "TRANSFORMERS_", "TOKENIZERS_"),
)
# Generators of random numbers that all forks would share: module and the function that seeds it anew.
_SEEDS = (("numpy.random", "seed"), ("torch", "seed"))


def preload(module: str) -> None:
    """Start the fork server unless it runs, and do not wait for its imports.

    Args:
        module: What it imports before it forks. It must start no thread: a fork would lose it.

    Raises:
        OSError: It cannot be started here.
    """
    if sys.platform != "linux":
        raise OSError(f"{sys.platform}: a fork does not survive the threads of the system's libraries")
    multiprocessing.set_forkserver_preload([module])
    forkserver.ensure_running()


def end() -> None:
    """End the fork server, if there is one, whatever it is doing; what it forked is left alone."""
    server = forkserver._forkserver
    if (pid := server._forkserver_pid) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        server._stop()  # it waits for that, and removes the socket


def differs(env: Mapping[str, str]) -> list[str]:
    """Return the variables of an environment that a fork of this process could not have."""
    return sorted(
        name
        for name, value in env.items()
        if name.startswith(READ_AT_START) and os.environ.get(name) != value
    )


class WarmProcess:
    """A running `python -m MODULE ARGUMENTS` in a session of its own, with what `subprocess.Popen` has.

    Args:
        command: Python, "-m", the module and its arguments; the interpreter is this process's.
        env: The whole environment; what `differs` names of it has no effect.
        cwd: Its working folder.
        view: What it finds in place of this machine's files; its working folder is /opt/ml then.

    Attributes:
        pid: Its process and group id.
        returncode: As Popen's. 255 when the fork server, which alone is told, has ended before.
        stdout: Its output and its errors, unbuffered bytes.

    It waits for the imports of the fork server, when those are not done yet.

    Raises:
        OSError: It could not be forked.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        view: ContainerView | None = None,
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        reader, writer = context.Pipe(duplex=False)
        arguments = (list(command), dict(env), str(cwd or Path.cwd()), view, writer)
        with reader, writer:
            try:
                # Not Process.start(): that looks after all children of this process at once, and two threads
                # that ask for the end of one at the same time would take its status from each other.
                self._process = Popen(context.Process(target=_run, args=arguments))
            except EOFError:
                raise OSError("the process with the imported libraries has ended") from None
            self.stdout = open(os.dup(reader.fileno()), "rb", buffering=0)  # noqa: SIM115
        self.pid: int = self._process.pid
        self.returncode: int | None = None
        self._lock = threading.Lock()
        self._pidfd: int | None = None
        with contextlib.suppress(ProcessLookupError):  # ended already
            self._pidfd = os.pidfd_open(self.pid)
            weakref.finalize(self, os.close, self._pidfd)

    def poll(self) -> int | None:
        """Return its exit status, negative for a signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit status.

        Raises:
            subprocess.TimeoutExpired: It still runs after so many seconds.
        """
        # Its own end and not the fork server's word for it, which is lost when that one is killed.
        if self.returncode is None and self._pidfd is not None and not wait([self._pidfd], timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        with self._lock:
            if self.returncode is None:
                self.returncode = self._process.wait()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it (SIGKILL)."""
        self.send_signal(signal.SIGKILL)


def _run(
    command: list[str], env: dict[str, str], cwd: str, view: ContainerView | None, output: Connection
) -> None:
    """Be the program, in a fork of the fork server."""
    os.setsid()  # a signal to the owner's group is none to its servers
    with output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    if view:
        view.enter()  # before there is a second thread
    threading.Thread(target=_end_with_owner, name="owner", daemon=True).start()
    # Anew, and not reconfigured: those of the fork server may be files, which have a position.
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(env)
    if not view:
        os.chdir(cwd)
    time.tzset()
    tempfile.tempdir = None
    random.seed()
    for library, seed in _SEEDS:
        if library in sys.modules:
            getattr(sys.modules[library], seed)()
    module, sys.argv[1:] = command[2], command[3:]
    Path("/proc/self/comm").write_text(module, encoding="utf-8")  # what top and `ps -o comm` show
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_owner() -> None:
    """Wait for the end of the process that asked for this one, and end at once."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGKILL)
