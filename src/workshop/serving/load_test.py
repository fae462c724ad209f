"""Many users at once: how long each waits for the first token and between tokens, and what they all get.

results = [load_test(client, questions, num_users=n, num_requests=40) for n in (1, 2, 4, 8)]
load_table(results)
plots.load_curves(results)
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workshop.errors import WorkshopError
from workshop.inference import Client, InferenceError
from workshop.inference.answers import AnswerStream
from workshop.prompt import Message
from workshop.serving.closed_loop import ClosedLoop
from workshop.view.live import make_view

if TYPE_CHECKING:
    from pandas import DataFrame

PERCENTILES = (50, 95)
_JOIN_S = 0.2


@dataclass(frozen=True, kw_only=True)
class LoadRequest:
    """What one request of a load test saw.

    Attributes:
        index: Of the request, from 0.
        user: Who sent it, from 0.
        started_s: When, counted from the start of the test.
        seconds: From sending to the end of the answer, or to the error.
        first_token_s: From sending to the first token; None without one.
        gaps_s: Between each token and the next; engines may send a few tokens at once.
        num_tokens: Generated, as the engine counts.
        error: First line of what went wrong; "" when nothing did.
    """

    index: int
    user: int
    started_s: float
    seconds: float
    first_token_s: float | None
    gaps_s: tuple[float, ...]
    num_tokens: int
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """What a load test saw. Percentiles are of the requests without an error.

    Attributes:
        num_users: In parallel.
        requests: In the order of their index.
        wall_s: From the first request to the end of the last.
    """

    num_users: int
    requests: tuple[LoadRequest, ...]
    wall_s: float

    @property
    def good(self) -> list[LoadRequest]:
        """The requests without an error."""
        return [request for request in self.requests if not request.error]

    @property
    def errors(self) -> dict[str, int]:
        """What went wrong -> how often."""
        return dict(Counter(request.error for request in self.requests if request.error))

    @property
    def requests_per_s(self) -> float:
        return len(self.good) / self.wall_s

    @property
    def tokens_per_s(self) -> float:
        """Generated tokens of all users together."""
        return sum(request.num_tokens for request in self.good) / self.wall_s

    def first_token_s(self, percentile: float) -> float:
        return _percentile(
            [one.first_token_s for one in self.good if one.first_token_s is not None], percentile
        )

    def gap_s(self, percentile: float) -> float:
        """Return a percentile of the time between two tokens, over all answers together."""
        return _percentile([gap for request in self.good for gap in request.gaps_s], percentile)

    def total_s(self, percentile: float) -> float:
        return _percentile([request.seconds for request in self.good], percentile)

    def row(self) -> dict[str, Any]:
        """Return one row of a table; times in milliseconds, NaN where there is nothing to measure."""
        times = {
            f"{name} p{percentile} ms": round(1000 * measure(percentile), 1)
            for name, measure in (
                ("first token", self.first_token_s),
                ("between tokens", self.gap_s),
                ("total", self.total_s),
            )
            for percentile in PERCENTILES
        }
        return {
            "users": self.num_users,
            "requests": len(self.requests),
            "errors": len(self.requests) - len(self.good),
            **times,
            "requests/s": round(self.requests_per_s, 2),
            "tokens/s": round(self.tokens_per_s, 1),
        }


def load_test(
    client: Client,
    prompts: Sequence[str | Sequence[Message]],
    *,
    num_users: int,
    num_requests: int,
    progress: Callable[[int, int], None] | None = None,
    **parameters: Any,
) -> LoadResult:
    """Let users send streaming requests one after the other, all users at once.

    Each user sends the next request when its last one has ended (a closed loop), so a slow server is asked
    less often: what is measured is what so many patient users see. How many have ended is shown meanwhile.

    Args:
        client: With max_retries=0 an error response counts as an error; else the wait counts as the user's.
        prompts: Texts or messages; taken in turn.
        num_users: In parallel, 1 or more; no more than requests are started.
        num_requests: Of all users together, 1 or more.
        progress: Called with (requests ended, all requests), from the users' threads.
        parameters: As in `Parameters`.

    Raises:
        WorkshopError: No prompt, a number below 1, or a wrong parameter.
        KeyboardInterrupt: The cell was interrupted; requests under way are given up.
    """
    if not prompts or num_users < 1 or num_requests < 1:
        raise WorkshopError(
            found=f"{len(prompts)} prompts, num_users = {num_users}, num_requests = {num_requests}",
            expected="1 or more of each",
            next_step="correct num_load_users and num_load_requests in workshop.yaml, or the prompts",
        )
    client.dialect.body(prompts[0], stream=True, **parameters)  # a wrong parameter is said once, and here
    started_s = time.perf_counter()

    def send(index: int, user: int) -> LoadRequest:
        sent_s = time.perf_counter()
        stream = client.stream(prompts[index % len(prompts)], **parameters)
        error, num_tokens = _read(stream, users.has_to_stop)
        times = stream.token_times_s
        return LoadRequest(
            index=index,
            user=user,
            started_s=sent_s - started_s,
            seconds=time.perf_counter() - sent_s,
            first_token_s=times[0] if times else None,
            gaps_s=tuple(later - earlier for earlier, later in itertools.pairwise(times)),
            num_tokens=num_tokens,
            error=error,
        )

    users = ClosedLoop(
        send,
        num_users=min(num_users, num_requests),
        name="load user",
        num_requests=num_requests,
        on_result=progress and (lambda num_ended: progress(num_ended, num_requests)),
    )
    view, name = make_view("load test"), f"load test, users: {num_users}"
    users.start()
    try:
        is_running = True
        while is_running:  # a join without a timeout may sleep through an interrupt
            is_running = users.join(_JOIN_S) > 0
            num_ended = len(users.results)
            view.share(num_ended / num_requests, f"{num_ended} of {num_requests} requests have ended")
            view.tick()
        if users.failure is not None:
            raise users.failure
    except BaseException:
        users.has_to_stop.set()
        view.end("stopped", f"{name} · stopped")
        raise
    wall_s = max(request.started_s + request.seconds for request in users.results)
    view.end("done", f"{name} · {num_requests} requests in {wall_s:.1f} s")
    requests = tuple(sorted(users.results, key=lambda request: request.index))
    return LoadResult(num_users=num_users, requests=requests, wall_s=wall_s)


def load_table(results: Sequence[LoadResult]) -> DataFrame:
    """Return a table with one row for each load test."""
    import pandas as pd

    return pd.DataFrame([result.row() for result in results]).set_index("users")


def _read(stream: AnswerStream, has_to_stop: threading.Event) -> tuple[str, int]:
    """Read an answer to its end; return what went wrong, or "", and the number of tokens."""
    try:
        for _ in stream:
            if has_to_stop.is_set():
                stream.close()
                return "", 0
    except InferenceError as error:
        return error.found.splitlines()[0], 0
    return "", stream.answer.num_generated_tokens or 0


def _percentile(values: Sequence[float], percentile: float) -> float:
    import numpy as np

    return float(np.percentile(values, percentile)) if len(values) else float("nan")
