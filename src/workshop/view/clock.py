"""A clock under a cell that shows nothing: whoever waits sees that it works, and since when.

Every notebook's first cell calls `show_clock_when_silent`. Imports, a tokenizer, the bootstrap of a score say
nothing for seconds on a slow processor, and no cell has to know.
"""

from __future__ import annotations

import threading
import time
from typing import Any

SILENT_S = 3.0
"""A cell that has shown nothing new for so long gets the clock."""
MARK = {"workshop": "clock"}
"""Metadata of its output: the report leaves it out, and the stopwatch does not take it for progress."""

_TICK_S = 1.0
_END_S = 2.0  # no cell waits longer for its clock, whatever became of that
_SEEN = ("stream", "display_data", "update_display_data", "execute_result", "clear_output", "comm_msg")
_LOOK = "font-size:13px;opacity:.75;font-variant-numeric:tabular-nums"


def show_clock_when_silent() -> None:
    """Let every cell from the next one on have the clock; called again, or not in a notebook, do nothing."""
    from IPython import get_ipython

    shell = get_ipython()
    if hasattr(shell, "kernel") and not hasattr(shell, "workshop_clock"):
        shell.workshop_clock = clock = Clock(shell.kernel.session)
        shell.events.register("pre_run_cell", clock.begin)
        shell.events.register("post_run_cell", clock.end)


class Clock:
    """Ticks on a thread of its own while a cell runs.

    Args:
        session: The kernel's (jupyter_client): every message to the page goes through its `send`.
    """

    def __init__(self, session: Any) -> None:
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._moved_s = 0.0
        send = session.send

        def noting_send(stream: Any, message: Any, *args: Any, **words: Any) -> Any:
            kind = message if isinstance(message, str) else message.get("msg_type")
            if kind in _SEEN and threading.current_thread() is not self._thread:
                self._moved_s = time.monotonic()
            return send(stream, message, *args, **words)

        session.send = noting_send

    def begin(self, info: object = None) -> None:
        """Wait for the cell's first silence."""
        self.end()
        self._is_over = threading.Event()
        self._moved_s = time.monotonic()
        arguments = (self._is_over, self._moved_s)
        self._thread = threading.Thread(target=self._tick, args=arguments, name="cell clock", daemon=True)
        self._thread.start()

    def end(self, result: object = None) -> None:
        """Let the clock say how long the cell took, where it was shown."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join(_END_S)
            self._thread = None

    def _tick(self, is_over: threading.Event, start_s: float) -> None:
        from IPython.display import display

        shown = None
        while not is_over.wait(_TICK_S):
            now_s = time.monotonic()
            if shown is not None:
                shown.update(_bundle("실행 중 · running", now_s - start_s), raw=True, metadata=MARK)
            elif now_s - self._moved_s >= SILENT_S:
                first = _bundle("실행 중 · running", now_s - start_s)
                shown = display(first, raw=True, metadata=MARK, display_id=True)
        if shown is not None:
            last = _bundle("걸린 시간 · took", time.monotonic() - start_s)
            shown.update(last, raw=True, metadata=MARK)


def _bundle(words: str, seconds: float) -> dict[str, str]:
    text = f"{words} {seconds:.0f} s"
    return {"text/html": f'<div style="{_LOOK}">{text}</div>', "text/plain": text}
