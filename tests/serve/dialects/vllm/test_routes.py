"""The vLLM dialect: OpenAI's bodies only, in vLLM's shapes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import requests
from tests.serve.requests_to_server import chat, chunks, completion, post
from tests.serve.server_process import ServerProcess


def test_health_version_and_models(vllm_server: ServerProcess, chat_dir: Path) -> None:
    for route in ("/ping", "/health"):
        assert requests.get(vllm_server.url + route, timeout=300).status_code == 200
    assert "version" in requests.get(vllm_server.url + "/version", timeout=300).json()
    (model,) = requests.get(vllm_server.url + "/v1/models", timeout=300).json()["data"]
    assert (model["id"], model["owned_by"], model["max_model_len"]) == (str(chat_dir), "vllm", 2048)


def test_a_chat_answer_has_an_id_and_openais_reasons(vllm_server: ServerProcess, chat_dir: Path) -> None:
    body = post(vllm_server, "/v1/chat/completions", chat(max_tokens=6)).json()
    assert body["id"].startswith("chatcmpl-")
    assert (body["object"], body["model"]) == ("chat.completion", str(chat_dir))
    (choice,) = body["choices"]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("length", None)
    assert choice["message"]["role"] == "assistant"
    usage = body["usage"]
    assert usage["completion_tokens"] == 6
    assert usage["total_tokens"] == usage["prompt_tokens"] + 6
    assert post(vllm_server, "/invocations", chat(max_tokens=6)).json()["choices"] == body["choices"]


def test_a_stream_says_who_speaks_then_what_and_then_the_counts(vllm_server: ServerProcess) -> None:
    whole = post(vllm_server, "/v1/chat/completions", chat()).json()
    asked = chat(stream=True, stream_options={"include_usage": True})
    first, *found, last = chunks(post(vllm_server, "/invocations", asked))
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len({chunk["id"] for chunk in (first, *found, last)}) == 1
    text = "".join(chunk["choices"][0]["delta"]["content"] for chunk in found)
    assert text == whole["choices"][0]["message"]["content"]
    assert found[-1]["choices"][0]["finish_reason"] == "length"
    assert (last["choices"], last["usage"]) == ([], whole["usage"])


def test_completions_have_16_tokens_unless_the_request_says_otherwise(vllm_server: ServerProcess) -> None:
    body = post(vllm_server, "/v1/completions", {"prompt": "안녕하세요", "temperature": 0}).json()
    assert body["id"].startswith("cmpl-")
    assert body["usage"]["completion_tokens"] == 16
    found = chunks(post(vllm_server, "/v1/completions", completion(max_tokens=16, stream=True)))
    assert "".join(chunk["choices"][0]["text"] for chunk in found) == body["choices"][0]["text"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_text_is_left_out_and_named(vllm_server: ServerProcess, stream: bool) -> None:
    text = post(vllm_server, "/v1/completions", completion(max_tokens=12)).json()["choices"][0]["text"]
    stop = text[5:8]
    answer = post(
        vllm_server, "/v1/completions", completion(max_tokens=12, stop=["없는 글", stop], stream=stream)
    )
    choices = [chunk["choices"][0] for chunk in (chunks(answer) if stream else [answer.json()])]
    assert "".join(choice["text"] for choice in choices) == text[: text.index(stop)]
    assert (choices[-1]["finish_reason"], choices[-1]["stop_reason"]) == ("stop", stop)


def test_inputs_are_a_400(vllm_server: ServerProcess) -> None:
    answer = post(vllm_server, "/invocations", {"inputs": "가"})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("BadRequestError", 400)
    assert error["message"].startswith("Cannot find suitable handler for request. Expected one of")


@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_statuses_even_for_streams(vllm_server: ServerProcess, stream: bool) -> None:
    unknown = post(vllm_server, "/v1/chat/completions", chat(model="없는 모델", stream=stream))
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "NotFoundError")
    long = post(vllm_server, "/v1/chat/completions", chat(max_tokens=5000, stream=stream))
    assert (long.status_code, long.json()["error"]["type"]) == (400, "BadRequestError")
    assert post(vllm_server, "/v1/chat/completions", chat(top_p=1.0, stream=stream)).status_code == 200


def test_the_models_generation_config_gives_the_defaults(chat_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(chat_dir, tmp_path / "model"))
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(
        json.dumps(config | {"temperature": 0.0, "max_new_tokens": 3})
    )
    with ServerProcess(HF_MODEL_ID=str(folder), SERVE_DIALECT="vllm") as server:
        server.ready()
        body = chat()
        expected = post(server, "/v1/chat/completions", body | {"max_tokens": 3}).json()["choices"]
        del body["temperature"], body["max_tokens"]
        answers = [post(server, "/v1/chat/completions", body).json()["choices"] for _ in range(3)]
    assert answers == [expected] * 3
