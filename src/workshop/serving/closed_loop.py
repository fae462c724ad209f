"""Users in a closed loop: each sends its next request when its last one has ended."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class ClosedLoop(Generic[Result]):
    """Let users send requests, each on a thread of its own, until all are sent or `has_to_stop` is set.

    Args:
        send: Sends request INDEX as USER, both from 0, and returns what came of it. Called by all threads.
        num_users: In parallel, 1 or more.
        name: Of the threads, before the user's number.
        num_requests: Of all users together; None for no limit.
        on_result: Called with the number of results after each one, from the users' threads.

    Attributes:
        results: What `send` returned, in the order of the ends.
        failure: The first exception of `send` or `on_result`, which ends all users; None without one.
        has_to_stop: Set it to let every user end with the request under way.
    """

    def __init__(
        self,
        send: Callable[[int, int], Result],
        *,
        num_users: int,
        name: str,
        num_requests: int | None = None,
        on_result: Callable[[int], None] | None = None,
    ) -> None:
        self.results: list[Result] = []
        self.failure: BaseException | None = None
        self.has_to_stop = threading.Event()
        self._send, self._num_requests, self._on_result = send, num_requests, on_result
        self._numbers, self._lock = itertools.count(), threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(user,), name=f"{name} {user}", daemon=True)
            for user in range(num_users)
        ]

    def start(self) -> None:
        """Start all users."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout_s: float) -> int:
        """Wait for the users to end, and return how many have not after so many seconds."""
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(deadline_s - time.monotonic(), 0))
        return sum(thread.is_alive() for thread in self._threads)

    def _work(self, user: int) -> None:
        try:
            while not self.has_to_stop.is_set():
                with self._lock:
                    index = next(self._numbers)
                if self._num_requests is not None and index >= self._num_requests:
                    return
                result = self._send(index, user)
                with self._lock:
                    self.results.append(result)
                    if self._on_result is not None:
                        self._on_result(len(self.results))
        except BaseException as failure:  # raised again where the users are waited for
            self.failure = self.failure or failure
            self.has_to_stop.set()
