"""What a running process says: read without waiting too long, sorted, shown, kept and logged."""

import json
import os
import re
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import IO

from processes.group import ProcessGroup
from workshop.view.live import NotebookView, PlainView

NUM_KEPT_LINES = 200
NUM_ERROR_LINES = 15
"""Of a log, shown in the error of what wrote it."""

_BLOCK_BYTES = 65_536
_MESSAGE = re.compile(r"(progress|phase) (?=\{)")
# A carriage return alone ends a line too (progress bars), unless its newline is in the next block.
_LINE_END = re.compile(rb"\r?\n|\r(?=[^\n])")


def last_lines(lines: Iterable[str]) -> str:
    """Return the last lines of a log as an error shows them, after "its last lines:".

    Above them stands the program's own error of three lines, where it has printed one: torchrun and the
    scripts of a training job write some 50 lines below it.
    """
    lines = list(lines)
    last = lines[-NUM_ERROR_LINES:]
    threes = [lines[at : at + 3] for at in range(len(lines) - NUM_ERROR_LINES)]
    own = [three for three in threes if _is_own_error(three)]
    shown = [*own[-1], "...", *last] if own else last
    return "".join(f"\n  | {line}" for line in shown) or " none"


def _is_own_error(three: list[str]) -> bool:
    return all(map(str.startswith, three, ("found  ", "expected  ", "do next  ")))


class Reader:
    """Sorts output into progress, phases and plain lines; shows, keeps and logs them."""

    def __init__(self, log: IO[str], hide: Callable[[str], str], view: PlainView | NotebookView) -> None:
        self.view = view
        self.records: list[dict[str, float]] = []
        self.phases: dict[str, float] = {}
        self.lines: deque[str] = deque(maxlen=NUM_KEPT_LINES)
        self._log, self._hide = log, hide
        self._rest = b""

    def feed(self, block: bytes) -> None:
        """Take a block of output; a line that is not finished waits for the next block."""
        *lines, self._rest = _LINE_END.split(self._rest + block)
        for line in lines:
            self._line(line)

    def close(self) -> None:
        """Take what is left as a line."""
        if self._rest:
            self._line(self._rest)
        self._rest = b""

    def _line(self, line: bytes) -> None:
        text = self._hide(line.decode("utf-8", errors="replace"))
        self._log.write(text + "\n")
        self._log.flush()
        kind, content, others = _parse(text)
        if kind == "progress":
            self.records.append(content)
            self.view.progress(content, f"progress {json.dumps(content)}")
        elif kind == "phase":
            self.phases |= content
            self.view.phase(content, f"phase {json.dumps(content)}")
        for other in others:
            self.lines.append(other)
            self.view.line(other)


class Events:
    """Waits for a process's output and for its end, whichever comes first."""

    def __init__(self, group: ProcessGroup) -> None:
        self._group = group
        self._output = group.process.stdout.fileno()
        self._ended, self._end_signal = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        self._selector.register(self._ended, selectors.EVENT_READ)
        os.set_blocking(self._output, False)
        self._is_open = True
        # The end of a process has no file descriptor on macOS: a thread waits for it and closes a pipe.
        self._waiter = threading.Thread(target=self._wait, name="wait for process", daemon=True)
        self._waiter.start()

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, *_: object) -> None:
        self._waiter.join()
        self._selector.close()
        os.close(self._ended)
        self._group.process.stdout.close()

    def _wait(self) -> None:
        try:
            self._group.process.wait()
        finally:
            os.close(self._end_signal)

    def pump(self, reader: Reader, deadline_s: float) -> bool:
        """Read until the process ends or the deadline; return whether it ended."""
        while (left_s := deadline_s - time.monotonic()) > 0:
            due_s = reader.view.due_s
            for key, _ in self._selector.select(left_s if due_s is None else min(left_s, due_s)):
                if key.fd == self._ended:
                    return True
                self._read(reader)
            reader.view.tick()
        return False

    def drain(self, reader: Reader, deadline_s: float) -> None:
        """Read what is left, until the output ends or the deadline."""
        self._selector.unregister(self._ended)
        while self._is_open and (left_s := deadline_s - time.monotonic()) > 0:
            for _ in self._selector.select(left_s):
                self._read(reader)

    def _read(self, reader: Reader) -> None:
        block = os.read(self._output, _BLOCK_BYTES)
        if block:
            reader.feed(block)
        else:
            self._is_open = False
            self._selector.unregister(self._output)


def _parse(text: str) -> tuple[str | None, dict[str, float], list[str]]:
    """Split a line into a message and what other processes wrote into the same line.

    Returns:
        "progress", "phase" or None; the message's content; the other text, in pieces.
    """
    if match := _MESSAGE.search(text):
        try:
            content, end = json.JSONDecoder().raw_decode(text, match.end())
        except json.JSONDecodeError:
            return None, {}, [text]
        others = [part for part in (text[: match.start()], text[end:]) if part.strip()]
        return match[1], content, others
    return None, {}, [text]
