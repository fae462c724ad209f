"""A parent that has imported what every server needs, and forks servers on request.

    python -m serve preload --socket FOLDER/serve.socket

Imports are nearly all of a server's start: forked, it is ready after 0.4 s instead of 12 (two busy cores).
It is a process of one thread while it forks, and it ends with SIGTERM, SIGINT, or with its standard input
when that is a pipe. Its servers end with it, unless it is killed: then they go on, each tied to the process
that asked for it (handover.py).
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from processes.errors import UserError
from serve.handover import ENDING, Address, PolledSignals, fixed, receive

END_GRACE_S = 12  # a little more than a server takes for the requests under way
# Libraries, not modules of this package: those are read anew by each server, with its own environment.
MODULES = (
    "torch",
    "transformers.models.llama.modeling_llama",
    "starlette.applications",
    "uvicorn.protocols.http.auto",
)


def preload(argv: Sequence[str]) -> int:
    """Serve forks until told to end, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m serve preload", allow_abbrev=False)
    parser.add_argument("--socket", type=Path, required=True, help="where servers ask to be forked")
    path = parser.parse_args(argv).socket
    own = fixed()
    try:
        listener = _listen(path)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        with listener:
            import_libraries(MODULES)
            _Parent(listener, own).run()
    finally:
        path.unlink(missing_ok=True)
    return 0


def import_libraries(names: Iterable[str]) -> None:
    """Import what every server needs, without a thread being started."""
    from serve.engines.load import hide_unneeded_packages

    # numpy's and torch's pools of threads would be lost in a fork. A server sets its own number later.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    hide_unneeded_packages()
    for name in names:
        importlib.import_module(name)
    # Objects that no search for cycles touches stay in pages that the servers share.
    gc.collect()
    gc.freeze()


class _Parent:
    def __init__(self, listener: socket.socket, own: dict[str, Any]) -> None:
        self._listener, self._own = listener, own
        self._asking: dict[int, socket.socket] = {}
        self._servers: dict[int, socket.socket] = {}

    def run(self) -> None:
        """Fork on request until told to end; then end the servers."""
        with PolledSignals(*ENDING, signal.SIGCHLD) as self._signals:
            try:
                while self._is_wanted(None):
                    continue
            finally:
                self._end_servers()

    def _is_wanted(self, timeout_s: float | None) -> bool:
        """Do what there is to do, once; False when told to end."""
        poll = select.poll()
        owner = [0] if stat.S_ISFIFO(os.fstat(0).st_mode) else []
        for each in (self._listener, self._signals, *self._asking, *owner):
            poll.register(each, select.POLLIN)
        ready = {number for number, _ in poll.poll(timeout_s and timeout_s * 1000)}
        signals = set(self._signals.taken())
        self._reap()
        if signals & set(ENDING) or (0 in ready and not os.read(0, 4096)):
            return False
        for number in ready & set(self._asking):
            self._answer(self._asking.pop(number))
        if self._listener.fileno() in ready:
            connection, _ = self._listener.accept()
            self._asking[connection.fileno()] = connection
        return True

    def _answer(self, connection: socket.socket) -> None:
        """Fork the server that a connection asks for, or refuse it."""
        descriptors: list[int] = []
        try:
            message, descriptors = receive(connection)
            if message:
                asked = json.loads(message)
                reason = self._reason_against(asked)
                if reason:
                    connection.send(f"refused: {reason}".encode())
                else:
                    self._fork(asked, descriptors, connection)
        except (OSError, ValueError) as error:  # no room for a process, it went away, or that was no request
            with contextlib.suppress(OSError):
                connection.send(f"refused: {error}".encode())
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
            if connection not in self._servers.values():
                connection.close()

    def _reason_against(self, asked: dict[str, Any]) -> str:
        """Return why a fork would not be what was asked for; "" when it would."""
        theirs = asked.get("fixed", {})
        differing = sorted(
            name for name in self._own.keys() | theirs if self._own.get(name) != theirs.get(name)
        )
        if differing:
            return f"{', '.join(differing)} differ from the parent's"
        num_threads = max(threading.active_count(), len(os.listdir("/proc/self/task")))
        return f"the parent has {num_threads} threads" if num_threads > 1 else ""

    def _fork(self, asked: dict[str, Any], descriptors: list[int], connection: socket.socket) -> None:
        # A signal between the fork and the server's own handlers would be taken for one to the parent.
        caught = {*ENDING, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, caught)
        waiting, announced = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(announced)
            os.read(waiting, 1)  # its end, or the parent's: the server tells of its own end on the connection
            os.close(waiting)
            self._signals.__exit__()
            for each in (self._listener, *self._asking.values(), *self._servers.values()):
                each.close()
            from serve.forked import become

            become(asked, descriptors, connection)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, caught)
        self._servers[pid] = connection
        opened = [waiting, announced]
        try:
            opened.append(os.pidfd_open(pid))
            socket.send_fds(connection, [b"forked"], opened[-1:])
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def _reap(self) -> None:
        while self._servers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with self._servers.pop(pid) as connection, contextlib.suppress(OSError):
                connection.send(f"ended {os.waitstatus_to_exitcode(status)}".encode())

    def _end_servers(self) -> None:
        self._listener.close()
        deadline_s = time.monotonic() + END_GRACE_S
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._servers:
                os.kill(pid, number)
            while self._servers and (time.monotonic() < deadline_s or number == signal.SIGKILL):
                self._reap()
                time.sleep(0.01)


def _listen(path: Path) -> socket.socket:
    """Return a listening socket that only this user can reach; its file appears when it listens.

    Raises:
        UserError: This machine cannot fork such processes, or the folder cannot be used.
    """
    if sys.platform != "linux":
        raise UserError(
            found=f"preload on {sys.platform}",
            expected="Linux: elsewhere a fork does not survive the threads of the system's libraries",
            next_step="start servers without it",
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    mask = os.umask(0o177)
    try:
        with Address(str(hidden)) as address:
            listener.bind(address)
        listener.listen(128)
        hidden.replace(path)
    except OSError as error:
        listener.close()
        hidden.unlink(missing_ok=True)
        raise UserError(
            found=f"{path}, where no socket can be made: {error.strerror}",
            expected="a folder that can be written",
            next_step="name another one with --socket",
        ) from None
    finally:
        os.umask(mask)
    return listener
