"""Users take the next request when their last one has ended, and a failure ends all of them."""

from __future__ import annotations

import threading

from workshop.serving.closed_loop import ClosedLoop


def test_every_request_is_sent_once_and_by_a_user_that_is_there() -> None:
    counts = []
    loop = ClosedLoop(
        lambda index, user: (index, user), num_users=3, name="user", num_requests=50, on_result=counts.append
    )
    loop.start()
    assert loop.join(300) == 0
    assert sorted(index for index, _ in loop.results) == list(range(50))
    assert {user for _, user in loop.results} <= {0, 1, 2}
    assert counts == list(range(1, 51))
    assert loop.failure is None


def test_a_failure_ends_all_users_and_is_kept() -> None:
    failure = RuntimeError("of the test")

    def send(index: int, user: int) -> int:
        if index == 5:
            raise failure
        return index

    loop = ClosedLoop(send, num_users=2, name="user")
    loop.start()
    assert loop.join(300) == 0
    assert loop.failure is failure
    assert loop.has_to_stop.is_set()


def test_a_user_with_a_request_under_way_is_counted_until_it_ends() -> None:
    may_end = threading.Event()
    loop = ClosedLoop(lambda index, user: may_end.wait(300), num_users=2, name="user")
    loop.start()
    loop.has_to_stop.set()
    assert loop.join(0.01) == 2
    may_end.set()
    assert loop.join(300) == 0
