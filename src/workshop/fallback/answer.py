"""What a question has brought: the answer, who gave it, and every attempt with what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from workshop.fallback.failures import NOT_SENT


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One rung, asked once or passed over.

    Attributes:
        rung: Its name.
        why: ANSWERED, or why it is not its answer that counts (failures.py).
        seconds: From sending the request to its end, or to the moment when nobody waited any more.
        input_tokens: That the model has read; 0 when nothing came back.
        output_tokens: That it has written; 0 when nothing came back.
        cost_usd: Its share of the machine's time (machine_time.py): what timed out is paid for as well, as
            long as it was waited for. None when the price is not known.
        text: What was said, for a person; never the question.
    """

    rung: str
    why: str
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    text: str = ""

    @property
    def was_sent(self) -> bool:
        return self.why not in NOT_SENT


@dataclass(frozen=True, kw_only=True)
class FallbackAnswer:
    """An answer with all that it took; numbers are sums over the attempts.

    Attributes:
        text: The answer.
        rung: Who gave it.
        attempts: In the order in which they were made; the last one answered.
        input_tokens: Read by all of them.
        output_tokens: Written by all of them.
        cost_usd: Of all of them; None when one of the prices is not known.
        latency_s: From the question to the answer.
        budget_s: Seconds that it was allowed.
        model: What the server calls the model that answered; "" where it does not say.
        quality: What is known without a reference, each between 0 and 1.
    """

    text: str
    rung: str
    attempts: tuple[Attempt, ...]
    latency_s: float
    budget_s: float
    model: str = ""
    quality: Mapping[str, float] = field(default_factory=dict)

    @property
    def input_tokens(self) -> int:
        return sum(attempt.input_tokens for attempt in self.attempts)

    @property
    def output_tokens(self) -> int:
        return sum(attempt.output_tokens for attempt in self.attempts)

    @property
    def cost_usd(self) -> Decimal | None:
        costs = [attempt.cost_usd for attempt in self.attempts]
        return None if None in costs else sum(costs, Decimal(0))

    @property
    def fell_back(self) -> bool:
        """Whether another rung than the first answered; one that was asked twice did not fall back."""
        return self.rung != self.attempts[0].rung

    @property
    def why(self) -> str:
        """What kept the first attempt from answering; "answered" when nothing did."""
        return self.attempts[0].why
