"""A client that falls back: the tuned model, the base, the article's first sentences; and what that costs.

faults = PlantedFaults(seed=1)
runtime = RuntimeClients(aws.boto_session, prepare=faults.attach)

def ask_tuned(messages, timeout_s):
    answer = runtime(timeout_s).invoke_endpoint(EndpointName=tuned, Body=dialect.body(messages))
    return dialect.answer(answer["Body"].read())

client = FallbackClient(
    [Rung(name="tuned", ask=ask_tuned, usd_per_hour=1.52), ..., lead_rung()], budget_s=4
)
ledger.keep(client.ask(chat_messages(article)))
ledger.what_it_costs()
"""

from __future__ import annotations

from workshop.fallback.answer import Attempt, FallbackAnswer
from workshop.fallback.breaker import Breaker, BreakerPolicy, RetryBudget, RetryPolicy
from workshop.fallback.client import FallbackClient
from workshop.fallback.ledger import AnswerLedger
from workshop.fallback.planted import FAULTS, PlantedFaults
from workshop.fallback.quality import quality_of
from workshop.fallback.rungs import Rung, RuntimeClients, endpoint_rung, lead_rung

__all__ = [
    "FAULTS",
    "AnswerLedger",
    "Attempt",
    "Breaker",
    "BreakerPolicy",
    "FallbackAnswer",
    "FallbackClient",
    "PlantedFaults",
    "RetryBudget",
    "RetryPolicy",
    "Rung",
    "RuntimeClients",
    "endpoint_rung",
    "lead_rung",
    "quality_of",
]
