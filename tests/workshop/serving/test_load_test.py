"""Every user asks, every request is counted once, and the numbers are those of an independent computation."""

from __future__ import annotations

import math
import statistics
import threading

import pytest
from tests.workshop.inference.scripted_server import Reply, ScriptedServer

from workshop.errors import WorkshopError
from workshop.inference import TGI, Client, prompt_text
from workshop.prompt import chat_messages
from workshop.serving.load_test import LoadRequest, LoadResult, load_table, load_test
from workshop.serving.server import Server

TOKEN = b'data:{"token":{"text":"a","special":false}}\n\n'
LAST = (
    b'data:{"token":{"text":"b","special":false},"generated_text":"ab",'
    b'"details":{"finish_reason":"length","generated_tokens":2}}\n\n'
)
GOOD = Reply([TOKEN, LAST])


def request(index: int, **changes) -> LoadRequest:
    values = {"user": 0, "started_s": index, "seconds": 1.0, "first_token_s": 0.5, "gaps_s": (0.1,)}
    return LoadRequest(index=index, **(values | {"num_tokens": 10} | changes))


def test_a_real_server_under_load(running: Server) -> None:
    prompts = [prompt_text(chat_messages(f"서울시는 {day}일 새 공원을 열었다.")) for day in (3, 12)]
    seen = []
    result = load_test(
        Client(running.url, TGI), prompts, num_users=3, num_requests=7, max_new_tokens=6,
        progress=lambda done, whole: seen.append((done, whole)),
    )  # fmt: skip
    assert [one.index for one in result.requests] == list(range(7))
    assert {one.user for one in result.requests} == {0, 1, 2}
    assert result.errors == {}
    assert seen == [(done, 7) for done in range(1, 8)]
    for one in result.requests:
        assert 1 <= one.num_tokens <= 6
        assert len(one.gaps_s) == one.num_tokens - 1
        assert 0 < one.first_token_s <= one.seconds
        assert one.first_token_s + sum(one.gaps_s) <= one.seconds
        assert one.started_s + one.seconds <= result.wall_s
    num_tokens = sum(one.num_tokens for one in result.requests)
    assert result.tokens_per_s == pytest.approx(num_tokens / result.wall_s)
    # the same prompt gives the same number of tokens, whoever asks
    for parity in (0, 1):
        assert len({one.num_tokens for one in result.requests if one.index % 2 == parity}) == 1


def test_users_ask_at_the_same_time() -> None:
    all_here = threading.Barrier(4)

    def body():
        all_here.wait(300)
        yield TOKEN
        yield LAST

    class Together:
        def __iter__(self):
            return body()

    with ScriptedServer(Reply(Together())) as server:
        result = load_test(Client(server.url, TGI), ["글"], num_users=4, num_requests=4)
    assert result.errors == {}


def test_percentiles_and_rates_are_right() -> None:
    firsts = [0.1 * number for number in range(1, 21)]
    requests = tuple(
        request(index, first_token_s=first, seconds=2 * first, gaps_s=(first / 10, first / 5))
        for index, first in enumerate(firsts)
    )
    result = LoadResult(num_users=4, requests=requests, wall_s=10.0)
    cuts = statistics.quantiles(firsts, n=100, method="inclusive")
    assert result.first_token_s(50) == pytest.approx(cuts[49])
    assert result.first_token_s(95) == pytest.approx(cuts[94])
    assert result.total_s(95) == pytest.approx(2 * cuts[94])
    gaps = [part for first in firsts for part in (first / 10, first / 5)]
    assert result.gap_s(50) == pytest.approx(statistics.median(gaps))
    assert (result.requests_per_s, result.tokens_per_s) == (2.0, 20.0)
    row = result.row()
    assert (row["users"], row["requests"], row["errors"]) == (4, 20, 0)
    assert row["first token p95 ms"] == round(1000 * cuts[94], 1)


def test_errors_are_counted_and_kept_out_of_the_times() -> None:
    refused = Reply(b'{"error": "Model is overloaded", "error_type": "overloaded"}', 429)
    with ScriptedServer(GOOD, refused, GOOD, refused, GOOD) as server:
        result = load_test(Client(server.url, TGI, max_retries=0), ["글"], num_users=1, num_requests=6)
        assert len(server.bodies) == 6
    assert result.errors == {"TGI answered 429: Model is overloaded": 2}
    assert [bool(one.error) for one in result.requests] == [False, True, False, True, False, False]
    assert len(result.good) == 4
    assert result.tokens_per_s == pytest.approx(8 / result.wall_s)
    assert load_table([result]).loc[1, "errors"] == 2


def test_without_one_answer_there_is_nothing_to_measure() -> None:
    with ScriptedServer(Reply(b"{}", 500)) as server:
        result = load_test(Client(server.url, TGI), ["글"], num_users=2, num_requests=3)
    assert len(result.requests) == 3
    assert (result.tokens_per_s, result.requests_per_s) == (0.0, 0.0)
    assert math.isnan(result.row()["first token p50 ms"])


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"prompts": []}, "0 prompts"),
        ({"num_users": 0}, "num_users = 0"),
        ({"num_requests": 0}, "num_requests = 0"),
        ({"top_p": 3}, "top_p = 3"),
        ({"max_tokens": 3}, "max_new_tokens"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_sent(changes: dict, part: str) -> None:
    with ScriptedServer(GOOD) as server:
        given = {"prompts": ["글"], "num_users": 2, "num_requests": 2} | changes
        with pytest.raises(WorkshopError, match=part):
            load_test(Client(server.url, TGI), **given)
        assert server.bodies == []


def test_a_failure_of_the_test_itself_is_raised() -> None:
    def fail(*_: int) -> None:
        raise RuntimeError("of the display")

    with ScriptedServer(GOOD) as server, pytest.raises(RuntimeError, match="of the display"):
        load_test(Client(server.url, TGI), ["글"], num_users=2, num_requests=50, progress=fail)


@pytest.mark.timeout(600)
def test_an_interrupt_ends_the_users() -> None:
    import _thread

    with ScriptedServer(GOOD) as server:
        with pytest.raises(KeyboardInterrupt):
            load_test(
                Client(server.url, TGI), ["글"], num_users=2, num_requests=10**6,
                progress=lambda done, _: _thread.interrupt_main() if done == 5 else None,
            )  # fmt: skip
        for thread in threading.enumerate():
            if thread.name.startswith("load user"):
                thread.join(300)
                assert not thread.is_alive()
