"""A breaker opens, waits and probes by one request at a time; retries are a share of what was asked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.workshop.fallback.conftest import Clock

from workshop.fallback.breaker import (
    CLOSED,
    HALF_OPEN,
    OPEN,
    Breaker,
    BreakerPolicy,
    RetryBudget,
    RetryPolicy,
)

POLICY = BreakerPolicy(num_failures=3, cooldown_s=30)


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(POLICY, clock)
    for _ in range(3):
        breaker.failed(breaker.admit())
    assert breaker.state == OPEN
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not(clock: Clock) -> None:
    breaker = Breaker(POLICY, clock)
    for is_good in (False, False, True, False, False):
        permit = breaker.admit()
        breaker.succeeded(permit) if is_good else breaker.failed(permit)
    assert breaker.state == CLOSED
    breaker.failed(breaker.admit())
    assert breaker.state == OPEN


def test_nobody_gets_through_before_the_cooldown_is_over(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now_s += 29.9
    assert [breaker.admit() for _ in range(16)] == [None] * 16
    clock.now_s += 0.1
    assert breaker.state == HALF_OPEN


def test_one_of_sixteen_threads_probes(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now_s += 30
    gate = threading.Barrier(16)

    def admit(_: int) -> int | None:
        gate.wait()
        return breaker.admit()

    with ThreadPoolExecutor(16) as pool:
        permits = [permit for permit in pool.map(admit, range(16)) if permit is not None]
    assert len(permits) == 1
    breaker.succeeded(permits[0])
    assert breaker.state == CLOSED


def test_a_probe_that_fails_begins_the_cooldown_anew(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now_s += 30
    breaker.failed(breaker.admit())
    assert breaker.state == OPEN
    clock.now_s += 29
    assert breaker.admit() is None
    clock.now_s += 1
    assert breaker.admit() is not None


def test_a_probe_that_says_nothing_lets_another_one_through(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now_s += 30
    breaker.released(breaker.admit())
    assert breaker.state == HALF_OPEN
    assert breaker.admit() is not None


def test_what_began_before_it_opened_has_no_say(clock: Clock) -> None:
    breaker = Breaker(POLICY, clock)
    early = [breaker.admit() for _ in range(10)]
    for permit in early[:3]:
        breaker.failed(permit)
    clock.now_s += 20
    for permit in early[3:6]:
        breaker.failed(permit)  # does not begin the cooldown anew
    breaker.succeeded(early[6])
    assert breaker.state == OPEN
    clock.now_s += 10
    breaker.succeeded(breaker.admit())
    assert breaker.state == CLOSED
    for permit in early[7:]:
        breaker.failed(permit)  # and is nothing against a rung that answers again
    assert breaker.state == CLOSED


@pytest.mark.parametrize("num_threads", [1, 16])
def test_retries_are_at_most_a_tenth_of_what_was_asked(num_threads: int) -> None:
    budget = RetryBudget(0.1)
    with ThreadPoolExecutor(num_threads) as pool:
        taken = list(pool.map(lambda _: (budget.asked(), budget.take())[1], range(1_000)))
    assert sum(taken) == 100
    assert not RetryBudget(0.1).take()


def test_hours_without_faults_save_up_for_no_storm() -> None:
    budget = RetryBudget(0.1)
    for _ in range(10_000):
        budget.asked()
    assert sum(budget.take() for _ in range(1_000)) == RetryBudget.MOST_SAVED


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (BreakerPolicy, {"num_failures": 0}),
        (BreakerPolicy, {"cooldown_s": 0}),
        (RetryPolicy, {"share": 1.1}),
        (RetryPolicy, {"most": -1}),
    ],
)
def test_values_out_of_range_are_refused(kind: type, values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        kind(**values)
