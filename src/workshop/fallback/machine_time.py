"""What an answer costs: its share of the time that a machine is busy.

An hour of a machine costs the same however many answers it gives. While k requests are under way each pays a
k-th of every second, so that all of them together pay for the seconds in which the machine was busy: the
ledger's sum is price x busy time, whatever failed. With the same number of users all the time it is what
`ladder.usd_per_1000_answers` says. Idle time is nobody's: it is what a machine costs that stands by.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal

SMALLEST_USD = Decimal("1e-9")
"""Every amount is a multiple of it, so that sums are exact."""


class MachineTime:
    """Share a machine's seconds among the requests that are under way; threads may share it.

    It sees the requests of this process alone: with others on the same machine each share is too large.

    Args:
        clock: Monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._num_under_way, self._seen_s = 0, 0.0
        self._each_s = 0.0  # what a request that was always under way would have paid for

    def begin(self) -> float:
        """Note a request; return the mark that it ends with."""
        with self._lock:
            self._go_on()
            self._num_under_way += 1
            return self._each_s

    def end(self, mark: float) -> float:
        """Return the seconds of the machine that were this request's."""
        with self._lock:
            self._go_on()
            self._num_under_way -= 1
            return self._each_s - mark

    def _go_on(self) -> None:
        now_s = self._clock()
        if self._num_under_way:
            self._each_s += (now_s - self._seen_s) / self._num_under_way
        self._seen_s = now_s


def usd_of(seconds: float, usd_per_hour: float | Decimal | None) -> Decimal | None:
    """Return what seconds of a machine cost, a multiple of SMALLEST_USD; None where no price is known."""
    if usd_per_hour is None:
        return None
    usd = Decimal(str(usd_per_hour)) * Decimal(seconds) / 3600
    return usd.quantize(SMALLEST_USD, rounding=ROUND_HALF_EVEN)
