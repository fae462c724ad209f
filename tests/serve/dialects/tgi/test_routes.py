"""TGI's routes for `inputs` over real HTTP: shapes, headers, errors and streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from tests.serve.server_process import ServerProcess

from sample.news.generator import rows
from workshop.prompt import chat_messages, render

PROMPT = render(chat_messages(next(iter(rows(1, 11)))["document"]), add_generation_prompt=True)
ALL_ROUTES = ["/", "/invocations", "/generate", "/generate_stream"]


def post(server: ServerProcess, route: str, body: Any, **options: Any) -> requests.Response:
    return requests.post(server.url + route, json=body, timeout=300, **options)


def body(num_tokens: int = 8, *, inputs: str = "안녕하세요", stream: bool = False, **parameters: Any) -> dict:
    given = {"max_new_tokens": num_tokens} | parameters
    return {"inputs": inputs, "parameters": given} | ({"stream": True} if stream else {})


def events(response: requests.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    parts = response.content.decode("utf-8").split("\n\n")
    assert parts.pop() == ""
    assert all(part.startswith("data:{") for part in parts)
    return [json.loads(part.removeprefix("data:")) for part in parts]


@pytest.mark.parametrize("route", ["/ping", "/health", "/"])
def test_a_loaded_server_is_healthy(server: ServerProcess, route: str) -> None:
    answer = requests.get(server.url + route, timeout=300)
    assert (answer.status_code, answer.content) == (200, b"")


def test_info_names_the_limits(server: ServerProcess) -> None:
    info = requests.get(server.url + "/info", timeout=300).json()
    limits = {name: info[name] for name in ("max_input_tokens", "max_total_tokens", "max_stop_sequences")}
    assert limits == {"max_input_tokens": 2047, "max_total_tokens": 2048, "max_stop_sequences": 4}
    assert info["max_concurrent_requests"] == 128


def test_generate_answers_an_object_and_the_compatible_routes_an_array(server: ServerProcess) -> None:
    answer = post(server, "/generate", body()).json()
    assert list(answer) == ["generated_text"]
    for route in ("/", "/invocations"):
        assert post(server, route, body(return_full_text=False)).json() == [answer]


def test_the_compatible_routes_put_the_prompt_first_unless_the_request_says_otherwise(
    server: ServerProcess,
) -> None:
    text = post(server, "/generate", body()).json()["generated_text"]
    assert post(server, "/invocations", body()).json()[0]["generated_text"] == "안녕하세요" + text
    assert post(server, "/generate", body(return_full_text=True)).json()["generated_text"].startswith("안녕")
    last = events(post(server, "/invocations", body(stream=True)))[-1]
    assert last["generated_text"] == "안녕하세요" + text
    assert events(post(server, "/generate_stream", body()))[-1]["generated_text"] == text


def test_details_are_tgis(server: ServerProcess) -> None:
    details = post(server, "/generate", body(4, details=True)).json()["details"]
    assert list(details) == ["finish_reason", "generated_tokens", "seed", "prefill", "tokens"]
    assert (details["finish_reason"], details["generated_tokens"]) == ("length", 4)
    assert (details["seed"], details["prefill"]) == (None, [])
    assert [sorted(token) for token in details["tokens"]] == [["id", "logprob", "special", "text"]] * 4
    drawn = post(server, "/generate", body(4, details=True, seed=5, do_sample=True)).json()["details"]
    assert drawn["seed"] == 5


def test_the_most_likely_tokens_stand_in_details_and_in_events(server: ServerProcess) -> None:
    asked = body(3, details=True, top_n_tokens=2)
    details = post(server, "/generate", asked).json()["details"]
    assert list(details)[-2:] == ["tokens", "top_tokens"]
    for token, top in zip(details["tokens"], details["top_tokens"], strict=True):
        assert [list(item) for item in top] == [["id", "text", "logprob", "special"]] * 2
        assert top[0] == token, "greedy: the chosen one is the most likely"
        assert top[1]["logprob"] < top[0]["logprob"]
    events = [
        json.loads(line.removeprefix("data:"))
        for line in post(server, "/generate_stream", asked).content.decode().split("\n\n")
        if line
    ]
    assert [event["top_tokens"] for event in events] == details["top_tokens"]
    assert list(events[0]) == ["index", "token", "top_tokens", "generated_text", "details"]
    whole = post(server, "/v1/completions", {"prompt": "가", "max_tokens": 2}).json()
    assert "top_tokens" not in json.dumps(whole)


def test_headers_count_tokens_characters_and_milliseconds(server: ServerProcess) -> None:
    headers = post(server, "/invocations", body(6, inputs="가😀")).headers
    assert headers["x-compute-characters"] == "2"
    assert headers["x-generated-tokens"] == "6"
    num_prompt = int(headers["x-prompt-tokens"])
    assert num_prompt == len(post(server, "/tokenize", {"inputs": "가😀"}).json())
    for name in ("total", "validation", "queue", "inference"):
        assert 0 <= int(headers[f"x-{name}-time"]) < 60_000
    assert int(headers["x-inference-time"]) <= int(headers["x-total-time"])
    assert float(headers["x-compute-time"]) > 0
    assert headers["x-compute-type"] == "cpu"
    assert "x-time-per-token" in headers


@pytest.mark.parametrize("parameters", [{}, {"do_sample": True, "seed": 3, "temperature": 1.3}])
def test_a_stream_holds_the_answer_token_by_token(server: ServerProcess, parameters: dict) -> None:
    asked = body(60, inputs=PROMPT, details=True, return_full_text=False, **parameters)
    whole = post(server, "/generate", asked).json()
    for route, extra in (("/generate_stream", {}), ("/invocations", {"stream": True})):
        found = events(post(server, route, asked | extra))
        assert [item["index"] for item in found] == list(range(1, len(found) + 1))
        assert_alike([item["token"] for item in found], whole["details"]["tokens"])
        assert all(item["generated_text"] is item["details"] is None for item in found[:-1])
        assert found[-1]["generated_text"] == whole["generated_text"]
        joined = "".join(item["token"]["text"] for item in found if not item["token"]["special"])
        assert joined == whole["generated_text"]
        assert found[-1]["details"] == {
            "finish_reason": whole["details"]["finish_reason"],
            "generated_tokens": len(found),
            "seed": whole["details"]["seed"],
            "input_length": len_prompt(server),
        }


def assert_alike(found: list[dict], expected: list[dict]) -> None:
    """Compare tokens; a prompt that is known is read in other parts, so that logprobs round otherwise."""

    def without(tokens: list[dict]) -> list[dict]:
        return [token | {"logprob": None} for token in tokens]

    assert without(found) == without(expected)
    logprobs = [token["logprob"] for token in expected]
    assert [token["logprob"] for token in found] == pytest.approx(logprobs, abs=1e-4)


def len_prompt(server: ServerProcess) -> int:
    return int(post(server, "/generate", body(1, inputs=PROMPT)).headers["x-prompt-tokens"])


def test_a_stop_text_ends_the_answer_and_stays_in_it(server: ServerProcess) -> None:
    text = post(server, "/generate", body(30)).json()["generated_text"]
    stop = text[4:6]
    asked = body(30, stop=["없는글", stop], details=True)
    answer = post(server, "/generate", asked).json()
    assert answer["generated_text"].endswith(stop)
    assert text.startswith(answer["generated_text"])
    assert answer["details"]["finish_reason"] == "stop_sequence"


def test_a_text_with_the_begin_token_is_the_same_prompt(server: ServerProcess) -> None:
    with_begin = post(server, "/generate", body(20, inputs=PROMPT))
    without = post(server, "/generate", body(20, inputs=PROMPT.removeprefix("<|begin_of_text|>")))
    assert with_begin.json() == without.json()
    assert with_begin.headers["x-prompt-tokens"] == without.headers["x-prompt-tokens"]


@pytest.mark.parametrize("route", ["/", "/invocations", "/generate"])
def test_a_refused_value_is_a_422_with_tgis_body(server: ServerProcess, route: str) -> None:
    answer = post(server, route, body(temperature=0))
    assert answer.status_code == 422
    assert answer.json() == {
        "error": "Input validation error: `temperature` must be strictly positive",
        "error_type": "validation",
    }


def test_in_a_stream_a_refused_value_is_an_event(server: ServerProcess) -> None:
    for route in ("/generate_stream", "/invocations"):
        (found,) = events(post(server, route, body(temperature=0, stream=True)))
        assert found["error_type"] == "validation"
        assert "`temperature`" in found["error"]


@pytest.mark.parametrize("route", ALL_ROUTES)
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe\x00", 400),
        (b"", 400),
        (b'{"inputs": "a", "parameters": {"top_p": NaN}}', 400),
        (b'{"inputs": "a", "parameters": null}', 422),
        (b'{"inputs": 5}', 422),
        (b"null", 422),
        (b'"' + b"a" * 10_000_000 + b'"', 413),
    ],
    ids=lambda value: str(value[:20]) if isinstance(value, bytes) else None,
)
def test_a_body_that_cannot_be_read_is_refused_on_every_route(
    server: ServerProcess, route: str, data: bytes, status: int
) -> None:
    headers = {"content-type": "application/json"}
    answer = requests.post(server.url + route, data=data, headers=headers, timeout=300)
    assert answer.status_code == status
    assert answer.json()["error_type"] == "validation"
    assert requests.get(server.url + "/ping", timeout=300).status_code == 200


def test_a_body_of_another_type_is_refused_and_a_charset_is_not(server: ServerProcess) -> None:
    data = json.dumps(body(1)).encode()
    for content_type, status in (
        ("text/csv", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json; charset=utf-8", 200),
    ):
        headers = {"content-type": content_type}
        answer = requests.post(server.url + "/generate", data=data, headers=headers, timeout=300)
        assert answer.status_code == status


def test_a_chunked_body_is_read(server: ServerProcess) -> None:
    data = json.dumps(body(3)).encode()
    chunks: Iterator[bytes] = (data[place : place + 5] for place in range(0, len(data), 5))
    headers = {"content-type": "application/json"}
    answer = requests.post(server.url + "/generate", data=chunks, headers=headers, timeout=300)
    assert answer.status_code == 200


def test_a_very_long_prompt_is_refused_by_its_number_of_tokens(server: ServerProcess) -> None:
    answer = post(server, "/generate", body(1, inputs="가나다 " * 100_000))
    assert answer.status_code == 422
    assert "must be <= 2048" in answer.json()["error"]


def test_64_at_once_are_all_answered_as_one_alone_is(server: ServerProcess) -> None:
    def ask(number: int) -> tuple[int, list]:
        asked = body(60, inputs=PROMPT if number % 2 else "안녕하세요", return_full_text=False)
        answer = post(server, "/invocations", asked)
        return answer.status_code, answer.json()

    alone = [ask(0), ask(1)]
    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(ask, range(64)))
    assert found == [alone[number % 2] for number in range(64)]
    assert alone[0][0] == 200
