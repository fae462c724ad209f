"""What a check of the preflight is, what it answers, and how many of them run at once, each with a limit."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from workshop.errors import WorkshopError

Status = Literal["OK", "WARN", "FAIL"]

LIMIT_S = 300.0
"""For one check: one that hangs ends as a line. Far longer than any takes on a busy machine of two cores, and
than the limits of the requests and programs in it, which end first and say more."""

_ACCOUNT = re.compile(r"(?<!\d)\d{8}(\d{4})(?!\d)")
_WIDTH = 14


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one check found.

    Attributes:
        status: OK; WARN for what may fail, or fails in a part that can be done elsewhere; FAIL for what will.
        subject: What was looked at, one or two words.
        found: What is there.
        next_step: What to do; "" with OK.
    """

    status: Status
    subject: str
    found: str
    next_step: str = ""

    def __str__(self) -> str:
        """Return it as text, account numbers but for their last four digits as asterisks."""
        text = f"{f'[{self.status}]':<7}{self.subject:<{_WIDTH}}{self.found}"
        if self.next_step:
            text += f"\n{'':<{7 + _WIDTH}}do next: {self.next_step}"
        return _ACCOUNT.sub(r"********\1", text)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question.

    Attributes:
        subject: Of its line, when it fails.
        look: Returns its lines; a WorkshopError is a line too.
        limit_s: After so many seconds without an answer it failed.
    """

    subject: str
    look: Callable[[], Line | Sequence[Line]]
    limit_s: float = LIMIT_S


def ok(subject: str, found: str) -> Line:
    return Line(status="OK", subject=subject, found=found)


def warn(subject: str, found: str, next_step: str) -> Line:
    return Line(status="WARN", subject=subject, found=found, next_step=next_step)


def fail(subject: str, found: str, next_step: str) -> Line:
    return Line(status="FAIL", subject=subject, found=found, next_step=next_step)


def failed(subject: str, error: WorkshopError) -> Line:
    """Return the line of an error."""
    return fail(subject, f"{error.found}; expected {error.expected}".replace("\n", " "), error.next_step)


def run_checks(checks: Iterable[Check]) -> Iterator[Line]:
    """Run checks side by side, and yield their lines in the order of the checks.

    Most of them wait for programs or for the network. Their threads are daemons: one that hangs keeps
    nobody's exit waiting.
    """
    running = []
    for check in checks:
        lines: list[Line] = []
        thread = threading.Thread(target=_answer, args=(check, lines), name=check.subject, daemon=True)
        thread.start()
        running.append((check, thread, lines))
    for check, thread, lines in running:
        thread.join(check.limit_s)
        if thread.is_alive():
            step = "look at what it waits for (network, proxy, Docker), then run this again"
            yield fail(check.subject, f"no answer within {check.limit_s:g} s", step)
        else:
            yield from lines


def _answer(check: Check, lines: list[Line]) -> None:
    """Put a check's lines into a list all at once: whoever waits sees none of them or all."""
    try:
        answer = check.look()
        answer = [answer] if isinstance(answer, Line) else list(answer)
    except WorkshopError as error:
        answer = [failed(check.subject, error)]
    except Exception as error:  # a line of its own, so that the others are still told
        text = " ".join(f"{type(error).__name__}: {error}".split())
        answer = fail(
            check.subject, f"this check itself failed ({text})", "correct what it names, if it does"
        )
    lines.extend([answer] if isinstance(answer, Line) else answer)
