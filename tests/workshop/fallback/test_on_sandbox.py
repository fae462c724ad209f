"""Each fault at the wire of boto3 before a real endpoint: an answer within the budget, and a true ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.hosting.conftest import Hosting
from tests.workshop.fallback.conftest import ARTICLE, container_body

from workshop.errors import WorkshopError
from workshop.fallback import (
    FAULTS,
    AnswerLedger,
    BreakerPolicy,
    FallbackClient,
    PlantedFaults,
    RetryPolicy,
    Rung,
    RuntimeClients,
    endpoint_rung,
    lead_rung,
)
from workshop.fallback.breaker import CLOSED, OPEN
from workshop.inference import LMI, TGI, VLLM, Dialect
from workshop.inference.answers import Answer

BUDGET_S = 30.0
SHORT_S = 7.0  # one second of it for the first rung
SLACK_S = 10.0  # a loaded machine's: a budget that is not kept is missed by a container's minute
FORMS = [(TGI, "text"), (TGI, []), (VLLM, "text"), (VLLM, []), (LMI, "text")]
# Fault -> why the rung does not answer.
WHYS = {
    "throttled": "throttled",
    "overloaded": "throttled",
    "no capacity": "no capacity",
    "unavailable": "no capacity",
    "internal failure": "no capacity",
    "not ready": "no capacity",
    "model failed": "model failed",
    "container silent": "timed out",
    "too long": "too long",
    "empty": "empty",
    "refused": "refused",
    "cut": "cut",
    "slow": "timed out",
    "broken connection": "broken connection",
    "refused connection": "broken connection",
}


class Ladder:
    """Three rungs on the endpoint of these tests, and what can be done to them."""

    def __init__(self, sandbox: RunningSandbox, endpoint: str, **members: Any) -> None:
        self.endpoint, self.faults = endpoint, PlantedFaults(seed=3)
        session = boto3.session.Session("test", "test", region_name="us-east-1")

        class Here:  # sample mode names the sandbox's address by AWS_ENDPOINT_URL
            def client(self, service: str, config: Any) -> Any:
                return session.client(service, endpoint_url=sandbox.url, config=config)

        self.runtime = RuntimeClients(Here(), prepare=self.faults.attach)
        self.asked: dict[str, Any] = {}
        rungs = [
            Rung(name=name, ask=self._asking(name), usd_per_hour=1.52, machine=endpoint, typical_s=typical_s)
            for name, typical_s in (("tuned", 0.2), ("base", 4.0))  # a loaded machine may need them
        ]
        policy = {"retries": RetryPolicy(most=0), "budget_s": BUDGET_S}
        self.client = FallbackClient([*rungs, lead_rung()], **{**policy, **members})

    def _asking(self, name: str) -> Callable[[Any, float], Answer]:
        def ask(question: Any, timeout_s: float) -> Answer:
            answer = self.runtime(timeout_s).invoke_endpoint(
                EndpointName=self.endpoint,
                TargetVariant=name,
                Body=container_body(f"{name} 요약입니다.", **self.asked.get(name, {})),
            )
            return TGI.answer(answer["Body"].read())

        return ask


@pytest.fixture
def ladder(fallback_sandbox: RunningSandbox, variants: str) -> Ladder:
    return Ladder(fallback_sandbox, variants)


def test_every_fault_has_a_row_in_these_tests() -> None:
    assert set(WHYS) == set(FAULTS) - {"denied"}


@pytest.mark.parametrize("fault", WHYS)
def test_with_each_fault_the_base_answers_within_the_budget(fault: str, ladder: Ladder) -> None:
    started_s = time.monotonic()
    with ladder.faults.planted(fault, variant="tuned"):
        ladder.client.budget_s = SHORT_S if fault == "slow" else BUDGET_S
        answer = ladder.client.ask(ARTICLE)
    assert time.monotonic() - started_s < BUDGET_S + SLACK_S
    assert answer.attempts[0].why == WHYS[fault]
    assert (answer.rung, answer.text) == (
        ("lead-3", answer.text) if fault == "too long" else ("base", "base 요약입니다.")
    )


def test_a_right_that_is_missing_is_told_to_the_caller(ladder: Ladder) -> None:
    with ladder.faults.planted("denied", variant="tuned"), pytest.raises(WorkshopError) as caught:
        ladder.client.ask(ARTICLE)
    assert "sagemaker:InvokeEndpoint" in caught.value.expected


def test_sixteen_callers_all_get_an_answer_and_the_ledger_is_the_sum(
    fallback_sandbox: RunningSandbox, variants: str, tmp_path: Path
) -> None:
    ladder = Ladder(fallback_sandbox, variants, breaker=BreakerPolicy(num_failures=10**6))
    ledger = AnswerLedger(tmp_path / "answers.jsonl")
    ladder.faults.start("throttled", share=0.3, variant="tuned")
    ladder.faults.start("model failed", share=0.3, variant="tuned")
    ladder.faults.start("broken connection", share=0.5, variant="base")

    def ask(_: int) -> Any:
        answer = ladder.client.ask(ARTICLE)
        ledger.keep(answer)
        return answer

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(160)))
    counts = ladder.faults.stop()
    assert max(answer.latency_s for answer in answers) < BUDGET_S + SLACK_S
    assert {answer.rung for answer in answers} == {"tuned", "base", "lead-3"}
    seen, hit = counts["throttled"]
    assert seen == 160
    assert 20 < hit < 80
    totals = ledger.totals()
    parts = [attempt.cost_usd for answer in answers for attempt in answer.attempts]
    assert totals["cost_usd"] == sum(parts, Decimal(0)) > 0
    assert totals["answers"] == 160
    whys = ledger.reasons()
    assert whys.loc["tuned", "throttled"] == hit
    assert whys.loc["tuned", "model failed"] == counts["model failed"][1]


def test_a_model_that_comes_back_is_asked_again(fallback_sandbox: RunningSandbox, variants: str) -> None:
    ladder = Ladder(fallback_sandbox, variants, breaker=BreakerPolicy(num_failures=2, cooldown_s=0.3))
    with ladder.faults.planted("unavailable", variant="tuned"):
        assert {ladder.client.ask(ARTICLE).rung for _ in range(3)} == {"base"}
        assert ladder.client.states()["tuned"] == OPEN
    time.sleep(0.35)
    assert ladder.client.ask(ARTICLE).rung == "tuned"
    assert ladder.client.states()["tuned"] == CLOSED


def test_a_long_generation_times_out_for_real(ladder: Ladder) -> None:
    ladder.asked["tuned"] = {"sleep_s": 5}
    ladder.client.budget_s = SHORT_S
    answer = ladder.client.ask(ARTICLE)
    assert (answer.attempts[0].why, answer.rung) == ("timed out", "base")
    assert answer.attempts[0].cost_usd > 0


def test_faults_of_the_container_itself_are_told_apart(ladder: Ladder) -> None:
    overloaded = '{"error":"Model is overloaded","error_type":"overloaded"}'
    for status, text, why in [
        (429, overloaded, "throttled"),
        (500, "", "model failed"),
        (503, "busy", "throttled"),
    ]:
        ladder.asked["tuned"] = {"status": status, "text": text}
        assert ladder.client.ask(ARTICLE).attempts[0].why == why
    ladder.asked["tuned"] = {"status": 422, "text": '{"error":"Input validation error: `temperature`"}'}
    with pytest.raises(WorkshopError, match="422"):
        ladder.client.ask(ARTICLE)


def test_planted_answers_are_what_the_sandbox_itself_would_say(
    fallback_hosting: Hosting, variants: str, ladder: Ladder
) -> None:
    """The container says it, and the wire says it: boto3 reports the same code, status and members."""
    from botocore.exceptions import ClientError

    body = '{"error":"Model is overloaded","error_type":"overloaded"}'
    with pytest.raises(ClientError) as real:
        fallback_hosting.ask(variants, status=429, text=body, tell=0)
    with ladder.faults.planted("overloaded"), pytest.raises(ClientError) as planted:
        ladder.runtime(5).invoke_endpoint(EndpointName=variants, Body=b"{}")
    for member in ("OriginalStatusCode", "OriginalMessage", "ErrorCode"):
        assert real.value.response.get(member) == planted.value.response.get(member)
    assert real.value.response["Error"]["Code"] == planted.value.response["Error"]["Code"]
    statuses = [one.value.response["ResponseMetadata"]["HTTPStatusCode"] for one in (real, planted)]
    assert statuses == [424, 424]
    assert set(real.value.response) == set(planted.value.response)


@pytest.mark.parametrize("fault", ["empty", "refused", "cut", "too long"])
@pytest.mark.parametrize(
    ("dialect", "prompt"), [(TGI, "text"), (TGI, []), (VLLM, "text"), (VLLM, []), (LMI, "text")]
)
def test_planted_answers_have_the_form_of_the_request(
    fault: str, dialect: Dialect, prompt: Any, ladder: Ladder
) -> None:
    def ask(_: Any, timeout_s: float) -> Answer:
        body = dialect.body(prompt)
        answer = ladder.runtime(timeout_s).invoke_endpoint(EndpointName="any", Body=body)
        return dialect.answer(answer["Body"].read())

    rung = Rung(name="tuned", ask=ask, usd_per_hour=1, engine=dialect.engine)
    with ladder.faults.planted(fault):
        answer = FallbackClient([rung, lead_rung()], budget_s=BUDGET_S).ask(ARTICLE)
    assert answer.why == WHYS[fault]
    if fault == "too long":
        is_openai = dialect is VLLM or not isinstance(prompt, str)
        assert ("maximum context length" if is_openai else "`inputs` must have less") in answer.attempts[
            0
        ].text


def test_a_rung_of_an_endpoint_sends_its_variant_and_reads_tokens_and_model(
    ladder: Ladder, variants: str
) -> None:
    """The container sends the request back: what the rung reads of it is what the rung has sent."""

    class Echo(Dialect):
        def body(self, prompt: Any, **parameters: Any) -> bytes:
            sent = json.loads(super().body(prompt, **parameters))
            choice = {"message": {"content": sent["messages"][-1]["content"]}, "finish_reason": "stop"}
            usage = {"prompt_tokens": sent["max_tokens"], "completion_tokens": 4}
            return json.dumps({"choices": [choice], "usage": usage, "model": "v2"}).encode()

    dialect = Echo(engine="vllm", has_inputs=False)
    rung = endpoint_rung(
        "tuned", ladder.runtime, dialect, endpoint=variants, variant="base", usd_per_hour=1, max_new_tokens=99
    )
    other = endpoint_rung("x", ladder.runtime, dialect, endpoint=variants, component="x", usd_per_hour=1)
    assert (rung.machine_name, other.machine_name) == (f"{variants}/base", variants)
    answer = FallbackClient([rung], budget_s=BUDGET_S).ask(ARTICLE)
    assert answer.text.endswith(ARTICLE)
    assert (answer.input_tokens, answer.output_tokens, answer.model) == (99, 4, "v2")
    with ladder.faults.planted("throttled", variant="base", component="other"):
        assert FallbackClient([rung], budget_s=BUDGET_S).ask(ARTICLE).rung == "tuned"
    with ladder.faults.planted("throttled", variant="base"):
        assert FallbackClient([rung, lead_rung()], budget_s=BUDGET_S).ask(ARTICLE).rung == "lead-3"


def test_only_the_named_endpoint_and_share_are_hit(ladder: Ladder, variants: str) -> None:
    ladder.faults.start("throttled", endpoint="another")
    assert ladder.client.ask(ARTICLE).rung == "tuned"
    assert ladder.faults.stop() == {"throttled": (0, 0)}
    ladder.faults.start("throttled", share=0.0, endpoint=variants)
    assert ladder.client.ask(ARTICLE).rung == "tuned"
    assert ladder.faults.stop() == {"throttled": (1, 0)}


def test_an_unknown_fault_names_those_that_there_are() -> None:
    with pytest.raises(WorkshopError, match="slow"):
        PlantedFaults().start("explode")


@pytest.mark.parametrize("timeout_s", [0.01, 0.3, 1.0, 7.7, 500.0])
def test_time_outs_of_a_client_are_together_within_what_is_left(timeout_s: float, ladder: Ladder) -> None:
    config = ladder.runtime(timeout_s).meta.config
    total_s = config.connect_timeout + config.read_timeout
    assert total_s <= max(timeout_s, RuntimeClients.SHORTEST_S) + 1e-9
    assert config.retries["total_max_attempts"] == 1
    assert ladder.runtime(timeout_s) is ladder.runtime(timeout_s)
