"""The client against a real server, and against bytes that a server sends on a bad day."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from tests.serve.server_process import ServerProcess
from tests.workshop.inference.scripted_server import Reply, ScriptedServer

from workshop.inference import LMI, TGI, VLLM, Client, InferenceError, prompt_text
from workshop.prompt import chat_messages

PROMPT = prompt_text(chat_messages("서울시는 12일 새 공원을 열었다. 시민을 위한 곳이라고 했다."))
TOKEN = 'data:{"token":{"text":"가","special":false},"generated_text":null}\n\n'.encode()
LAST = (
    'data:{"token":{"text":"나","special":false},"generated_text":"가나",'
    '"details":{"finish_reason":"length","generated_tokens":2}}\n\n'
).encode()
OVERLOADED = b'data:{"error":"Model is overloaded","error_type":"overloaded"}\n\n'
WHOLE = Reply('[{"generated_text": "가나"}]'.encode())


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the client would have slept."""
    slept: list[float] = []
    monkeypatch.setattr("workshop.inference.client.time.sleep", slept.append)
    return slept


def test_the_stream_and_the_answer_in_one_piece_are_equal(real_server: ServerProcess) -> None:
    client = Client(real_server.url, TGI)
    whole = client.invoke(PROMPT, max_new_tokens=12)
    stream = client.stream(PROMPT, max_new_tokens=12)
    pieces = list(stream)
    assert "".join(piece.text for piece in pieces).strip() == whole.text
    assert stream.answer.text == whole.text
    assert stream.answer.finish_reason == whole.finish_reason
    assert stream.answer.num_generated_tokens == whole.num_generated_tokens == len(stream.token_times_s)
    assert whole.num_prompt_tokens > 50
    assert whole.seconds > 0
    assert 0 < stream.answer.first_token_s <= stream.answer.seconds


def test_the_same_seed_samples_the_same_answer(real_server: ServerProcess) -> None:
    client = Client(real_server.url, TGI)
    asked = {"max_new_tokens": 12, "temperature": 1.5, "top_p": 0.99, "top_k": 200, "repetition_penalty": 1.1}
    first, again, other = (client.invoke(PROMPT, **asked, seed=seed).text for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_real_servers_limit_is_named(real_server: ServerProcess) -> None:
    client = Client(real_server.url, TGI)
    too_long = "가 나 다 " * 1000
    for ask in (lambda: client.invoke(too_long, max_new_tokens=5),
                lambda: client.stream(too_long, max_new_tokens=5).answer):  # fmt: skip
        with pytest.raises(InferenceError, match="MAX_TOTAL_TOKENS = 2048"):
            ask()


def test_a_stream_that_is_left_early_frees_the_server(real_server: ServerProcess) -> None:
    client = Client(real_server.url, TGI)
    stream = client.stream(PROMPT, max_new_tokens=500)
    next(iter(stream))
    stream.close()
    assert client.invoke(PROMPT, max_new_tokens=2).num_generated_tokens <= 2


def test_each_engine_is_asked_at_invocations_in_its_own_form() -> None:
    replies = {
        TGI: WHOLE,
        LMI: Reply('{"generated_text": "가나"}'.encode()),
        VLLM: Reply('{"choices": [{"text": "가나", "finish_reason": "stop"}]}'.encode()),
    }
    for dialect, reply in replies.items():
        with ScriptedServer(reply) as server:
            assert Client(server.url, dialect).invoke("글").text == "가나"
            assert server.paths == ["/invocations"]
            assert server.bodies == [dialect.body("글")]


@pytest.mark.parametrize("status", [429, 503])
def test_want_of_room_is_waited_for(status: int, waits: list[float]) -> None:
    full = Reply(b'{"error": "full"}', status)
    with ScriptedServer(full, full, full, WHOLE) as server:
        assert Client(server.url, TGI, backoff_s=0.5).invoke("글").text == "가나"
        assert len(server.bodies) == 4
    assert waits == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [("3", 3.0), ("0", 0.0), ("9999", 30.0), ("soon", 0.5), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_the_servers_own_time_wins_within_bounds(
    retry_after: str, expected: float, waits: list[float]
) -> None:
    full = Reply(b"", 503, {"Retry-After": retry_after})
    with ScriptedServer(full, WHOLE) as server:
        Client(server.url, TGI, backoff_s=0.5).invoke("글")
    assert waits == [expected]


def test_retries_are_bounded(waits: list[float]) -> None:
    with ScriptedServer(Reply(b"", 503)) as server:
        with pytest.raises(InferenceError, match="answered 503"):
            Client(server.url, TGI, max_retries=2).invoke("글")
        assert len(server.bodies) == 3
        with pytest.raises(InferenceError, match="answered 503"):
            list(Client(server.url, TGI, max_retries=0).stream("글"))
        assert len(server.bodies) == 4
    assert len(waits) == 2


@pytest.mark.parametrize("status", [400, 404, 422, 424, 500])
def test_any_other_refusal_is_final(status: int, waits: list[float]) -> None:
    with ScriptedServer(Reply(b"{}", status), WHOLE) as server:
        with pytest.raises(InferenceError, match=f"answered {status}"):
            Client(server.url, TGI).invoke("글")
        assert len(server.bodies) == 1
    assert waits == []


def test_an_overload_event_before_any_token_is_waited_for(waits: list[float]) -> None:
    with ScriptedServer(Reply(OVERLOADED), Reply([TOKEN, LAST])) as server:
        assert Client(server.url, TGI).stream("글").answer.text == "가나"
        assert len(server.bodies) == 2
    assert len(waits) == 1


@pytest.mark.parametrize("broken", [Reply([TOKEN, OVERLOADED]), Reply([TOKEN], breaks=True), Reply([TOKEN])])
def test_nothing_is_sent_again_after_a_token(broken: Reply, waits: list[float]) -> None:
    with ScriptedServer(broken, WHOLE) as server:
        stream = Client(server.url, TGI).stream("글")
        with pytest.raises(InferenceError):
            list(stream)
        assert len(server.bodies) == 1
        assert len(stream.token_times_s) == 1
    assert waits == []


def test_a_connection_that_breaks_before_a_token_is_final_too(waits: list[float]) -> None:
    with ScriptedServer(Reply([b":\n\n"], breaks=True), WHOLE) as server:
        with pytest.raises(InferenceError, match="broke in the middle"):
            list(Client(server.url, TGI).stream("글"))
        assert len(server.bodies) == 1
    assert waits == []


def test_a_request_that_the_server_may_have_seen_is_not_sent_again(waits: list[float]) -> None:
    num_requests = 0

    def take_and_hang_up() -> None:
        nonlocal num_requests
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    num_requests += bool(connection.recv(100_000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=take_and_hang_up, daemon=True)
        thread.start()
        with pytest.raises(InferenceError, match="no answer"):
            Client(f"http://127.0.0.1:{listener.getsockname()[1]}", TGI).invoke("글")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(300)
    assert num_requests == 1
    assert waits == []


def test_a_server_that_starts_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(WHOLE) as server:
        with socket.create_server(("127.0.0.1", 0)) as taken:  # and free again
            port = taken.getsockname()[1]
        client = Client(f"http://127.0.0.1:{port}", TGI)
        monkeypatch.setattr(
            "workshop.inference.client.time.sleep", lambda _: setattr(client, "url", server.url)
        )
        assert client.invoke("글").text == "가나"


def test_no_server_at_all_is_said(waits: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(InferenceError, match=f"no answer from {url}"):
        Client(url, TGI, max_retries=2).invoke("글")
    assert len(waits) == 2


def test_a_silent_server_is_not_asked_again(waits: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InferenceError, match=r"silent for 0\.2 s"):
            Client(url, TGI, timeout_s=0.2).invoke("글")
    assert waits == []


def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with ScriptedServer(WHOLE) as server:
        assert Client(server.url, TGI, max_retries=0).invoke("글").text == "가나"


def test_each_thread_has_one_connection_of_its_own() -> None:
    with ScriptedServer(WHOLE) as server:
        client, all_here = Client(server.url, TGI), threading.Barrier(3)

        def ask(_: int) -> None:
            for _ in range(3):
                all_here.wait(300)
                client.invoke("글")

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(ask, range(3)))
        assert len(server.bodies) == 9
        assert len(server.connections) == 3
        client.close()


def test_pieces_come_while_the_server_still_sends() -> None:
    may_end = threading.Event()

    def slow():
        yield TOKEN
        assert may_end.wait(300)
        yield LAST

    with ScriptedServer(Reply(slow())) as server:
        pieces = iter(Client(server.url, TGI).stream("글"))
        assert next(pieces).text == "가"
        may_end.set()
        assert next(pieces).is_last


def test_times_count_from_the_sending_of_the_request() -> None:
    before_s = time.perf_counter()
    with ScriptedServer(Reply([TOKEN, LAST])) as server:
        stream = Client(server.url, TGI).stream("글")
        answer = stream.answer
        assert 0 < stream.token_times_s[0] <= answer.seconds <= time.perf_counter() - before_s
        assert json.loads(server.bodies[0])["stream"] is True
