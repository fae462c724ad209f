"""Users who ask an endpoint without a break while something is changed behind it, and count what fails.

with SteadyLoad(ask, questions, num_users=4, label=who_answered) as load:
    sagemaker.update_inference_component(...)
    wait_for_component(...)
load.result.num_failed          # 0 when nobody noticed
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from workshop.errors import WorkshopError
from workshop.serving.closed_loop import ClosedLoop

if TYPE_CHECKING:
    from pandas import DataFrame

FAILED = "failed"
_END_TIMEOUT_S = 600.0
"""For the requests under way at the end; SageMaker breaks one off after 60 s."""

_PAUSE_AFTER_FAILURE_S = 0.05
"""An error response comes at once: without a pause the users would only collect errors."""


@dataclass(frozen=True, kw_only=True)
class SteadyRequest:
    """What one request saw.

    Attributes:
        sent_at_s: time.time() of its sending.
        seconds: From sending to the answer, or to the error.
        label: Who answered; "failed" when nobody did.
        error: First line of what went wrong; "" when nothing did.
    """

    sent_at_s: float
    seconds: float
    label: str
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class SteadyResult:
    """What the users saw.

    Attributes:
        requests: In the order of their sending.
    """

    requests: tuple[SteadyRequest, ...]

    @property
    def num_failed(self) -> int:
        return sum(bool(request.error) for request in self.requests)

    @property
    def errors(self) -> dict[str, int]:
        """What went wrong -> how often."""
        return dict(Counter(request.error for request in self.requests if request.error))

    def table(self) -> DataFrame:
        """Return one row for each who answered: how many requests, and how long they took."""
        import numpy as np
        import pandas as pd

        labels = list(dict.fromkeys(request.label for request in self.requests))
        rows = []
        for label in labels:
            seconds = [request.seconds for request in self.requests if request.label == label]
            rows.append(
                {
                    "answered by": label,
                    "requests": len(seconds),
                    "median ms": round(1000 * float(np.median(seconds)), 1),
                    "p95 ms": round(1000 * float(np.percentile(seconds, 95)), 1),
                }
            )
        return pd.DataFrame(rows, columns=["answered by", "requests", "median ms", "p95 ms"])


class SteadyLoad:
    """Send requests from the block's beginning to its end, each user the next one when the last has ended.

    Args:
        ask: Sends a question and returns the answer; raises when it fails. Called by several threads.
        questions: Taken in turn.
        num_users: In parallel, 1 or more.
        label: Tells from an answer who gave it.

    Attributes:
        result: After the block.

    Raises:
        WorkshopError: No question or no user; at the end of the block: a request that does not end.
    """

    result: SteadyResult

    def __init__(
        self,
        ask: Callable[[Any], Any],
        questions: Sequence[Any],
        *,
        num_users: int,
        label: Callable[[Any], str] = lambda answer: "answered",
    ) -> None:
        if not questions or num_users < 1:
            raise WorkshopError(
                found=f"{len(questions)} questions and num_users = {num_users}",
                expected="1 or more of each",
                next_step="correct num_load_users in workshop.yaml, or the questions",
            )
        self._ask, self._questions, self._label = ask, questions, label
        self._users = ClosedLoop(self._send, num_users=num_users, name="steady user")

    def __enter__(self) -> SteadyLoad:
        self._users.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._users.has_to_stop.set()
        num_still_asking = self._users.join(_END_TIMEOUT_S)
        requests = sorted(self._users.results, key=lambda one: one.sent_at_s)
        self.result = SteadyResult(requests=tuple(requests))
        if self._users.failure and error is None:
            raise self._users.failure
        if num_still_asking and error is None:
            raise WorkshopError(
                found=f"{num_still_asking} requests without an end after {_END_TIMEOUT_S:.0f} s",
                expected="an answer or an error within 60 s, as SageMaker Runtime promises",
                next_step="give the client of `ask` a read_timeout, and look at the endpoint's log",
            )

    def _send(self, index: int, user: int) -> SteadyRequest:
        question = self._questions[index % len(self._questions)]
        sent_at_s, started_s, label, problem = time.time(), time.perf_counter(), FAILED, ""
        try:
            label = self._label(self._ask(question))
        except Exception as error:  # counted: that is what the users are here for
            problem = (str(error) or type(error).__name__).splitlines()[0]
        seconds = time.perf_counter() - started_s
        if problem:
            self._users.has_to_stop.wait(_PAUSE_AFTER_FAILURE_S)
        return SteadyRequest(sent_at_s=sent_at_s, seconds=seconds, label=label, error=problem)
