"""A call that is left when its time is over."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any


class OverTimeError(Exception):
    """What was asked has not come in time."""


def within(seconds: float, call: Callable[[], Any], ended: Callable[[], None]) -> Any:
    """Return what a call returns, or raise what it raises; leave it to itself when the time is over.

    A thread, because no client has a time-out for a whole call: botocore's is between two bytes, a name's
    look-up has none. The thread ends when the client's own time-outs end the call.

    Raises:
        OverTimeError: The time is over.
    """
    results: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
    context = contextvars.copy_context()  # traces go on in the thread

    def run() -> None:
        try:
            results.put((context.run(call), None))
        except BaseException as error:
            results.put((None, error))
        finally:
            ended()

    threading.Thread(target=run, name="fallback", daemon=True).start()
    try:
        value, error = results.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise OverTimeError from None
    if error is not None:
        raise error
    return value
