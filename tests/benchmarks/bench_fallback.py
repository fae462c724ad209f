"""What a question takes beside its answer, requests to a rung that is down, and whether all are answered.

`make bench` prints it. All of it is on this machine.
"""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.sandbox.conftest import RunningSandbox
from tests.workshop.fallback.conftest import ARTICLE as SHORT_ARTICLE
from tests.workshop.fallback.conftest import fallback_hosting, fallback_sandbox, image_table, variants
from tests.workshop.fallback.test_on_sandbox import WHYS, Ladder

from workshop.fallback import (
    AnswerLedger,
    BreakerPolicy,
    FallbackAnswer,
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
SOAK_S = 60.0
NUM_QUESTIONS, NUM_CALLERS = 64, 16
__all__ = ["fallback_hosting", "fallback_sandbox", "image_table", "variants"]
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


def test_callers_through_faults_and_a_killed_sandbox(
    fallback_sandbox: RunningSandbox, variants: str, tmp_path: Path
) -> None:
    """Sixteen callers ask without a pause; faults change every 1.5 s, and after a while nobody answers."""
    breaker = BreakerPolicy(num_failures=5, cooldown_s=1.0)
    ladder = Ladder(fallback_sandbox, variants, budget_s=3.0, breaker=breaker, retries=RetryPolicy())
    ledger, chosen = AnswerLedger(tmp_path / "answers.jsonl"), random.Random(1)
    ends_s = time.monotonic() + SOAK_S

    def call(_: int) -> list[tuple[float, FallbackAnswer]]:
        seen = []
        while time.monotonic() < ends_s:
            started_s = time.monotonic()
            answer = ladder.client.ask(SHORT_ARTICLE)
            seen.append((time.monotonic() - started_s, answer))
            ledger.keep(answer)
        return seen

    with ThreadPoolExecutor(NUM_CALLERS) as pool:
        callers = [pool.submit(call, number) for number in range(NUM_CALLERS)]
        while time.monotonic() < ends_s:
            ladder.faults.stop()
            for variant in ("tuned", "base"):
                ladder.faults.start(chosen.choice(list(WHYS)), share=chosen.choice([0.3, 1]), variant=variant)
            if time.monotonic() > ends_s - SOAK_S / 3:
                fallback_sandbox.stop(kill=True)
            time.sleep(1.5)
    seen = [one for caller in callers for one in caller.result()]
    seconds = [one for one, _ in seen]
    parts = [attempt.cost_usd for _, answer in seen for attempt in answer.attempts]
    assert ledger.totals()["cost_usd"] == sum(parts, Decimal(0))
    assert ledger.totals()["answers"] == len(seen)
    print(f"\n{len(seen):,} questions, all answered; slowest {max(seconds):.2f} s of 3; {ledger.totals()}")
    print(ledger.table().round(4).to_string())


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
