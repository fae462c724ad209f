"""The client that falls back: each question is answered within its budget, by the best rung that can."""

from __future__ import annotations

import random
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from workshop.errors import WorkshopError
from workshop.fallback.answer import Attempt, FallbackAnswer
from workshop.fallback.breaker import Breaker, BreakerPolicy, RetryBudget, RetryPolicy
from workshop.fallback.deadline import OverTimeError, within
from workshop.fallback.failures import (
    ANSWERED,
    BREAKER_OPEN,
    COUNTED,
    CROWDED,
    NO_TIME,
    REPEATABLE,
    TAKES_NO_MORE,
    TIMED_OUT,
    TOO_LONG,
    Failure,
    failure_of,
    unusable,
)
from workshop.fallback.machine_time import MachineTime, usd_of
from workshop.fallback.quality import quality_of
from workshop.fallback.rungs import Question, Rung, article_in
from workshop.inference.answers import Answer

LOCAL_S = 0.05
"""Kept of every budget for a rung on this machine."""

ROOM = 1.5
"""So many times its typical latency is kept for the next rung: half of its answers take longer than that."""

NUM_SEEN = 20
MOST_UNDER_WAY = 64
"""At one rung, those included that nobody waits for any more."""


class _Watched:
    """A rung with what is known of it."""

    def __init__(
        self, rung: Rung, breaker: BreakerPolicy, retries: RetryPolicy, clock: Callable[[], float]
    ) -> None:
        self.rung = rung
        self.breaker = Breaker(breaker, clock)
        self.retries = RetryBudget(retries.share)
        self.slots = threading.BoundedSemaphore(MOST_UNDER_WAY)
        self._lock, self._seconds = threading.Lock(), deque[float](maxlen=NUM_SEEN)

    def saw(self, seconds: float) -> None:
        with self._lock:
            self._seconds.append(seconds)

    @property
    def typical_s(self) -> float:
        """What an answer takes; with less than that left it is not begun."""
        with self._lock:
            seen = list(self._seconds)
        return median(seen) if seen else self.rung.typical_s

    @property
    def kept_s(self) -> float:
        """What the rung before it leaves; with exactly its latency left it would be too late to begin it."""
        return ROOM * self.typical_s + LOCAL_S


@dataclass(frozen=True)
class _Outcome:
    attempt: Attempt
    answer: Answer | None


class FallbackClient:
    """Ask the rungs in their order until one has an answer that may be shown; threads may share a client.

    An attempt may take what is left of the budget less what the next rung needs, and is left when that is
    over, whatever its own time-outs are. Every rung has a breaker and a bound on retries of its own.

    Args:
        rungs: The best first; the last is best a local one, which always answers.
        budget_s: Seconds that a question may take, above LOCAL_S.
        retries: When a rung is asked once more.
        breaker: When a rung is left alone.
        quality: Takes article and answer, gives what is known of the answer without a reference; it is not
            part of the budget, so one that takes long belongs elsewhere.
        count_tokens: Of a text, in the model's tokenizer, where a server does not report them.
        is_unusable: Why an answer may not be shown; "" when it may.
        clock: Monotonic, in seconds.

    Raises:
        ValueError: No rung, two of one name, or a budget that is too small.
    """

    def __init__(
        self,
        rungs: Sequence[Rung],
        *,
        budget_s: float,
        retries: RetryPolicy | None = None,
        breaker: BreakerPolicy | None = None,
        quality: Callable[[str, str], Mapping[str, float]] = quality_of,
        count_tokens: Callable[[str], int] | None = None,
        is_unusable: Callable[[Answer], str] = unusable,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        names = [rung.name for rung in rungs]
        if not names or len(set(names)) < len(names) or budget_s <= LOCAL_S:
            raise ValueError(
                f"found rungs {names}, budget_s = {budget_s}; expected one or more of different names and "
                f"more than {LOCAL_S} s"
            )
        self.budget_s, self._clock = budget_s, clock
        self._retries, policy = retries or RetryPolicy(), breaker or BreakerPolicy()
        self._rungs = [_Watched(rung, policy, self._retries, clock) for rung in rungs]
        self._machines = {rung.machine_name: MachineTime(clock) for rung in rungs}
        self._quality, self._count_tokens, self._is_unusable = quality, count_tokens, is_unusable

    def states(self) -> dict[str, str]:
        """Return the state of each rung's breaker."""
        return {one.rung.name: one.breaker.state for one in self._rungs if not one.rung.is_local}

    def ask(self, question: Question) -> FallbackAnswer:
        """Return an answer within the budget.

        Args:
            question: An article, or the messages that ask for its summary.

        Raises:
            WorkshopError: The question is empty or wrong in itself, a right or a name is missing, or no rung
                has an answer and none is local.
        """
        started_s = self._clock()
        article = article_in(question)
        if not article.strip():
            raise WorkshopError(
                found="an article without text",
                expected="the text to summarise",
                next_step="look at where the article comes from: no rung can answer an empty one",
            )
        attempts: list[Attempt] = []
        for index in range(len(self._rungs)):
            answer = self._ask_rung(index, question, started_s + self.budget_s, attempts)
            if answer is not None:
                return FallbackAnswer(
                    text=answer.text,
                    rung=self._rungs[index].rung.name,
                    attempts=tuple(attempts),
                    latency_s=self._clock() - started_s,
                    budget_s=self.budget_s,
                    model=answer.model,
                    quality=self._quality_of(article, answer.text),
                )
        raise WorkshopError(
            found="no answer: " + "; ".join(f"{one.rung} {one.why} {one.text}".strip() for one in attempts),
            expected="one rung that answers",
            next_step="end the list of rungs with lead_rung(): it needs no endpoint and always answers",
        )

    def _quality_of(self, article: str, text: str) -> dict[str, float]:
        """Return what is known of an answer; a score that fails takes nobody's answer away."""
        try:
            return dict(self._quality(article, text))
        except Exception as problem:
            warnings.warn(f"an answer without its quality: {type(problem).__name__}: {problem}", stacklevel=3)
            return {}

    def _ask_rung(
        self, index: int, question: Question, deadline_s: float, attempts: list[Attempt]
    ) -> Answer | None:
        """Ask a rung, once more where that may help, and note every attempt."""
        watched = self._rungs[index]
        for number in range(self._retries.most + 1):
            left_s = self._left_s(index, deadline_s)
            why = self._obstacle(watched, left_s, attempts)
            permit = None if why or watched.rung.is_local else watched.breaker.admit()
            if not why and not watched.rung.is_local and permit is None:
                why = BREAKER_OPEN
            if why:
                attempts.append(Attempt(rung=watched.rung.name, why=why))
                return None
            if number == 0:
                watched.retries.asked()
            outcome = self._attempt(watched, question, left_s, permit)
            attempts.append(outcome.attempt)
            is_last = outcome.attempt.why not in REPEATABLE or number == self._retries.most
            if outcome.answer is not None or is_last or not watched.retries.take():
                return outcome.answer
            pause_s = random.uniform(0, self._retries.backoff_s * 2**number)
            time.sleep(max(0.0, min(pause_s, self._left_s(index, deadline_s))))
        return None

    def _left_s(self, index: int, deadline_s: float) -> float:
        """Return what an attempt may take: what is left, less what the next rung is kept, where both fit."""
        left_s = deadline_s - self._clock() - LOCAL_S
        behind = (one.kept_s for one in self._rungs[index + 1 :] if not one.rung.is_local)
        kept_s = next(behind, 0.0)
        return left_s - kept_s if left_s - kept_s >= self._rungs[index].typical_s else left_s

    def _obstacle(self, watched: _Watched, left_s: float, attempts: Sequence[Attempt]) -> str:
        """Return why a rung is passed over before anybody asks it; "" when it is not."""
        if watched.rung.is_local:
            return ""
        if self._is_too_long(watched.rung, attempts):
            return TAKES_NO_MORE
        # With nothing spent it is begun however slow it was: how else would it be seen to be fast again?
        is_spent = any(attempt.was_sent for attempt in attempts)
        return NO_TIME if is_spent and left_s < watched.typical_s else ""

    def _is_too_long(self, rung: Rung, attempts: Sequence[Attempt]) -> bool:
        """Tell whether another rung has found the question too long and this one does not take more."""
        refused = {attempt.rung for attempt in attempts if attempt.why == TOO_LONG}
        limits = [one.rung.max_input_tokens for one in self._rungs if one.rung.name in refused]
        if not limits:
            return False
        return rung.max_input_tokens is None or None in limits or rung.max_input_tokens <= max(limits)

    def _attempt(self, watched: _Watched, question: Question, left_s: float, permit: int | None) -> _Outcome:
        """Ask a rung once, tell its breaker, and say what it took."""
        rung, machine = watched.rung, self._machines[watched.rung.machine_name]
        begun_s, mark = self._clock(), machine.begin()
        machine_s, is_settled = 0.0, permit is None
        try:
            answer, failure = self._asked(watched, question, left_s)
            if permit is not None:
                tell = watched.breaker.failed if failure.why in COUNTED else watched.breaker.succeeded
                tell(permit)
                is_settled = True
        finally:
            machine_s = machine.end(mark)
            if not is_settled:  # the caller's own error says nothing about the rung
                watched.breaker.released(permit)
        seconds = self._clock() - begun_s
        if answer is not None:
            watched.saw(seconds)
        num_read, num_written = self._tokens(rung, question, answer)
        attempt = Attempt(
            rung=rung.name,
            why=failure.why,
            seconds=seconds,
            input_tokens=num_read,
            output_tokens=num_written,
            cost_usd=usd_of(machine_s if failure.has_worked else 0.0, rung.usd_per_hour),
            text=failure.text,
        )
        return _Outcome(attempt, answer if failure.why == ANSWERED else None)

    def _asked(self, watched: _Watched, question: Question, left_s: float) -> tuple[Answer | None, Failure]:
        """Return what came back, if anything, and what is to be said of it.

        Raises:
            WorkshopError: The caller's own error.
        """
        rung = watched.rung
        if rung.is_local:
            return rung.ask(question, left_s), Failure(ANSWERED)
        if not watched.slots.acquire(blocking=False):
            return None, Failure(CROWDED, f"{MOST_UNDER_WAY} requests have not ended", has_worked=False)
        try:
            answer = within(left_s, lambda: rung.ask(question, left_s), watched.slots.release)
        except OverTimeError:
            return None, Failure(TIMED_OUT, f"nobody waited longer than {left_s:.2f} s")
        except Exception as error:
            return None, failure_of(error, rung.engine)
        why = self._is_unusable(answer)
        return answer, Failure(why or ANSWERED)

    def _tokens(self, rung: Rung, question: Question, answer: Answer | None) -> tuple[int, int]:
        """Return tokens read and written: as the server reports them, else counted."""
        if answer is None or rung.is_local:
            return 0, 0
        num_read, num_written = answer.num_prompt_tokens, answer.num_generated_tokens
        if self._count_tokens is not None:
            num_read = self._count_tokens(_text_of(question)) if num_read is None else num_read
            num_written = self._count_tokens(answer.text) if num_written is None else num_written
        return num_read or 0, num_written or 0


def _text_of(question: Question) -> str:
    from workshop.inference.dialects import prompt_text

    return question if isinstance(question, str) else prompt_text(question)
