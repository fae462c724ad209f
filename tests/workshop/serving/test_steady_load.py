"""Users who ask without a break count every failure."""

from __future__ import annotations

import threading

import pytest

from workshop.errors import WorkshopError
from workshop.serving.steady_load import FAILED, SteadyLoad


def test_users_ask_from_the_beginning_to_the_end_of_the_block() -> None:
    asked, are_both_in, is_enough = [], threading.Barrier(2), threading.Event()
    first = threading.local()

    def ask(question: str) -> str:
        if not hasattr(first, "is_over"):
            first.is_over = True
            are_both_in.wait(300)  # two users at once, or this breaks
        asked.append(question)
        if len(asked) >= 20:
            is_enough.set()
        return question.upper()

    with SteadyLoad(ask, ["a", "b"], num_users=2, label=lambda answer: f"engine {answer}") as load:
        assert is_enough.wait(300)
    requests = load.result.requests
    assert len(requests) == len(asked) >= 20
    assert load.result.num_failed == 0
    assert {one.label for one in requests} == {"engine A", "engine B"}
    assert [one.sent_at_s for one in requests] == sorted(one.sent_at_s for one in requests)
    assert list(load.result.table()["answered by"]) == ["engine A", "engine B"]
    assert load.result.table()["requests"].sum() == len(requests)


def test_failures_are_counted_by_their_first_line_and_do_not_end_the_load() -> None:
    numbers, has_failed = iter(range(10**9)), threading.Event()

    def ask(question: str) -> str:
        number = next(numbers)
        if number == 2:
            has_failed.set()
        if number % 2 == 0:
            raise RuntimeError(f"refused\ndetails {number}")
        return question

    with SteadyLoad(ask, ["a"], num_users=1) as load:
        assert has_failed.wait(300)
    result = load.result
    assert result.num_failed >= 2
    assert result.errors == {"refused": result.num_failed}
    assert {one.label for one in result.requests if one.error} == {FAILED}
    assert FAILED in set(result.table()["answered by"])


def test_an_answer_that_nobody_can_have_given_is_a_failure() -> None:
    def label(answer: str) -> str:
        raise ValueError("no JSON")

    has_asked = threading.Event()
    with SteadyLoad(lambda _: has_asked.set(), ["a"], num_users=1, label=label) as load:
        assert has_asked.wait(300)
    assert load.result.errors == {"no JSON": load.result.num_failed}


def test_an_error_in_the_block_is_not_hidden_and_ends_the_users() -> None:
    with pytest.raises(KeyError), SteadyLoad(lambda _: "", ["a"], num_users=3) as load:
        raise KeyError("mine")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("steady user")]
    assert load.result.num_failed == 0


def test_what_is_no_failure_of_a_request_is_raised() -> None:
    def ask(question: str) -> str:
        raise SystemExit("no answer at all")

    with pytest.raises(SystemExit, match="no answer at all"), SteadyLoad(ask, ["a"], num_users=2) as load:
        load._users.join(60)


def test_a_request_that_does_not_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workshop.serving.steady_load._END_TIMEOUT_S", 0.05)
    goes_on = threading.Event()
    with (
        pytest.raises(WorkshopError, match="1 requests without an end"),
        SteadyLoad(lambda _: goes_on.wait(300), ["a"], num_users=1),
    ):
        pass
    goes_on.set()


@pytest.mark.parametrize(("questions", "num_users"), [([], 1), (["a"], 0)])
def test_a_load_of_nothing_is_refused(questions: list[str], num_users: int) -> None:
    with pytest.raises(WorkshopError, match="1 or more of each"):
        SteadyLoad(lambda _: "", questions, num_users=num_users)
