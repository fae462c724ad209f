"""Every question gets an answer within its budget, and what it took is told."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from tests.workshop.fallback.conftest import ARTICLE, LEAD, Clock, Scripted

from workshop.errors import WorkshopError
from workshop.evaluation.ladder import usd_per_1000_answers
from workshop.fallback import BreakerPolicy, FallbackClient, RetryPolicy, lead_rung, quality_of
from workshop.fallback.breaker import CLOSED, OPEN
from workshop.fallback.client import MOST_UNDER_WAY
from workshop.inference.answers import Answer
from workshop.monitoring.monitors import answer_quality
from workshop.prompt import chat_messages

ONCE = RetryPolicy(most=0)
SLACK_S = 5.0  # a loaded machine's


def throttled() -> ClientError:
    return ClientError(
        {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "InvokeEndpoint"
    )


def timed_out() -> ReadTimeoutError:
    return ReadTimeoutError(endpoint_url="http://127.0.0.1")


def too_long(limit: int = 1024) -> ClientError:
    body = f'{{"error":"Input validation error: `inputs` must have less than {limit} tokens. Given: 1500"}}'
    error = {"Error": {"Code": "ModelError", "Message": "Received client error (422)"}}
    return ClientError({**error, "OriginalStatusCode": 422, "OriginalMessage": body}, "InvokeEndpoint")


def client_of(*rungs: Scripted, budget_s: float = 30.0, **members: Any) -> FallbackClient:
    return FallbackClient(
        [*(one.rung for one in rungs), lead_rung()], budget_s=budget_s, **{"retries": ONCE, **members}
    )


def whys(answer: Any) -> list[tuple[str, str]]:
    return [(one.rung, one.why) for one in answer.attempts]


def test_the_best_rung_answers_while_it_can() -> None:
    tuned, base = Scripted("tuned", "요약입니다."), Scripted("base", "다른 요약입니다.")
    answer = client_of(tuned, base).ask(ARTICLE)
    assert (answer.text, answer.rung, answer.fell_back) == ("요약입니다.", "tuned", False)
    assert (answer.input_tokens, answer.output_tokens, base.num_asked) == (7, 3, 0)


@pytest.mark.parametrize("question", [ARTICLE, chat_messages(ARTICLE)])
def test_with_every_model_down_the_first_three_sentences_answer(question: Any) -> None:
    answer = client_of(Scripted("tuned", throttled()), Scripted("base", timed_out())).ask(question)
    assert (answer.text, answer.rung, answer.why) == (LEAD, "lead-3", "throttled")
    assert whys(answer) == [("tuned", "throttled"), ("base", "timed out"), ("lead-3", "answered")]


def test_a_rung_that_knows_no_time_out_is_left_in_time() -> None:
    """A client that waited 47 s for its own time-out fell back too late for anybody."""
    gate = threading.Event()
    hung = Scripted("tuned", lambda _: gate.wait(600))
    started_s = time.monotonic()
    answer = client_of(hung, budget_s=0.4).ask(ARTICLE)
    assert time.monotonic() - started_s < 0.4 + SLACK_S
    gate.set()
    assert whys(answer) == [("tuned", "timed out"), ("lead-3", "answered")]


def test_an_attempt_leaves_the_next_rung_the_time_that_it_needs() -> None:
    given: list[float] = []
    tuned = Scripted("tuned", lambda timeout_s: given.append(timeout_s) or timed_out(), typical_s=1.0)
    base = Scripted("base", lambda timeout_s: given.append(timeout_s) or "요약입니다.", typical_s=2.0)
    clock = Clock()
    client_of(tuned, base, budget_s=10, clock=clock).ask(ARTICLE)
    assert given == [pytest.approx(10 - 0.05 - (1.5 * 2.0 + 0.05)), pytest.approx(10 - 0.05)]


def test_after_a_rung_that_took_all_its_time_the_next_one_is_begun() -> None:
    gate = threading.Event()
    hung, base = Scripted("tuned", lambda _: gate.wait(600)), Scripted("base", "요약입니다.", typical_s=10.0)
    answer = client_of(hung, base, budget_s=15.3).ask(ARTICLE)
    gate.set()
    assert whys(answer) == [("tuned", "timed out"), ("base", "answered")]


def test_a_rung_that_would_not_end_in_time_is_not_begun(clock: Clock) -> None:
    def wait(timeout_s: float) -> Exception:
        clock.now_s += timeout_s
        return timed_out()

    base = Scripted("base", "요약입니다.", typical_s=60.0)
    answer = client_of(Scripted("tuned", wait), base, budget_s=5, clock=clock).ask(ARTICLE)
    assert whys(answer) == [("tuned", "timed out"), ("base", "no time left"), ("lead-3", "answered")]
    assert base.num_asked == 0
    assert answer.latency_s <= 5


def test_the_first_rung_is_begun_however_slow_it_was(clock: Clock) -> None:
    slow = Scripted("tuned", "요약입니다.", typical_s=600.0)
    assert client_of(slow, budget_s=5, clock=clock).ask(ARTICLE).rung == "tuned"


def test_with_a_breaker_open_nobody_asks_until_its_cooldown_is_over(clock: Clock) -> None:
    """A cooldown that is skipped sends every caller to a rung that is known to be down."""
    tuned = Scripted("tuned", throttled())
    client = client_of(tuned, clock=clock, breaker=BreakerPolicy(num_failures=3, cooldown_s=30))
    with ThreadPoolExecutor(16) as pool:
        for _ in range(3):
            client.ask(ARTICLE)
        assert client.states() == {"tuned": OPEN}
        answers = list(pool.map(client.ask, [ARTICLE] * 64))
        assert {whys(answer)[0] for answer in answers} == {("tuned", "breaker open")}
        assert tuned.num_asked == 3
        clock.now_s += 30
        gate = threading.Event()
        tuned.results = [lambda _: gate.wait(60) and "요약입니다."]
        probes = [pool.submit(client.ask, ARTICLE) for _ in range(16)]
        while sum(probe.done() for probe in probes) < 15:
            time.sleep(0.005)
        gate.set()
        assert sorted(probe.result().rung for probe in probes) == ["lead-3"] * 15 + ["tuned"]
    assert (tuned.num_asked, client.states()) == (4, {"tuned": CLOSED})


def test_retries_stay_a_tenth_of_the_questions_whoever_asks() -> None:
    tuned = Scripted("tuned", throttled())
    client = client_of(
        tuned,
        retries=RetryPolicy(most=3, share=0.1, backoff_s=0),
        breaker=BreakerPolicy(num_failures=10**6),
    )
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(client.ask, [ARTICLE] * 200))
    assert tuned.num_asked == 220
    assert sum(len(answer.attempts) - 2 for answer in answers) == 20


def test_what_is_throttled_once_is_asked_once_more_and_what_timed_out_is_not() -> None:
    retries = RetryPolicy(most=1, share=1.0, backoff_s=0)
    answer = client_of(Scripted("tuned", throttled(), "요약입니다."), retries=retries).ask(ARTICLE)
    assert whys(answer) == [("tuned", "throttled"), ("tuned", "answered")]
    assert not answer.fell_back
    answer = client_of(Scripted("tuned", timed_out(), "요약입니다."), retries=retries).ask(ARTICLE)
    assert whys(answer) == [("tuned", "timed out"), ("lead-3", "answered")]


@pytest.mark.parametrize(
    ("text", "reason", "why"),
    [
        ("", "eos_token", "empty"),
        (" \n", "stop", "empty"),
        ("서울시는 올", "length", "cut"),
        ("그 내용은 기사에 나오지 않습니다.", "eos_token", "refused"),
    ],
)
def test_an_answer_of_no_use_is_paid_for_and_opens_no_breaker(
    text: str, reason: str, why: str, clock: Clock
) -> None:
    class Useless(Scripted):
        def _ask(self, question: Any, timeout_s: float) -> Answer:
            clock.now_s += 2
            return Answer(text=text, finish_reason=reason, num_prompt_tokens=90, num_generated_tokens=4)

    client = client_of(Useless("tuned", None), clock=clock, breaker=BreakerPolicy(num_failures=1))
    answers = [client.ask(ARTICLE) for _ in range(3)]
    assert {whys(answer)[0] for answer in answers} == {("tuned", why)}
    assert answers[0].cost_usd == Decimal("0.002")  # 2 s of 3.60 USD/h
    assert (answers[0].input_tokens, answers[0].output_tokens) == (90, 4)
    assert client.states() == {"tuned": CLOSED}


@pytest.mark.parametrize(("limit", "asked"), [(1024, 0), (512, 0), (None, 0), (4096, 1)])
def test_a_question_that_is_too_long_goes_only_where_more_is_taken(limit: int | None, asked: int) -> None:
    tuned = Scripted("tuned", too_long(), max_input_tokens=1024)
    base = Scripted("base", "요약입니다.", max_input_tokens=limit)
    answer = client_of(tuned, base).ask(ARTICLE)
    assert base.num_asked == asked
    assert answer.rung == ("base" if asked else "lead-3")
    assert whys(answer)[0] == ("tuned", "too long")


@pytest.mark.parametrize(
    ("code", "message", "says"),
    [
        ("AccessDeniedException", "User: x is not authorized to perform: sagemaker:InvokeEndpoint", "allows"),
        ("ValidationError", "Endpoint tuned of account 000000000000 not found.", "in service"),
        ("ValidationException", "Variant tuned not found in endpoint x", "in service"),
    ],
)
def test_an_error_of_the_callers_own_making_is_told_and_not_hidden(
    code: str, message: str, says: str
) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "InvokeEndpoint")
    client = client_of(Scripted("tuned", error), breaker=BreakerPolicy(num_failures=1))
    with pytest.raises(WorkshopError) as caught:
        client.ask(ARTICLE)
    assert says in caught.value.expected
    assert client.states() == {"tuned": CLOSED}


def test_a_callers_own_error_leaves_the_probe_to_the_next_one(clock: Clock) -> None:
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "InvokeEndpoint")
    tuned = Scripted("tuned", throttled(), denied, "요약입니다.")
    client = client_of(tuned, clock=clock, breaker=BreakerPolicy(num_failures=1, cooldown_s=30))
    client.ask(ARTICLE)
    clock.now_s += 30
    with pytest.raises(WorkshopError):
        client.ask(ARTICLE)
    assert client.ask(ARTICLE).rung == "tuned"


def test_a_mistake_in_a_rungs_own_code_is_not_taken_for_a_fault() -> None:
    with pytest.raises(KeyError):
        client_of(Scripted("tuned", KeyError("Body"))).ask(ARTICLE)


def test_an_empty_article_and_a_ladder_without_an_end_are_errors_in_three_lines() -> None:
    with pytest.raises(WorkshopError, match="without text"):
        client_of(Scripted("tuned", "요약입니다.")).ask(" \n")
    alone = FallbackClient([Scripted("tuned", throttled()).rung], budget_s=5, retries=ONCE)
    with pytest.raises(WorkshopError, match="tuned throttled"):
        alone.ask(ARTICLE)
    with pytest.raises(ValueError, match="different names"):
        FallbackClient([lead_rung(), lead_rung()], budget_s=5)


def test_the_cost_of_a_fallback_is_never_unknown_where_prices_are(clock: Clock) -> None:
    """A cost that was null after a fallback was missing from the bill."""

    def wait(timeout_s: float) -> Exception:
        clock.now_s += 10
        return timed_out()

    def answer_late(timeout_s: float) -> str:
        clock.now_s += 5
        return "요약입니다."

    tuned, base = Scripted("tuned", wait), Scripted("base", answer_late, usd_per_hour=0.36)
    answer = client_of(tuned, base, clock=clock).ask(ARTICLE)
    assert [one.cost_usd for one in answer.attempts] == [Decimal("0.01"), Decimal("0.0005")]
    assert answer.cost_usd == Decimal("0.0105")
    unknown = Scripted("tuned", "요약입니다.", usd_per_hour=None)
    assert client_of(unknown, clock=clock).ask(ARTICLE).cost_usd is None


@pytest.mark.parametrize(
    ("error", "is_paid"),
    [
        (throttled(), False),
        (too_long(), False),
        (ConnectTimeoutError(endpoint_url="http://127.0.0.1"), False),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1"), False),
        (timed_out(), True),
        (ConnectionClosedError(endpoint_url="http://127.0.0.1"), True),
    ],
)
def test_what_never_reached_the_model_costs_nothing(error: Exception, is_paid: bool, clock: Clock) -> None:
    def fail(timeout_s: float) -> Exception:
        clock.now_s += 1
        return error

    cost = client_of(Scripted("tuned", fail), clock=clock).ask(ARTICLE).cost_usd
    assert cost == (Decimal("0.001") if is_paid else 0)


def test_a_steady_answer_costs_what_the_ladder_says(clock: Clock) -> None:
    def answer_late(timeout_s: float) -> str:
        clock.now_s += 2.5
        return "요약입니다."

    answer = client_of(Scripted("tuned", answer_late, usd_per_hour=1.52), clock=clock).ask(ARTICLE)
    expected = usd_per_1000_answers(1.52, 1 / 2.5) / 1000
    assert float(answer.cost_usd) == pytest.approx(expected, abs=1e-9)


def test_tokens_that_a_server_does_not_report_are_counted() -> None:
    class Silent(Scripted):
        def _ask(self, question: Any, timeout_s: float) -> Answer:
            return Answer(text="두 낱말")

    client = client_of(Silent("tuned", None), count_tokens=lambda text: len(text.split()))
    answer = client.ask(ARTICLE)
    assert (answer.input_tokens, answer.output_tokens) == (len(ARTICLE.split()), 2)


def test_requests_that_nobody_waits_for_any_more_do_not_pile_up() -> None:
    gate = threading.Event()
    hung = Scripted("tuned", lambda _: gate.wait(600))
    client = client_of(hung, budget_s=0.06, breaker=BreakerPolicy(num_failures=10**6))
    answers = [client.ask(ARTICLE) for _ in range(MOST_UNDER_WAY + 5)]
    gate.set()
    assert [whys(answer)[0][1] for answer in answers[-5:]] == ["too many under way"] * 5
    assert hung.num_asked == MOST_UNDER_WAY


def test_quality_is_told_of_the_answer_that_was_given() -> None:
    client = client_of(
        Scripted("tuned", throttled()), quality=lambda article, text: {"is lead": float(text == LEAD)}
    )
    assert client.ask(ARTICLE).quality == {"is lead": 1.0}


def test_without_a_word_quality_is_what_the_monitors_say_and_a_reference_adds_the_numbers() -> None:
    quality = client_of(Scripted("tuned", throttled())).ask(ARTICLE).quality
    assert quality == answer_quality("", ARTICLE, LEAD)
    assert set(quality) == {"relevance", "groundedness"}
    references = {ARTICLE: "청년 주택 예산 340억 원"}
    assert quality_of(ARTICLE, "예산은 340억 원이다.", references)["numbers right"] == 1
    assert quality_of(ARTICLE, "예산은 430억 원이다.", references)["numbers right"] == 0


def test_a_score_that_fails_takes_nobodys_answer_away() -> None:
    def fail(article: str, text: str) -> dict[str, float]:
        raise RuntimeError("no vectors")

    with pytest.warns(UserWarning, match="no vectors"):
        answer = client_of(Scripted("tuned", "요약입니다."), quality=fail).ask(ARTICLE)
    assert (answer.text, answer.quality) == ("요약입니다.", {})
