"""The LMI dialect: an object, JSON lines, 30 tokens, and TGI's shapes where its variable asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.serve.requests_to_server import chat, chunks, completion, lines, post
from tests.serve.server_process import ServerProcess

from processes.errors import UserError
from serve.dialects.lmi.requests import parse_lmi
from serve.dialects.lmi.routes import LmiOptions, LmiRoutes, read_options
from serve.dialects.openai.requests import parse_openai
from serve.errors import RequestError
from serve.metrics import NoMetrics
from serve.model_folder import read_model_folder
from serve.service import Service


def generate(*, num_tokens: int = 6, stream: bool = False, **parameters: Any) -> dict[str, Any]:
    return {
        "inputs": "안녕하세요",
        "parameters": {"max_new_tokens": num_tokens} | parameters,
        "stream": stream,
    }


@pytest.fixture(scope="module")
def compatible_server(chat_dir: Path) -> Iterator[ServerProcess]:
    with ServerProcess(HF_MODEL_ID=str(chat_dir), SERVE_DIALECT="lmi", OPTION_TGI_COMPAT="true") as process:
        yield process.ready()


def test_ping_is_djls(lmi_server: ServerProcess) -> None:
    assert requests.get(lmi_server.url + "/ping", timeout=300).json() == {"status": "Healthy"}


def test_models_are_listed_as_djl_lists_them(lmi_server: ServerProcess, chat_dir: Path) -> None:
    (model,) = requests.get(lmi_server.url + "/models", timeout=300).json()["models"]
    assert model["modelStatus"] == "Healthy"
    assert (model["modelName"], model["modelUrl"]) == ("model", f"file:{chat_dir}/")
    assert requests.get(lmi_server.url + "/metrics", timeout=300).status_code == 404


def test_an_answer_is_an_object_of_30_tokens_without_the_prompt(lmi_server: ServerProcess) -> None:
    body = {"inputs": "안녕하세요", "parameters": {"details": True}}
    answer = post(lmi_server, "/invocations", body).json()
    assert list(answer) == ["generated_text", "details"]
    assert list(answer["details"]) == ["finish_reason", "generated_tokens", "inputs", "tokens"]
    assert (answer["details"]["finish_reason"], answer["details"]["generated_tokens"]) == ("length", 30)
    assert [list(token) for token in answer["details"]["tokens"]] == [["id", "text", "log_prob"]] * 30
    assert not answer["generated_text"].startswith("안녕하세요")
    assert list(post(lmi_server, "/predictions/model", {"inputs": "안녕하세요"}).json()) == ["generated_text"]
    full = post(lmi_server, "/invocations", generate(num_tokens=30, return_full_text=True)).json()
    assert full["generated_text"] == "안녕하세요" + answer["generated_text"]


def test_a_stream_is_json_lines_and_the_last_has_the_text(lmi_server: ServerProcess) -> None:
    whole = post(lmi_server, "/invocations", generate(details=True)).json()
    found = lines(post(lmi_server, "/invocations", generate(details=True, stream=True)))
    assert [line["token"] for line in found] == whole["details"]["tokens"]
    assert all(list(line) == ["token"] for line in found[:-1])
    assert found[-1]["generated_text"] == whole["generated_text"]
    assert found[-1]["details"] == {
        "finish_reason": "length", "generated_tokens": 6, "inputs": "안녕하세요",
    }  # fmt: skip
    assert "details" not in lines(post(lmi_server, "/invocations", generate(stream=True)))[-1]


def test_stop_sequences_end_the_answer_before_them(lmi_server: ServerProcess) -> None:
    text = post(lmi_server, "/invocations", generate(num_tokens=12)).json()["generated_text"]
    stop = text[5:8]
    answer = post(
        lmi_server, "/invocations", generate(num_tokens=12, stop_sequences=[stop], details=True)
    ).json()
    assert answer["generated_text"] == text[: text.index(stop)]
    assert answer["details"]["finish_reason"] == "stop_sequence"


def test_compatibility_gives_tgis_array_and_events(
    compatible_server: ServerProcess, lmi_server: ServerProcess
) -> None:
    plain = post(lmi_server, "/invocations", generate()).json()["generated_text"]
    (answer,) = post(compatible_server, "/invocations", generate()).json()
    assert answer["generated_text"] == plain
    response = post(compatible_server, "/invocations", generate(stream=True))
    assert response.headers["content-type"] == "text/event-stream"
    found = [
        json.loads(part.removeprefix("data: ")) for part in response.content.decode().split("\n\n") if part
    ]
    assert all(list(line["token"]) == ["id", "text", "logprob", "special"] for line in found)
    assert found[-1]["generated_text"] == plain
    assert found[-1]["details"]["generated_tokens"] == 6
    assert chunks(post(compatible_server, "/invocations", chat(stream=True)))


def test_chat_is_openais_with_events_as_its_stream(lmi_server: ServerProcess) -> None:
    whole = post(lmi_server, "/invocations", chat()).json()
    assert whole["object"] == "chat.completion"
    assert whole["id"].startswith("chatcmpl-")
    assert whole["choices"][0]["finish_reason"] == "length"
    found = chunks(post(lmi_server, "/v1/chat/completions", chat(stream=True)))
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    text = "".join(chunk["choices"][0]["delta"]["content"] for chunk in found)
    assert text == whole["choices"][0]["message"]["content"]
    body = chat(max_completion_tokens=9)
    assert post(lmi_server, "/invocations", body).json()["usage"]["completion_tokens"] == 8
    del body["max_tokens"], body["max_completion_tokens"]
    usage = post(lmi_server, "/invocations", body).json()["usage"]
    assert usage["completion_tokens"] > 30, "the rest of the context, not the 30 of `inputs`"


def test_a_prompt_is_a_completion_of_vllms_with_lines_as_its_stream(
    lmi_server: ServerProcess, vllm_server: ServerProcess
) -> None:
    whole = post(lmi_server, "/invocations", completion(stop_token_ids=[3])).json()
    assert whole["object"] == "text_completion"
    assert (
        whole["choices"]
        == post(vllm_server, "/invocations", completion(stop_token_ids=[3])).json()["choices"]
    )
    found = lines(post(lmi_server, "/invocations", completion(stream=True)))
    assert "".join(chunk["choices"][0]["text"] for chunk in found) == whole["choices"][0]["text"]
    assert (
        post(lmi_server, "/invocations", {"prompt": "가", "temperature": 0}).json()["usage"][
            "completion_tokens"
        ]
        <= 16
    )
    nothing = post(lmi_server, "/invocations", {"text": "가"})
    assert nothing.status_code == 424
    assert "`inputs` or `prompt` or `messages`" in nothing.json()["error"]


def test_adapters_beside_messages_name_the_model(lmi_server: ServerProcess) -> None:
    for body in (chat(adapters="news"), completion(adapters=["news"]), generate() | {"adapters": "news"}):
        answer = post(lmi_server, "/invocations", body)
        assert answer.status_code == 424
        assert "`adapters`: the adapter 'news' is not loaded" in answer.json()["error"]


def test_what_is_wrong_with_a_request_is_a_424_with_a_code(lmi_server: ServerProcess) -> None:
    for body in (generate(top_p=7), generate(min_p=1.5), {"input": "가"}, {"inputs": 5}, generate(n=2)):
        for stream in (False, True):
            answer = post(lmi_server, "/invocations", body | {"stream": stream})
            assert answer.status_code == 424
            assert answer.json()["code"] == 424
            assert answer.json()["error"]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, {"max_new_tokens": 30, "do_sample": False, "stop": []}),
        ({"temperature": 0}, {"temperature": None, "do_sample": False}),
        ({"temperature": 0, "top_p": 0.5}, {"top_p": None}),
        ({"top_p": 0.5}, {"do_sample": False, "top_p": None}),  # without a temperature nothing is drawn
        ({"temperature": 0.5}, {"do_sample": True, "temperature": 0.5}),
        ({"do_sample": True}, {"do_sample": True, "temperature": None}),
        ({"do_sample": False, "temperature": 0.5}, {"do_sample": False, "temperature": None}),
        ({"max_new_tokens": None}, {"max_new_tokens": None}),
        ({"seed": -1}, {"seed": None}),
        ({"top_p": 1.0, "top_k": -1}, {"top_p": None, "top_k": None}),
        (
            {"seed": 5, "do_sample": True, "temperature": 0.5},
            {"seed": 5, "do_sample": True, "temperature": 0.5},
        ),
    ],
)
def test_parameters_become_tgis(parameters: dict, found: dict) -> None:
    request = parse_lmi({"inputs": "가", "parameters": parameters}, ())
    assert {name: request.parameters[name] for name in found} == found


def test_the_models_own_defaults_count_in_chat_and_completions_and_not_beside_inputs(chat_dir: Path) -> None:
    model = replace(read_model_folder(chat_dir), generation={"temperature": 0.0, "max_new_tokens": 3})
    service = Service(
        model, max_input=60, max_total=64, max_concurrent_requests=1, request_timeout_s=1,
        metrics=lambda _: NoMetrics(),
    )  # fmt: skip
    rules = LmiRoutes(service, LmiOptions())._rules
    for kind, main in (("chat", {"messages": []}), ("completion", {"prompt": "가"})):
        found = parse_openai(kind, main, rules, model.chat_template, ()).generate.parameters
        assert found["do_sample"] is False
    assert found["max_new_tokens"] == 16
    drawn = parse_lmi({"inputs": "가", "parameters": {"do_sample": True}}, ())
    assert drawn.parameters["do_sample"] is True


def test_an_adapter_is_chosen_by_name() -> None:
    for chosen in ("news", ["news"]):
        assert parse_lmi({"inputs": "가", "adapters": chosen}, ("news",)).parameters["adapter_id"] == "news"
    with pytest.raises(RequestError, match="'sports' is not loaded; known ones: news"):
        parse_lmi({"inputs": "가", "adapters": "sports"}, ("news",))


def test_the_formatter_counts_before_the_request() -> None:
    assert [LmiOptions().formatter_for(stream) for stream in (False, True)] == ["json", "jsonlines"]
    assert [LmiOptions(tgi_compat=True).formatter_for(stream) for stream in (False, True)] == ["json", "sse"]
    sse = read_options({"output_formatter": "sse"})
    assert [sse.formatter_for(stream) for stream in (False, True)] == ["sse", "sse"]
    with pytest.raises(UserError, match="OPTION_OUTPUT_FORMATTER = 'xml'"):
        read_options({"output_formatter": "xml"})
