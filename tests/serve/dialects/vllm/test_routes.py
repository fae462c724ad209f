"""The vLLM dialect: OpenAI's bodies only, in vLLM's shapes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.serve.requests_to_server import chat, chunks, completion, post
from tests.serve.server_process import ServerProcess

from serve.text import TextCodec


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


def test_several_prompts_and_answers_are_choices_of_one_body(
    vllm_server: ServerProcess, codec: TextCodec
) -> None:
    prompts = ["안녕하세요", "서울시는", codec.encode("뉴스")]
    body = post(vllm_server, "/v1/completions", completion(prompt=prompts, max_tokens=12)).json()
    alone = [complete(vllm_server, prompt=prompt) for prompt in prompts]
    assert body["choices"] == [choice | {"index": place} for place, choice in enumerate(alone)]
    assert body["usage"]["completion_tokens"] == 36
    drawn = {"temperature": 1.5, "seed": 7, "n": 3, "max_tokens": 12}
    body = post(vllm_server, "/v1/completions", completion(prompt=prompts[:2]) | drawn).json()
    texts = [choice["text"] for choice in body["choices"]]
    assert len(set(texts)) == 6
    assert [choice["index"] for choice in body["choices"]] == list(range(6))
    assert body["usage"]["prompt_tokens"] == sum(len(codec.encode(prompt)) for prompt in prompts[:2])
    third = completion(prompt=prompts[0]) | drawn | {"n": 1, "seed": 9}
    assert post(vllm_server, "/v1/completions", third).json()["choices"][0]["text"] == texts[2]
    answers = post(vllm_server, "/v1/chat/completions", chat() | drawn).json()["choices"]
    assert len({answer["message"]["content"] for answer in answers}) == 3
    for fields in ({"n": 2}, {"n": 0}, {"n": 2, "temperature": 1, "stream": True}):
        answer = post(vllm_server, "/v1/chat/completions", chat() | fields)
        assert answer.status_code == 400
        assert "`n` must be 1" in answer.text or "`stream` of more than one answer" in answer.text


def test_the_counts_may_stand_in_every_chunk(vllm_server: ServerProcess) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    asked = chat(max_tokens=3, stream=True, stream_options=options)
    found = [chunk.get("usage") for chunk in chunks(post(vllm_server, "/v1/chat/completions", asked))]
    assert [usage["completion_tokens"] for usage in found[1:]] == [1, 2, 3, 3]


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


def complete(server: ServerProcess, **fields: Any) -> dict[str, Any]:
    """Return the choice of a greedy completion of twelve tokens."""
    answer = post(server, "/v1/completions", completion(max_tokens=12, **fields))
    assert answer.status_code == 200, answer.text
    (choice,) = answer.json()["choices"]
    return choice


def test_a_prompt_may_be_the_ids_of_its_tokens(vllm_server: ServerProcess, codec: TextCodec) -> None:
    ids = codec.encode("안녕하세요")
    assert ids[0] == 0, "the begin token"
    expected = complete(vllm_server)
    assert complete(vllm_server, prompt=ids) == complete(vllm_server, prompt=[ids]) == expected
    bare = complete(vllm_server, add_special_tokens=False)
    assert bare == complete(vllm_server, prompt=ids[1:]) != expected
    for prompt, message in (
        ([5, codec.num_ids], "out of vocabulary"),
        ([["가"]], "prompt: invalid type"),
        ([5, [6]], "prompt: invalid type"),
        ([], "Empty array"),
        ([5, "가"], "prompt: invalid type"),
    ):
        answer = post(vllm_server, "/v1/completions", completion(prompt=prompt))
        assert answer.status_code == 400
        assert message in answer.json()["error"]["message"]


def test_an_id_that_stops_is_left_out_and_named_unless_it_is_kept(
    vllm_server: ServerProcess, codec: TextCodec
) -> None:
    text = complete(vllm_server)["text"]
    ids = codec.encode(text, add_special_tokens=False)
    stop = ids[5]
    first = ids.index(stop)
    choice = complete(vllm_server, stop_token_ids=[stop])
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", stop)
    assert choice["text"] == codec.decode(ids[:first])
    kept = complete(vllm_server, stop_token_ids=[stop], include_stop_str_in_output=True)
    assert kept["text"] == codec.decode(ids[: first + 1])
    later = complete(vllm_server, stop_token_ids=[stop], min_tokens=12)
    assert (later["finish_reason"], later["stop_reason"]) == ("length", None)
    for stream in (False, True):
        answer = post(
            vllm_server, "/v1/completions",
            completion(max_tokens=12, stop=[text[5:8]], include_stop_str_in_output=True, stream=stream),
        )  # fmt: skip
        choices = [chunk["choices"][0] for chunk in (chunks(answer) if stream else [answer.json()])]
        assert "".join(choice["text"] for choice in choices) == text[: text.index(text[5:8]) + 3]


def test_the_end_token_is_text_or_none_and_may_be_passed_over(vllm_server: ServerProcess) -> None:
    body = chat(max_tokens=500)

    def answer(**fields: Any) -> tuple[str, str, int]:
        found = post(vllm_server, "/v1/chat/completions", body | fields).json()
        (choice,) = found["choices"]
        return choice["message"]["content"], choice["finish_reason"], found["usage"]["completion_tokens"]

    text, reason, length = answer()
    assert reason == "stop", "the base model ends its texts"
    assert answer(max_tokens=length) == (text, "stop", length), "not by length, which TGI would say"
    assert answer(skip_special_tokens=False) == (text, "stop", length), "what ends it is no text"
    kept = answer(skip_special_tokens=False, include_stop_str_in_output=True)
    assert kept == (text + "<|end_of_text|>", "stop", length)
    longer, reason, count = answer(max_tokens=length + 5, ignore_eos=True, skip_special_tokens=False)
    assert (reason, count) == ("length", length + 5)
    assert longer.startswith(text + "<|end_of_text|>")
    assert answer(max_tokens=length + 5, min_tokens=length + 1)[2] > length


def test_completions_show_log_probabilities_with_their_places(vllm_server: ServerProcess) -> None:
    choice = complete(vllm_server, logprobs=2)
    found = choice["logprobs"]
    assert list(found) == ["text_offset", "token_logprobs", "tokens", "top_logprobs"]
    assert "".join(found["tokens"]) == choice["text"]
    assert [choice["text"][place:][: len(token)] for place, token in zip(
        found["text_offset"], found["tokens"], strict=True
    )] == found["tokens"]  # fmt: skip
    assert all(len(top) in (1, 2) for top in found["top_logprobs"])  # two ids may have one text
    assert [top[token] for top, token in zip(found["top_logprobs"], found["tokens"], strict=True)] == (
        pytest.approx(found["token_logprobs"])
    )
    parts = chunks(post(vllm_server, "/v1/completions", completion(max_tokens=12, logprobs=2, stream=True)))
    streamed = [part["choices"][0]["logprobs"] for part in parts]
    assert [place for part in streamed for place in part["text_offset"]] == found["text_offset"]
    assert complete(vllm_server, logprobs=0)["logprobs"]["tokens"] == found["tokens"]
    cold = complete(vllm_server, logprobs=0, repetition_penalty=1.0001, temperature=0)["logprobs"]
    assert cold["token_logprobs"] == pytest.approx(found["token_logprobs"], abs=1e-3)
    many = post(vllm_server, "/v1/completions", completion(logprobs=21))
    assert "`logprobs` must be >= 0 and <= 20. Given: 21" in many.json()["error"]["message"]


def test_echo_puts_the_prompt_before_the_completion(vllm_server: ServerProcess) -> None:
    text = complete(vllm_server)["text"]
    assert complete(vllm_server, echo=True)["text"] == "안녕하세요" + text
    parts = chunks(post(vllm_server, "/v1/completions", completion(max_tokens=12, echo=True, stream=True)))
    assert "".join(part["choices"][0]["text"] for part in parts) == "안녕하세요" + text
    refused = post(vllm_server, "/v1/completions", completion(echo=True, logprobs=1))
    assert (refused.status_code, "`echo` with `logprobs`" in refused.text) == (400, True)


def test_what_a_body_calls_a_field_stands_in_the_message(vllm_server: ServerProcess) -> None:
    for fields, message in (
        ({"max_tokens": 5000}, "`max_tokens` = 5000 are more than the model's context length of 2048 tokens"),
        ({"max_completion_tokens": 5000}, "`max_completion_tokens` = 5000 are more than"),
        ({"min_tokens": 9, "max_tokens": 8}, "`min_tokens` must be <= 8"),
        ({"frequency_penalty": 3}, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
        ({"top_p": 0}, "`top_p` must be in (0, 1], got 0.0"),
        ({"stop_token_ids": [99999]}, "`stop_token_ids`: token id 99999 is out of vocabulary"),
        ({"logit_bias": {"가": 1}}, "logit_bias['가']: invalid type"),
        ({"top_logprobs": 2}, "`top_logprobs` needs `logprobs`: true"),
        ({"stream_options": {"include_usage": True}}, "`stream_options`: only with `stream`"),
    ):
        answer = post(vllm_server, "/v1/chat/completions", chat() | fields)
        assert answer.status_code == 400
        assert message in answer.json()["error"]["message"]
    named = post(vllm_server, "/v1/completions", completion(request_id="eins"))
    assert named.json()["id"] == "cmpl-eins"
