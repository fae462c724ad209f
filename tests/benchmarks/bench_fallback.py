"""What a question takes beside its answer, and how many requests a rung gets that is down.

The rung that is down answers an error at the wire of boto3's client; nothing leaves this process.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import boto3
import numpy as np
from botocore.config import Config
from botocore.exceptions import ClientError

from workshop.fallback import (
    BreakerPolicy,
    FallbackClient,
    PlantedFaults,
    RetryPolicy,
    Rung,
    RuntimeClients,
    lead_rung,
    quality_of,
)
from workshop.inference.answers import Answer

ARTICLE = (
    "서울시는 5일 청년 주택 예산을 340억 원으로 늘렸다고 밝혔다. 지난해는 290억 원이었다. 국장이 말했다. " * 8
)
NUM_QUESTIONS, NUM_CALLERS = 64, 16
SESSION = boto3.session.Session("test", "test", region_name="us-east-1")


def test_what_a_question_takes_beside_its_answer() -> None:
    rung = Rung(name="tuned", ask=lambda *_: Answer(text="청년 주택 예산을 늘렸다."), usd_per_hour=1.0)
    for name, quality in (("without quality", lambda *_: {}), ("with quality", quality_of)):
        client = FallbackClient([rung, lead_rung()], budget_s=5, quality=quality)
        client.ask(ARTICLE)
        seconds = []
        for _ in range(500):
            started_s = time.perf_counter()
            client.ask(ARTICLE)
            seconds.append(time.perf_counter() - started_s)
        print(f"\n{name}: {1000 * np.median(seconds):.2f} ms a question")


def test_requests_to_a_rung_that_is_down() -> None:
    for mode in ("legacy", "standard"):
        faults, config = PlantedFaults(), Config(retries={"mode": mode})
        client = SESSION.client("sagemaker-runtime", endpoint_url="http://127.0.0.1:9", config=config)
        faults.attach(client)

        def ask(_: int, client: Any = client) -> None:
            with suppress(ClientError):
                client.invoke_endpoint(EndpointName="down", Body=b"{}")

        _report(f"botocore's {mode} mode", faults, ask)
    for name, breaker in (
        ("no breaker", BreakerPolicy(num_failures=10**6)),
        ("breaker of 5", BreakerPolicy()),
    ):
        faults = PlantedFaults()
        runtime = RuntimeClients(SESSION, prepare=faults.attach)

        def invoke(_: Any, timeout_s: float, runtime: RuntimeClients = runtime) -> Answer:
            return Answer(text=str(runtime(timeout_s).invoke_endpoint(EndpointName="down", Body=b"{}")))

        rung = Rung(name="down", ask=invoke, usd_per_hour=1)
        client = FallbackClient([rung, lead_rung()], budget_s=5, breaker=breaker, retries=RetryPolicy(most=1))
        _report(f"FallbackClient, {name}", faults, lambda _, client=client: client.ask(ARTICLE))


def _report(name: str, faults: PlantedFaults, ask: Any, fault: str = "throttled") -> None:
    seconds: list[float] = []

    def timed(number: int) -> None:
        started_s = time.perf_counter()
        ask(number)
        seconds.append(time.perf_counter() - started_s)

    faults.start(fault)
    with ThreadPoolExecutor(NUM_CALLERS) as pool:
        list(pool.map(timed, range(NUM_QUESTIONS)))
    num_sent, _ = faults.stop()[fault]
    print(
        f"{name}: {num_sent} requests for {NUM_QUESTIONS} questions, "
        f"median {np.median(seconds):.2f} s, slowest {max(seconds):.2f} s"
    )
