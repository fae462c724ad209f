"""Hand a server over to a preloaded parent, and stand for it: signals, exit status, end.

This stays in memory beside every such server, so it imports little.

Messages on the socket (SOCK_SEQPACKET, which keeps them whole), each way:
    JSON of `request`, with standard input, output and error  ->
    <-  "forked", with a descriptor of the new process; or "refused REASON"
    <-  "ended STATUS", the exit status, negative for a signal
The end of this process closes the connection, and that ends the server.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Any

VARIABLE = "SERVE_PRELOADED"
ENDING = (signal.SIGTERM, signal.SIGINT)
# A cold import of torch and transformers took 3 s on two idle cores and 12 s on busy ones. A parent that ends
# closes the connection: only one that hangs is waited for so long.
ACCEPT_TIMEOUT_S = 600
_STATUS_TIMEOUT_S = 60
_MAX_MESSAGE_BYTES = 1 << 18  # more than the system lets through
# Read by the interpreter, the loader or a library before any code of the server: a fork cannot change them.
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_", "MKL_", "KMP_", "GOMP_", "ATEN_")
_READ_AT_IMPORT = ("TORCH", "PYTORCH", "TRANSFORMERS_", "TOKENIZERS_")


class NotForkedError(Exception):
    """The server must be started in the ordinary way; the text says why."""


def hand_over(path: str, argv: Sequence[str]) -> int:
    """Let a preloaded parent fork the server, and stand for it until it ends.

    Args:
        path: The parent's socket.
        argv: Arguments of the server.

    Returns:
        The server's exit status, negative for the signal that ended it.

    Raises:
        NotForkedError: There is no such parent, or it refused.
    """
    with PolledSignals(*ENDING) as signals:
        try:
            with _connect(path) as parent:
                socket.send_fds(parent, [request(argv)], [0, 1, 2])
                server = _accepted(parent, signals)
                if server is None:
                    return 0
                return _stand_for(server, parent, signals)
        except OSError as error:
            raise NotForkedError(f"{path}: {error.strerror or error}") from None


def request(argv: Sequence[str]) -> bytes:
    """Return what the parent is told of a server."""
    mask = os.umask(0)
    os.umask(mask)
    told = {
        "argv": list(argv),
        "environ": dict(os.environ),
        "cwd": os.getcwd(),
        "umask": mask,
        "fixed": fixed(),
    }
    return json.dumps(told).encode()


def fixed() -> dict[str, Any]:
    """Return what a fork takes over from its parent and cannot change: interpreter, code, some variables."""
    names = (*_READ_AT_START, *_READ_AT_IMPORT)
    return {
        "interpreter": [sys.prefix, sys.version, list(sys.flags)],
        "code": os.path.dirname(os.path.abspath(__file__)),
        **{name: value for name, value in os.environ.items() if name.startswith(names)},
    }


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next message, and the file descriptors that came with it; b"" at the end.

    Raises:
        OSError: The connection broke, or nothing came in time.
    """
    message, descriptors, *_ = socket.recv_fds(connection, _MAX_MESSAGE_BYTES, 3)
    return message, list(descriptors)


class PolledSignals:
    """Signals that do nothing but make a file descriptor readable.

    Args:
        numbers: Which.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = numbers

    def __enter__(self) -> PolledSignals:
        self._reading, self._writing = os.pipe()  # macOS has no pipe2
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, lambda *_: None) for number in self._numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self._reading)
        os.close(self._writing)

    def fileno(self) -> int:
        return self._reading

    def taken(self) -> Iterator[signal.Signals]:
        """Yield the signals that came since the last call."""
        try:
            yield from (signal.Signals(number) for number in os.read(self._reading, 1024))
        except BlockingIOError:
            return


class Address:
    """A socket's path in a form that may be longer than the 108 bytes of an address: Linux's /proc.

    Args:
        path: The path.
    """

    def __init__(self, path: str) -> None:
        self._folder, self._name = os.path.split(os.path.abspath(path))

    def __enter__(self) -> str:
        self._descriptor = os.open(self._folder, os.O_PATH | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._descriptor}/{self._name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _connect(path: str) -> socket.socket:
    if sys.platform != "linux":
        raise NotForkedError(f"{sys.platform} cannot fork a process that has loaded these libraries")
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with Address(path) as address:
            connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _accepted(parent: socket.socket, signals: PolledSignals) -> int | None:
    """Wait for the parent's answer and return the descriptor of the server; None when told to end before."""
    poll = select.poll()
    poll.register(parent, select.POLLIN)
    poll.register(signals, select.POLLIN)
    ready = dict(poll.poll(ACCEPT_TIMEOUT_S * 1000))
    if signals.fileno() in ready:
        return None
    if not ready:
        raise NotForkedError(f"no answer within {ACCEPT_TIMEOUT_S} s")
    message, descriptors = receive(parent)
    if message == b"forked" and descriptors:
        return descriptors[0]
    raise NotForkedError(message.decode() or "the parent has ended")


def _stand_for(server: int, parent: socket.socket, signals: PolledSignals) -> int:
    """Pass signals on until the server ends, and return its exit status."""
    poll = select.poll()
    poll.register(server, select.POLLIN)
    poll.register(signals, select.POLLIN)
    while True:
        ready = dict(poll.poll())
        if server in ready:
            return _status(parent)
        for number in signals.taken():
            signal.pidfd_send_signal(server, number)


def _status(parent: socket.socket) -> int:
    parent.settimeout(_STATUS_TIMEOUT_S)
    try:
        word, _, status = receive(parent)[0].decode().partition(" ")
    except OSError:
        word = ""
    # Only the parent knows the signal. When it is gone too: that of kill -9 and of want of memory is likely.
    return int(status) if word == "ended" else -signal.SIGKILL
