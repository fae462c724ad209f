"""In every dialect: the bound of the queue, the time limit, the end of the server, bodies of any kind."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.serve.requests_to_server import MESSAGES, open_stream, post
from tests.serve.server_process import ServerProcess

NUM_TOKENS = 60_000
CHAT = {"messages": MESSAGES, "max_tokens": NUM_TOKENS}
GENERATE = {"inputs": "안녕하세요", "parameters": {"max_new_tokens": NUM_TOKENS}}
# Dialect -> a route and a body whose answer takes minutes.
LONG = {
    "tgi": ("/generate", GENERATE),
    "lmi": ("/invocations", GENERATE),
    "vllm": ("/v1/chat/completions", CHAT),
}
OVERLOADED = {
    "tgi": {"error": "Model is overloaded", "error_type": "overloaded"},
    "lmi": {"error": "Model is overloaded", "code": 429},
    "vllm": {
        "error": {
            "message": "Model is overloaded", "type": "TooManyRequestsError", "param": None, "code": 429,
        }
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def long_dir(chat_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without an end token, and with room for an answer of minutes."""
    folder = Path(shutil.copytree(chat_dir, tmp_path_factory.mktemp("long") / "model"))
    config = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": 65_536}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": []}))
    return folder


@pytest.fixture(scope="module", params=["tgi", "lmi", "vllm"])
def busy_server(request: pytest.FixtureRequest, long_dir: Path) -> Iterator[ServerProcess]:
    """A server with room for one request, which may take 2 s."""
    variables = {"SERVE_MAX_CONCURRENT_REQUESTS": "1", "SERVE_REQUEST_TIMEOUT_S": "2"}
    with ServerProcess(HF_MODEL_ID=str(long_dir), SERVE_DIALECT=request.param, **variables) as process:
        process.dialect = request.param
        yield process.ready()


def test_a_second_request_is_overloaded_and_the_first_ends_at_the_time_limit(
    busy_server: ServerProcess,
) -> None:
    route, body = LONG[busy_server.dialect]
    stream = open_stream(busy_server, "/invocations", body | {"stream": True})
    refused = post(busy_server, route, body)
    assert (refused.status_code, refused.json()) == (429, OVERLOADED[busy_server.dialect])
    received = b""
    while new := stream.recv(65536):
        received += new
        if b"\r\n0\r\n\r\n" in received[-100:]:
            break
    stream.close()
    assert b"it took longer than 2 s (SERVE_REQUEST_TIMEOUT_S)" in received[-1000:]
    assert received.count(b"\n\n") or received.count(b"}\n")
    busy_server.wait_for("dropped a cancelled generation")


def test_a_plain_answer_ends_at_the_time_limit_with_an_error(busy_server: ServerProcess) -> None:
    route, body = LONG[busy_server.dialect]
    answer = post(busy_server, route, body)
    assert answer.status_code == {"tgi": 424, "lmi": 424, "vllm": 500}[busy_server.dialect]
    assert "it took longer than 2 s" in answer.text
    busy_server.wait_for("dropped a cancelled generation")


def test_a_reader_that_reads_nothing_loses_its_place_at_the_time_limit(busy_server: ServerProcess) -> None:
    route, body = LONG[busy_server.dialect]
    stream = open_stream(busy_server, "/invocations", body | {"stream": True}, receive_bytes=1024)
    busy_server.wait_for("ended a stream")
    small = json.loads(json.dumps(body).replace(str(NUM_TOKENS), "1"))
    while (status := post(busy_server, route, small).status_code) == 429:
        pass
    assert status == 200
    stream.close()


def test_what_is_under_way_when_the_server_ends_is_answered_with_an_error(long_dir: Path) -> None:
    with ServerProcess(HF_MODEL_ID=str(long_dir), SERVE_REQUEST_TIMEOUT_S="600") as server:
        server.ready()
        streams = [open_stream(server, "/generate_stream", GENERATE) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            plain = [pool.submit(post, server, "/v1/chat/completions", CHAT) for _ in range(2)]
            while (
                requests.get(server.url + "/metrics", timeout=300).text.count("tgi_batch_current_size 4") < 1
            ):
                pass
            server.process.send_signal(signal.SIGTERM)
            answers = [future.result() for future in plain]
        for stream in streams:
            received = b""
            while new := stream.recv(65536):
                received = (received + new)[-1000:]
            assert b'"error_type":"incomplete_generation"' in received
            assert received.endswith(b"0\r\n\r\n")
        status, output = server.wait()
    for answer in answers:
        assert answer.status_code == 500
        assert answer.json() == {
            "error": "Incomplete generation: the server is ending",
            "error_type": "incomplete_generation",
        }
    assert status == 0
    assert "Traceback" not in output


ROUTES = {
    "tgi": [
        "/", "/invocations", "/generate", "/generate_stream", "/tokenize", "/chat_tokenize",
        "/v1/chat/completions", "/v1/completions",
    ],
    "lmi": ["/invocations", "/predictions/model", "/v1/chat/completions"],
    "vllm": ["/invocations", "/v1/chat/completions", "/v1/completions"],
}  # fmt: skip
DEEP = b'{"messages": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no json": b"{",
    "no utf-8": b'{"inputs": "\xff"}',
    "null": b"null",
    "a number": b"1",
    "nan": b'{"inputs": "a", "prompt": "a", "messages": [], "temperature": NaN}',
    "deep": DEEP,
    "half a character": rb'{"inputs": "\ud83d", "prompt": "\ud83d", "messages": [{"content": "\ud83d"}]}',
    "10 MB": b'{"inputs": "' + b"a" * 10_000_000 + b'"}',
}
WRONG: list[dict[str, Any]] = [
    {name: value}
    for name in ("inputs", "messages", "prompt")
    for value in (None, 5, {}, [], [None], [5], [{}], [[1, 2]], {"a": "b"}, True, "")
] + [
    MESSAGE | {"prompt": "a", "inputs": "a"} | MORE
    for MESSAGE in ({"messages": [{"role": "user", "content": "a"}]},)
    for MORE in (
        {"stream": 1}, {"temperature": "0.5"}, {"temperature": 1e39}, {"temperature": -1}, {"max_tokens": -1},
        {"max_tokens": 10**9}, {"seed": 2**70}, {"stop": 5}, {"stop": [None]}, {"model": 5},
        {"model": "가"}, {"stream_options": []}, {"stream_options": {"include_usage": "x"}}, {"top_p": 7},
        {"parameters": []}, {"parameters": {"top_p": "a"}}, {"parameters": {"max_new_tokens": 10**6}},
        {"parameters": {"stop": "a", "stop_sequences": "a"}}, {"adapters": {}}, {"top_k": "x"},
    )
] + [
    {"messages": [message]}
    for message in (
        {"role": "user"}, {"role": 5, "content": "a"}, {"role": "user", "content": None},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a"}}]},
        {"role": "user", "content": [{"type": "text"}]}, {"role": "user", "content": ["a"]},
        {"role": "bird", "content": "a"}, {"content": "a"},
        {"role": "assistant", "content": "a", "tool_calls": [{}]},
    )
]  # fmt: skip


@pytest.fixture(params=["tgi", "lmi", "vllm"])
def any_server(request: pytest.FixtureRequest) -> tuple[str, ServerProcess]:
    name = {"tgi": "chat_server", "lmi": "lmi_server", "vllm": "vllm_server"}[request.param]
    return request.param, request.getfixturevalue(name)


def assert_refused(dialect: str, answer: requests.Response) -> None:
    """An error response has the dialect's shape; where a stream has begun, it is an event."""
    found = json.loads(answer.text.removeprefix("data:")) if answer.status_code == 200 else answer.json()
    if dialect == "vllm":
        assert set(found["error"]) == {"message", "type", "param", "code"}
        assert found["error"]["code"] == answer.status_code
    else:
        assert set(found) == {"error", "error_type" if dialect == "tgi" else "code"}
    if answer.status_code != 200:
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("name", BODIES)
def test_what_is_no_request_is_refused_on_every_route(
    any_server: tuple[str, ServerProcess], name: str
) -> None:
    dialect, server = any_server
    for route in ROUTES[dialect]:
        headers = {"content-type": "application/json"}
        answer = requests.post(server.url + route, data=BODIES[name], headers=headers, timeout=300)
        assert 400 <= answer.status_code < 500
        assert_refused(dialect, answer)
    assert requests.get(server.url + "/ping", timeout=300).status_code == 200


def test_wrong_types_and_values_are_never_an_error_of_the_server(
    any_server: tuple[str, ServerProcess],
) -> None:
    dialect, server = any_server
    num_refused = 0
    with requests.Session() as session:
        for route in ROUTES[dialect]:
            for body in WRONG:
                short = {"max_tokens": 1, "parameters": {"max_new_tokens": 1}}
                answer = session.post(server.url + route, json=short | body, timeout=300)
                if answer.status_code != 200 or answer.text.startswith('data:{"error"'):
                    assert_refused(dialect, answer)
                    num_refused += 1
    assert num_refused > 0.5 * len(ROUTES[dialect]) * len(WRONG)
    assert requests.get(server.url + "/ping", timeout=300).status_code == 200
