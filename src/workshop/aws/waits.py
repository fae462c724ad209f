"""Waits that show what they wait for and end: at the latest after the time that they were given."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from workshop.errors import WorkshopError
from workshop.view.live import make_view

State = TypeVar("State")


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Describe a wait: how often it polls, and the error when it times out.

    Attributes:
        title: What is waited for, for people.
        timeout_s: After so many seconds the wait ends; what is waited for continues.
        interval_s: Between two polls.
        expected: What should have come within that time.
        next_step: What to do when it did not.
        subject: Stands before the status in the error, for example "the endpoint news is"; "" for the title.
        setting: Line of workshop.yaml with timeout_s; "" for none.
    """

    title: str
    timeout_s: float
    interval_s: float
    expected: str
    next_step: str
    subject: str = ""
    setting: str = ""

    def until(
        self,
        poll: Callable[[], State],
        *,
        is_done: Callable[[State], bool],
        text: Callable[[State], str],
        failure: Callable[[State], WorkshopError | None] = lambda state: None,
        rows: Callable[[State], Sequence[str]] = lambda state: (),
    ) -> State:
        """Poll until it is done, and return the last state.

        Args:
            poll: Asks AWS for the state.
            is_done: Tells whether this state is what is waited for.
            text: A few words for the progress line.
            failure: The error when it will not come any more; None while it may.
            rows: A line for each of its parts, always as many.

        Raises:
            WorkshopError: It failed, or timed out.
        """
        view, started_s, shown = make_view(self.title), time.monotonic(), ""
        while True:
            state = poll()
            status, lasted_s = text(state), time.monotonic() - started_s
            if status != shown:
                view.status(shown := status)
            view.rows(rows(state))
            view.tick()
            if is_done(state):
                view.end("done", f"{self.title} · {status} after {lasted_s:.1f} s")
                return state
            if error := failure(state):
                view.end("failed", f"{self.title} · {status}")
                raise error
            if lasted_s > self.timeout_s:
                view.end("failed", f"{self.title} · {status} after {lasted_s:.0f} s")
                setting = f" ({self.setting} in workshop.yaml)" if self.setting else ""
                raise WorkshopError(
                    found=f"{self.subject or self.title + ':'} {status} after {lasted_s:.0f} s",
                    expected=f"{self.expected} within {self.timeout_s:.0f} s{setting}",
                    next_step=self.next_step,
                )
            time.sleep(self.interval_s)
