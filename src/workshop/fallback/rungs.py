"""Who may answer, in order: a rung is a model behind an endpoint, or the article's first sentences."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workshop.inference.answers import Answer
from workshop.prompt import Message, article_of, chat_messages

if TYPE_CHECKING:
    import boto3

    from workshop.inference.dialects import Dialect

Question = str | Sequence[Message]
"""An article, or the messages that `chat_messages` makes of one."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One who may answer.

    Args:
        name: As ledger and tables show it.
        ask: Called with the question and the seconds that it may take; raises what boto3 or the dialect does.
        usd_per_hour: Of its machine (prices.py); 0 is free, None not known.
        machine: Rungs on one machine share its time; a machine of its own when "".
        typical_s: What an answer takes, until answers have been seen; seconds.
        max_input_tokens: The server's limit; None when it is not known.
        engine: A name of ENGINES, for the words of its errors.
        is_local: Needs no network, no time to speak of, and always answers.
    """

    name: str
    ask: Callable[[Question, float], Answer]
    usd_per_hour: float | None
    machine: str = ""
    typical_s: float = 1.0
    max_input_tokens: int | None = None
    engine: str = "tgi"
    is_local: bool = False

    @property
    def machine_name(self) -> str:
        return self.machine or self.name


def endpoint_rung(
    name: str,
    runtime: RuntimeClients,
    dialect: Dialect,
    *,
    endpoint: str,
    usd_per_hour: float | None,
    variant: str = "",
    component: str = "",
    typical_s: float = 1.0,
    max_input_tokens: int | None = None,
    **parameters: Any,
) -> Rung:
    """Return the rung of a model behind an endpoint: variants have instances of their own, components share.

    Args:
        name: As of `Rung`.
        runtime: Clients of SageMaker's runtime.
        dialect: Of the engine that serves.
        endpoint, variant, component: Who is asked; "" leaves the choice to SageMaker.
        usd_per_hour: Of the endpoint's machines.
        typical_s, max_input_tokens: As of `Rung`.
        parameters: Of the generation, as in `Parameters`.
    """
    where = {"EndpointName": endpoint, "ContentType": "application/json"}
    where |= {"TargetVariant": variant} if variant else {}
    where |= {"InferenceComponentName": component} if component else {}

    def ask(question: Question, timeout_s: float) -> Answer:
        messages = chat_messages(question) if isinstance(question, str) else question
        answer = runtime(timeout_s).invoke_endpoint(**where, Body=dialect.body(messages, **parameters))
        return dialect.answer(answer["Body"].read())

    return Rung(
        name=name,
        ask=ask,
        usd_per_hour=usd_per_hour,
        machine=f"{endpoint}/{variant}" if variant else endpoint,
        typical_s=typical_s,
        max_input_tokens=max_input_tokens,
        engine=dialect.engine,
    )


def lead_rung(num_sentences: int = 3) -> Rung:
    """Return the rung that needs no model: the article's first sentences."""

    def ask(question: Question, _: float) -> Answer:
        from workshop.evaluation.baselines import lead

        text = article_in(question)
        return Answer(text=lead(text, num_sentences) or text.strip(), finish_reason="lead")

    return Rung(name=f"lead-{num_sentences}", ask=ask, usd_per_hour=0, typical_s=0.0, is_local=True)


def article_in(question: Question) -> str:
    """Return the article of a question."""
    return question if isinstance(question, str) else article_of(question)


class RuntimeClients:
    """boto3's clients of SageMaker's runtime, one for each time-out: botocore takes it for a client only.

        runtime = RuntimeClients(aws.boto_session)
        runtime(timeout_s).invoke_endpoint(EndpointName=..., Body=...)

    None of them sends anything twice: what is asked once more, and when, is the fallback client's to say.

    Args:
        session: boto3's.
        prepare: Called with every client that is made, for instance `PlantedFaults.attach`.
    """

    RATIO, SHORTEST_S, LONGEST_S = 1.25, 0.05, 70.0
    """Between two time-outs; the last is above the 60 s that AWS waits for a container."""

    CONNECT_SHARE, LONGEST_CONNECT_S = 0.2, 2.0
    MAX_CONNECTIONS = 64

    def __init__(self, session: boto3.Session, *, prepare: Callable[[Any], None] | None = None) -> None:
        self._session, self._prepare = session, prepare
        self._lock = threading.Lock()
        self._clients: dict[float, Any] = {}
        self(1.0)  # the first one reads the service's description, for which nobody's budget should pay

    def __call__(self, timeout_s: float) -> Any:
        """Return a client whose time-outs, to connect and to read, are together at most these seconds."""
        total_s = self.SHORTEST_S
        while total_s * self.RATIO <= min(timeout_s, self.LONGEST_S):
            total_s *= self.RATIO
        with self._lock:  # a session may make one client at a time
            if total_s not in self._clients:
                self._clients[total_s] = self._made(total_s)
            return self._clients[total_s]

    def _made(self, total_s: float) -> Any:
        from botocore.config import Config

        connect_s = min(self.CONNECT_SHARE * total_s, self.LONGEST_CONNECT_S)
        config = Config(
            connect_timeout=connect_s,
            read_timeout=total_s - connect_s,
            retries={"total_max_attempts": 1},
            max_pool_connections=self.MAX_CONNECTIONS,
        )
        client = self._session.client("sagemaker-runtime", config=config)
        if self._prepare is not None:
            self._prepare(client)
        return client
