"""What a fork of the preloaded parent does to become the server that was asked for."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable
from typing import Any, NoReturn

from processes.group import MARK_VARIABLE


def become(asked: dict[str, Any], descriptors: list[int], connection: socket.socket) -> NoReturn:
    """Serve as asked, in this process, and end it.

    Args:
        asked: See `handover.request`.
        descriptors: What shall be standard input, output and error.
        connection: To the process that asked; when that ends, this one does.
    """
    status = 1
    try:
        _take_over(asked, descriptors)
        threading.Thread(target=_end_with, args=(connection,), name="owner", daemon=True).start()
        from serve.server import start

        status = start(asked["argv"])
    except BaseException:  # nothing above this may run in the fork
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        # The parent tells it too, but may have been killed.
        with contextlib.suppress(OSError):
            connection.send(f"ended {status}".encode())
        os._exit(status)


def _take_over(asked: dict[str, Any], descriptors: list[int]) -> None:
    os.setsid()  # a signal to the parent's group is none to its servers
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=True)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(asked["umask"])
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    sys.argv[1:] = asked["argv"]
    time.tzset()
    tempfile.tempdir = None
    _show(asked)
    random.seed()
    for library, reseed in (("numpy.random", "seed"), ("torch", "seed")):
        if library in sys.modules:
            getattr(sys.modules[library], reseed)()


def _end_with(connection: socket.socket) -> None:
    """Wait for the end of the process that asked for this one, and end at once."""
    with contextlib.suppress(OSError):
        while connection.recv(1):
            continue
    os.kill(os.getpid(), signal.SIGKILL)


def _show(asked: dict[str, Any]) -> None:
    """Let the system tell arguments and environment of this process, not the parent's.

    `ps` shows the arguments, and by the environment ProcessGroup finds the processes of a launch: with the
    parent's mark a server would be ended as one of the parent's launch, and not be found as one of its own.

    Source: proc(5), /proc/pid/stat: 48 arg_start, 49 arg_end, 50 env_start, 51 env_end.
    """
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        # From the third field on: the second is a name that may contain blanks.
        fields = file.read().rpartition(")")[2].split()
    arg_start, arg_end, env_start, env_end = (int(fields[number - 3]) for number in (48, 49, 50, 51))
    environ = asked["environ"]
    # The mark first: there is only the room that the parent's environment took.
    names = sorted(environ, key=lambda name: name != MARK_VARIABLE)
    _overwrite(arg_start, arg_end, [sys.executable, "-m", "serve", *asked["argv"]])
    _overwrite(env_start, env_end, [f"{name}={environ[name]}" for name in names])


def _overwrite(start: int, end: int, entries: Iterable[str]) -> None:
    """Write entries into the memory from start to end, as many as have room, and zeros behind them."""
    block = b""
    for entry in entries:
        raw = os.fsencode(entry) + b"\0"
        if len(block) + len(raw) <= end - start:
            block += raw
    if start:  # 0 where the system does not tell
        ctypes.memmove(start, block.ljust(end - start, b"\0"), end - start)
