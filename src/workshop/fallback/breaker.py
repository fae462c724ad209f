"""When a rung is left alone: a circuit breaker, and a bound on requests that are sent once more.

pybreaker 1.4.1 holds its lock while a call runs, so that callers wait for each other, and counts its pause by
the wall clock; botocore's `standard` mode has 500 tokens to begin with, 35 retries in a row whatever was
asked, and sleeps without knowing how much time a caller has left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"


@dataclass(frozen=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens, and for how long.

    Args:
        num_failures: So many in a row open it, 1 or more.
        cooldown_s: Until one request may probe whether the rung answers again, above 0.

    Raises:
        ValueError: A value is out of range.
    """

    num_failures: int = 5
    cooldown_s: float = 30.0

    def __post_init__(self) -> None:
        if self.num_failures < 1 or self.cooldown_s <= 0:
            raise ValueError(f"found {self}; expected num_failures of 1 or more and cooldown_s above 0")


class Breaker:
    """Let requests through while a rung answers, none while it does not, and one at a time to find out.

    Threads may share it. A request that was let through before the state changed has no say any more: what
    began before a breaker opened neither closes it nor keeps it open.

    Args:
        policy: When it opens, and for how long.
        clock: Monotonic, in seconds.
    """

    def __init__(self, policy: BreakerPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._clock = policy, clock
        self._lock = threading.Lock()
        self._era = 0  # counts changes of state
        self._num_failures, self._opened_s, self._is_probing = 0, 0.0, False
        self._state = CLOSED

    @property
    def state(self) -> str:
        """CLOSED, OPEN or HALF_OPEN, as the next request would find it."""
        with self._lock:
            return HALF_OPEN if self._state == OPEN and self._has_cooled() else self._state

    def admit(self) -> int | None:
        """Return a permit for one request, or None; each permit goes to one of the methods below."""
        with self._lock:
            if self._state == OPEN and self._has_cooled():
                self._change(HALF_OPEN)
            if self._state == CLOSED:
                return self._era
            if self._state == OPEN or self._is_probing:
                return None
            self._is_probing = True
            return self._era

    def succeeded(self, permit: int) -> None:
        """The rung answers, be it that the answer is of no use."""
        with self._lock:
            if permit == self._era:
                self._num_failures = 0
                if self._state == HALF_OPEN:
                    self._change(CLOSED)

    def failed(self, permit: int) -> None:
        """The rung does not answer."""
        with self._lock:
            if permit != self._era:
                return
            self._num_failures += 1
            if self._state == HALF_OPEN or self._num_failures >= self._policy.num_failures:
                self._opened_s = self._clock()
                self._change(OPEN)

    def released(self, permit: int) -> None:
        """The request says nothing about the rung: it never went there, or was wrong itself."""
        with self._lock:
            if permit == self._era:
                self._is_probing = False

    def _has_cooled(self) -> bool:
        return self._clock() - self._opened_s >= self._policy.cooldown_s

    def _change(self, state: str) -> None:
        self._state, self._is_probing, self._num_failures = state, False, 0
        self._era += 1


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a rung is asked once more before the next one is.

    Args:
        most: Of one question at one rung, 0 or more.
        share: Retries at a rung are at most this share of the questions that it was asked, 0 to 1.
        backoff_s: The wait before a retry is drawn between 0 and this; it doubles. Seconds.

    Raises:
        ValueError: A value is out of range.

    Source: "Site Reliability Engineering", 2016, chapter 21 (a retry budget of 10 % for each client);
    Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015 (full jitter).
    """

    most: int = 1
    share: float = 0.1
    backoff_s: float = 0.05

    def __post_init__(self) -> None:
        if self.most < 0 or not 0 <= self.share <= 1 or self.backoff_s < 0:
            raise ValueError(f"found {self}; expected most and backoff_s of 0 or more, share from 0 to 1")


class RetryBudget:
    """Count what may be sent once more: a share of what was asked, however many threads ask.

    Args:
        share: Between 0 and 1.
    """

    MOST_SAVED = 10.0
    """Retries: an hour without faults does not pay for a storm."""

    def __init__(self, share: float) -> None:
        self._share, self._saved = share, 0.0
        self._lock = threading.Lock()

    def asked(self) -> None:
        """Note a question that was sent for the first time."""
        with self._lock:
            self._saved = min(self._saved + self._share, self.MOST_SAVED)

    def take(self) -> bool:
        """Tell whether one more request may be sent, and count it."""
        with self._lock:
            is_enough = self._saved >= 1 - 1e-9  # ten times 0.1
            self._saved -= is_enough
            return is_enough
