"""Answers are scored while they come, beside the callers: what share of the last ones is bad.

    with AnswerScorer(is_bad, put, interval_s=10) as scorer:
        scorer.saw(article, text, "v2")       # by any thread; costs its caller an append

`put` gets the share, for example to hand it to CloudWatch, where an alarm looks at it. It is the share of a
number of answers and not of a span of time: how much luck is in it does not depend on the traffic.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType

NUM_LAST = 40
"""Of a model with 3 % bad answers eight and more of forty are bad in one of some 47,000 such windows."""


class AnswerScorer:
    """Score answers on a thread of its own, and tell the share of bad ones among the last.

    Args:
        is_bad: Of an article and an answer.
        put: Gets the share, 0 to 1, once there are `num_last` answers and whenever there are more. Its error
            ends the scoring, and is raised at the block's end.
        interval_s: Between two tellings.
        num_last: Answers that count.

    Attributes:
        num_scored: Since the beginning.
    """

    def __init__(
        self,
        is_bad: Callable[[str, str], bool],
        put: Callable[[float], object],
        *,
        interval_s: float,
        num_last: int = NUM_LAST,
    ) -> None:
        self.num_scored = 0
        self._by_who: dict[str, list[bool]] = {}
        self._is_bad, self._put, self._interval_s = is_bad, put, interval_s
        self._answers: queue.SimpleQueue[tuple[str, str, str]] = queue.SimpleQueue()
        self._last: deque[bool] = deque(maxlen=num_last)
        self._has_to_stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="answer scorer", daemon=True)

    @property
    def bad_shares(self) -> dict[str, float]:
        """Who answered -> the share of bad answers among theirs, 0 to 1, once they are scored."""
        return {who: round(sum(bad) / len(bad), 3) for who, bad in self._by_who.items()}

    def saw(self, article: str, text: str, who: str) -> str:
        """Note an answer to be scored, and return who gave it."""
        self._answers.put((article, text, who))
        return who

    def __enter__(self) -> AnswerScorer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._has_to_stop.set()
        self._thread.join()
        if self._failure and error is None:
            raise self._failure

    def _work(self) -> None:
        try:
            while not self._has_to_stop.wait(self._interval_s):
                self._tell()
            self._tell()
        except BaseException as failure:  # raised again where the block ends
            self._failure = failure

    def _tell(self) -> None:
        num_before = self.num_scored
        while not self._answers.empty():
            article, text, who = self._answers.get()
            is_bad = bool(self._is_bad(article, text))
            self._last.append(is_bad)
            self._by_who.setdefault(who, []).append(is_bad)
            self.num_scored += 1
        if self.num_scored > num_before and len(self._last) == self._last.maxlen:
            self._put(sum(self._last) / len(self._last))
