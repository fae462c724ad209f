"""Streams over real HTTP: token by token, ended with their client, kept alive, ended by errors."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.serve.requests_to_server import open_stream, post
from tests.serve.server_process import ServerProcess

from serve import event_stream
from serve.dialects.tgi.answers import GenerateStream
from serve.dialects.tgi.dialect import TGI
from serve.engine import Generation, Sampling, Token, deliver
from serve.event_stream import EventStream
from serve.model_folder import ModelFolder
from serve.request import DEFAULTS, GenerateRequest, Prompt
from serve.run import Run
from serve.service import Service
from serve.text import TextCodec


def generate(num_tokens: int | None) -> dict[str, Any]:
    return {"inputs": "안녕하세요", "parameters": {"max_new_tokens": num_tokens}}


# The rest of the context.
ENDLESS = generate(None)


@pytest.fixture(scope="module")
def endless_server(endless_dir: Path) -> Iterator[ServerProcess]:
    """A server whose answers take long, for two requests at once."""
    with ServerProcess(HF_MODEL_ID=str(endless_dir), MAX_CONCURRENT_REQUESTS="2") as process:
        yield process.ready()


def test_the_first_token_comes_before_the_last_is_made(
    endless_server: ServerProcess, codec: TextCodec
) -> None:
    num_tokens = 2048 - len(codec.encode(ENDLESS["inputs"]))
    connection = open_stream(endless_server, "/generate_stream", ENDLESS)
    received = b""
    while f'"index":{num_tokens},'.encode() not in received:
        new = connection.recv(65536)
        assert new, "the stream ended early"
        received += new
    connection.close()
    assert received.count(b"data:") > 1500, "most came after the first was read"


def test_above_the_limit_it_is_overloaded_until_a_client_goes_away(endless_server: ServerProcess) -> None:
    connections = [open_stream(endless_server, "/generate_stream", ENDLESS) for _ in range(2)]
    answer = post(endless_server, "/generate", generate(1))
    found = post(endless_server, "/generate_stream", generate(1)).text
    assert answer.status_code == 429
    assert answer.json() == {"error": "Model is overloaded", "error_type": "overloaded"}
    assert json.loads(found.removeprefix("data:")) == answer.json()
    for connection in connections:
        connection.close()
        endless_server.wait_for("dropped a cancelled generation")
    assert post(endless_server, "/generate", generate(1)).status_code == 200


def test_a_client_that_goes_away_before_its_answer_frees_its_place(endless_server: ServerProcess) -> None:
    address = urlsplit(endless_server.url)
    waiting = []
    for _ in range(2):
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=300)
        headers = {"content-type": "application/json"}
        connection.request("POST", "/invocations", body=json.dumps(ENDLESS), headers=headers)
        waiting.append(connection)
    while post(endless_server, "/generate", generate(1)).status_code != 429:
        pass
    for connection in waiting:
        connection.close()
    for _ in waiting:
        endless_server.wait_for("dropped a cancelled generation")
    assert post(endless_server, "/generate", generate(1)).status_code == 200


def test_a_slow_reader_does_not_hold_up_the_others(endless_server: ServerProcess) -> None:
    connection = open_stream(endless_server, "/generate_stream", ENDLESS, receive_bytes=1024)
    assert post(endless_server, "/generate", generate(1)).status_code == 200
    connection.close()


class Connection:
    """ASGI's two functions: nothing is received, and what is sent is kept."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def receive(self) -> dict[str, str]:
        return await asyncio.get_running_loop().create_future()

    async def send(self, message: dict[str, Any]) -> None:
        self.bodies.append(message.get("body", b""))


def streamed(model: ModelFolder, feed, *, timeout_s: float = 30) -> list[bytes]:
    """Stream one generation, which `feed` gives its tokens, and return the parts of the body."""
    service = Service(
        model,
        max_input=10,
        max_total=20,
        max_concurrent_requests=1,
        request_timeout_s=timeout_s,
        metrics=TGI.metrics,
    )

    async def run() -> list[bytes]:
        loop, connection = asyncio.get_running_loop(), Connection()
        generation = Generation([0], Sampling(max_new_tokens=2))
        request = GenerateRequest(inputs="가", parameters=dict(DEFAULTS))

        async def start() -> Run:
            prompt = Prompt(ids=[0], sampling=generation.sampling)
            return Run(request, prompt, generation, received_s=loop.time(), free=lambda: None)

        feed(loop, generation)
        shape = GenerateStream(full_text=False, num_characters=1)
        await EventStream(service, start, shape, generation.queued_s)({}, connection.receive, connection.send)
        assert generation.cancelled
        return connection.bodies

    return asyncio.run(run())


def put(generation: Generation, token: Token) -> None:
    generation.put(token)
    deliver([generation])


def test_a_stream_that_waits_is_kept_alive(model: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "KEEP_ALIVE_S", 0.01)

    def feed(loop, generation: Generation) -> None:
        loop.call_later(0.1, put, generation, Token(5, "가", -0.1, False, "length"))

    _head, *waits, last = streamed(model, feed)
    assert b'"generated_text":"\xea\xb0\x80"' in last
    assert waits
    assert set(waits) == {b":\n\n"}


def test_an_error_of_the_engine_is_the_last_event(model: ModelFolder) -> None:
    def feed(_, generation: Generation) -> None:
        put(generation, Token(5, "가", -0.1, False))
        generation.fail(event_stream.RequestError(424, "generation", "it broke"))

    _head, first, last = streamed(model, feed)
    assert b'"index":1' in first
    assert json.loads(last.removeprefix(b"data:")) == {"error": "it broke", "error_type": "generation"}


def test_an_error_that_no_engine_should_raise_is_an_event_all_the_same(
    model: ModelFolder, caplog: pytest.LogCaptureFixture
) -> None:
    _head, last = streamed(model, lambda _, generation: generation.fail(KeyError("secret")))
    assert json.loads(last.removeprefix(b"data:")) == {
        "error": "Request failed during generation: KeyError; the server's log has more",
        "error_type": "generation",
    }
    assert "a request failed" in caplog.text


def test_a_stream_without_tokens_ends_at_the_time_limit(model: ModelFolder) -> None:
    _head, last = streamed(model, lambda *_: None, timeout_s=0.05)
    assert "longer than 0.05 s (SERVE_REQUEST_TIMEOUT_S)" in json.loads(last.removeprefix(b"data:"))["error"]
