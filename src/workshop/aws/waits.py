"""Waits that show what they wait for and end: at the latest after the time that they were given."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from workshop.errors import WorkshopError
from workshop.view.live import make_view

Seen = TypeVar("Seen")


@dataclass(frozen=True, kw_only=True)
class Wait:
    """What a wait tells when it is over in vain.

    Attributes:
        title: What is waited for, for people.
        timeout_s: After so many seconds the wait ends; what is waited for goes on.
        interval_s: Between two looks.
        expected: What should have come within that time.
        next_step: What to do when it did not.
    """

    title: str
    timeout_s: float
    interval_s: float
    expected: str
    next_step: str

    def until(
        self,
        look: Callable[[], Seen],
        *,
        is_done: Callable[[Seen], bool],
        text: Callable[[Seen], str],
        failure: Callable[[Seen], WorkshopError | None] = lambda seen: None,
    ) -> Seen:
        """Look again and again until it is done, and return what was seen then.

        Args:
            look: Asks AWS.
            is_done: Tells whether what was seen is what is waited for.
            text: A few words for the progress line.
            failure: The error when it will not come any more; None while it may.

        Raises:
            WorkshopError: It failed, or the time is over.
        """
        view, started_s, shown = make_view(self.title), time.monotonic(), ""
        while True:
            seen = look()
            status, lasted_s = text(seen), time.monotonic() - started_s
            if status != shown:
                view.status(shown := status)
            view.tick()
            if is_done(seen):
                view.end("done", f"{self.title} · {status} after {lasted_s:.1f} s")
                return seen
            if error := failure(seen):
                view.end("failed", f"{self.title} · {status}")
                raise error
            if lasted_s > self.timeout_s:
                view.end("failed", f"{self.title} · {status} after {lasted_s:.0f} s")
                raise WorkshopError(
                    found=f"{self.title}: {status} after {lasted_s:.0f} s",
                    expected=f"{self.expected} within {self.timeout_s:.0f} s",
                    next_step=self.next_step,
                )
            time.sleep(self.interval_s)
