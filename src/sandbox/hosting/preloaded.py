"""The process from which servers are forked: it has their libraries loaded, one for all endpoints.

It is started with the first endpoint that runs `serve`, lives until the sandbox ends, and is started again
when it died. Servers that run are not touched by its end, and start in the ordinary way where it is missing.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from processes.group import ProcessGroup
from sandbox import images
from sandbox.hosting.container_environment import machine_environment
from sandbox.logs import lines_of

VARIABLE = "SERVE_PRELOADED"
SOCKET = "preloaded.socket"
KEEPER_GRACE_S = 5.0
_DRAIN_S = 2.0
_LISTEN_TIMEOUT_S = 120.0  # it listens after 0.1 s, before it imports
_LOOK_AGAIN_S = 0.005

logger = logging.getLogger("sandbox")


def is_forked(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Tell whether a container's program is to be forked: it is `serve`, and its model does not forbid it.

    Args:
        command: The program and its arguments.
        environment: That of the model's container definition; an empty SERVE_PRELOADED in it forbids.
    """
    return images.is_serve(command) and VARIABLE not in environment


class PreloadedParent:
    """The process, when one is wanted; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._group: ProcessGroup | None = None
        self._reader: threading.Thread | None = None
        self._socket: Path | None = None
        # Elsewhere a fork does not survive the threads of the system's libraries.
        self._is_wanted = sys.platform == "linux"

    def start(self, home: Path) -> None:
        """Start it unless it runs, and do not wait for it.

        Args:
            home: The sandbox's home; the socket is in it.
        """
        with self._lock:
            self._start(home)

    def variables(self, home: Path) -> dict[str, str]:
        """Return what tells a server to be forked; nothing where that cannot be.

        Args:
            home: The sandbox's home.
        """
        with self._lock:
            self._start(home)
            if self._group is None:
                return {}
            if not self._listens():
                self._give_up("their parent does not listen")
                return {}
            return {VARIABLE: str(self._socket)}

    def end(self) -> None:
        """End it for good, because the sandbox ends."""
        with self._lock:
            self._is_wanted = False
            self._close()

    def _start(self, home: Path) -> None:
        if self._group and self._group.process.poll() is not None:
            logger.warning("the process with the preloaded libraries has ended; another one is started")
            self._close()
        if self._group or not self._is_wanted:
            return
        self._socket = home / SOCKET
        try:
            self._socket.unlink(missing_ok=True)  # of a sandbox that was killed
            self._group = ProcessGroup(
                images.serve_command("preload", "--socket", str(self._socket)),
                env={**machine_environment(), "HOME": str(home)},
                cwd=home,
                keeper_grace_s=KEEPER_GRACE_S,
            )
        except OSError as error:
            self._give_up(str(error))
            return
        self._reader = threading.Thread(
            target=_log_output, args=(self._group,), name="preloaded output", daemon=True
        )
        self._reader.start()

    def _listens(self) -> bool:
        """Wait until it listens; False when it never will."""
        deadline_s = time.monotonic() + _LISTEN_TIMEOUT_S
        while not self._socket.exists():
            if self._group.process.poll() is not None or time.monotonic() > deadline_s:
                return False
            time.sleep(_LOOK_AGAIN_S)
        return True

    def _give_up(self, reason: str) -> None:
        logger.warning("servers start without preloaded libraries: %s", reason)
        self._is_wanted = False
        self._close()

    def _close(self) -> None:
        """End it; servers that were forked from it carry another mark and go on."""
        if self._group:
            self._group.close()
            self._reader.join(_DRAIN_S)  # a server that is just being forked may hold the pipe open
            self._group.process.stdout.close()
            self._socket.unlink(missing_ok=True)
        self._group = None


# A process is one sandbox.
preloaded_parent = PreloadedParent()


def _log_output(group: ProcessGroup) -> None:
    for line in lines_of(group.process.stdout):
        logger.info("preloaded libraries: %s", line)
