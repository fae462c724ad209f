"""TGI's chat and completion routes, and its invocations with their bodies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from tests.serve.requests_to_server import MESSAGES, chat, chunks, completion, post
from tests.serve.server_process import ServerProcess


def test_a_chat_answer_has_tgis_fields(chat_server: ServerProcess, chat_dir: Path) -> None:
    answer = post(chat_server, "/v1/chat/completions", chat(max_tokens=6))
    body = answer.json()
    created = body.pop("created")
    assert body["choices"][0]["message"].pop("content")
    num_prompt = body["usage"]["prompt_tokens"]
    assert body == {
        "object": "chat.completion",
        "id": "",
        "model": str(chat_dir),
        "system_fingerprint": "3.3.7-native",
        "choices": [
            {"index": 0, "message": {"role": "assistant"}, "logprobs": None, "finish_reason": "length"}
        ],
        "usage": {
            "prompt_tokens": num_prompt, "completion_tokens": 6, "total_tokens": num_prompt + 6,
        },
    }  # fmt: skip
    assert created > 1_700_000_000
    assert answer.headers["x-prompt-tokens"] == str(num_prompt)
    assert answer.headers["x-generated-tokens"] == "6"


@pytest.mark.parametrize("include_usage", [True, False])
def test_a_chat_stream_holds_the_answer_and_ends_as_openais_clients_need_it(
    chat_server: ServerProcess, include_usage: bool
) -> None:
    whole = post(chat_server, "/v1/chat/completions", chat(logprobs=True)).json()
    asked = chat(logprobs=True, stream=True, stream_options={"include_usage": include_usage})
    found = chunks(post(chat_server, "/v1/chat/completions", asked))
    if include_usage:
        last = found.pop()
        assert (last["choices"], last["usage"]) == ([], whole["usage"])
    assert all(chunk["usage"] is None for chunk in found)
    assert all(
        (chunk["object"], chunk["id"], chunk["system_fingerprint"])
        == ("chat.completion.chunk", "", "3.3.7-native")
        for chunk in found
    )
    choices = [chunk["choices"][0] for chunk in found]
    assert all(choice["delta"]["role"] == "assistant" for choice in choices)
    text = "".join(choice["delta"]["content"] for choice in choices)
    assert text == whole["choices"][0]["message"]["content"]
    logprobs = [item for choice in choices for item in choice["logprobs"]["content"]]
    assert logprobs == whole["choices"][0]["logprobs"]["content"]
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["length"]


def test_a_completion_and_its_stream_have_tgis_fields(chat_server: ServerProcess) -> None:
    whole = post(chat_server, "/v1/completions", completion()).json()
    assert whole["object"] == "text_completion"
    assert list(whole["choices"][0]) == ["index", "text", "logprobs", "finish_reason"]
    found = chunks(post(chat_server, "/v1/completions", completion(stream=True)))
    assert "".join(chunk["choices"][0]["text"] for chunk in found) == whole["choices"][0]["text"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in found] == [""] * 7 + ["length"]
    assert found[-1]["usage"] == whole["usage"]
    assert all("usage" not in chunk for chunk in found[:-1])
    generate = {"inputs": "안녕하세요", "parameters": {"max_new_tokens": 8}}
    assert post(chat_server, "/generate", generate).json()["generated_text"] == whole["choices"][0]["text"]


def test_the_end_token_is_stop_and_no_part_of_the_text(chat_server: ServerProcess) -> None:
    prompt = "한국은행은 13일 기준금리를 동결했다."
    whole = post(chat_server, "/v1/completions", completion(prompt=prompt, max_tokens=400)).json()
    (choice,) = whole["choices"]
    assert choice["finish_reason"] == "stop", "the base model ends its texts"
    assert "<|" not in choice["text"]
    asked = completion(prompt=prompt, max_tokens=400, stream=True)
    found = [chunk["choices"][0] for chunk in chunks(post(chat_server, "/v1/completions", asked))]
    assert "".join(item["text"] for item in found) == choice["text"]
    assert found[-1]["finish_reason"] == "eos_token", "TGI's word in a stream of completions"


def test_invocations_picks_its_schema_by_the_body(chat_server: ServerProcess) -> None:
    chat_body, prompt_body = chat(), completion()
    plain = {"inputs": "안녕하세요", "parameters": {"max_new_tokens": 8, "return_full_text": False}}
    text = post(chat_server, "/invocations", plain).json()[0]["generated_text"]
    assert post(chat_server, "/invocations", prompt_body).json()["choices"][0]["text"] == text
    assert "message" in post(chat_server, "/invocations", chat_body).json()["choices"][0]
    assert isinstance(post(chat_server, "/invocations", prompt_body | chat_body | plain).json(), list)
    assert "message" in post(chat_server, "/invocations", prompt_body | chat_body).json()["choices"][0]
    assert chunks(post(chat_server, "/invocations", chat_body | {"stream": True}))
    missing = post(chat_server, "/invocations", {"input": "가"})
    assert missing.status_code == 422
    assert "missing field `inputs` or `messages` or `prompt`" in missing.json()["error"]


def test_a_sampled_chat_repeats_with_its_seed_only(chat_server: ServerProcess) -> None:
    def ask(**fields: Any) -> str:
        body = {"messages": MESSAGES, "max_tokens": 20} | fields
        return post(chat_server, "/v1/chat/completions", body).json()["choices"][0]["message"]["content"]

    assert ask(seed=3, temperature=2) == ask(seed=3, temperature=2)
    assert len({ask(temperature=2) for _ in range(4)}) > 1
    assert len({ask(temperature=0) for _ in range(2)}) == 1


def test_an_unset_max_tokens_is_counted_as_the_first_1024(chat_server: ServerProcess) -> None:
    before = requests.get(chat_server.url + "/metrics", timeout=300).text
    answer = post(chat_server, "/v1/chat/completions", {"messages": MESSAGES, "temperature": 0, "seed": 1})
    assert answer.status_code == 200

    def highest(text: str) -> float:
        return float(text.split("tgi_request_max_new_tokens_sum ")[1].split("\n")[0])

    after = requests.get(chat_server.url + "/metrics", timeout=300).text
    assert highest(after) - highest(before) == 1024


def test_models_are_a_list_of_one(chat_server: ServerProcess, chat_dir: Path) -> None:
    name = str(chat_dir)
    assert requests.get(chat_server.url + "/v1/models", timeout=300).json() == {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 0, "owned_by": name}],
    }


def test_errors_before_a_stream_are_statuses_and_those_of_values_are_events(
    chat_server: ServerProcess,
) -> None:
    role = post(
        chat_server, "/v1/chat/completions", chat(messages=[{"role": "x", "content": ""}], stream=True)
    )
    assert role.status_code == 422
    (event,) = chunks(post(chat_server, "/v1/chat/completions", chat(top_p=1.5, stream=True)))
    assert event["error_type"] == "validation"
    assert "`top_p` must be > 0.0 and < 1.0" in event["error"]


def test_a_suffix_is_refused_in_tgis_words(chat_server: ServerProcess) -> None:
    answer = post(chat_server, "/v1/completions", completion(suffix="가"))
    assert answer.status_code == 422
    assert answer.json()["error_type"] == "suffix not supported"


def test_top_logprobs_of_a_chat_stand_beside_each_token(chat_server: ServerProcess) -> None:
    body = post(chat_server, "/v1/chat/completions", chat(logprobs=True, top_logprobs=3, max_tokens=2)).json()
    for item in body["choices"][0]["logprobs"]["content"]:
        assert [list(top) for top in item["top_logprobs"]] == [["token", "logprob"]] * 3
        assert item["top_logprobs"][0] == {"token": item["token"], "logprob": item["logprob"]}


def test_several_prompts_are_choices_of_one_body_and_headers_their_sums(chat_server: ServerProcess) -> None:
    prompts = ["안녕하세요", "서울시는"]
    alone = [post(chat_server, "/v1/completions", completion(prompt=prompt)) for prompt in prompts]
    answer = post(chat_server, "/v1/completions", completion(prompt=prompts))
    body = answer.json()
    choices = [each.json()["choices"][0] for each in alone]
    assert body["choices"] == [choice | {"index": place} for place, choice in enumerate(choices)]
    for name, header in (("prompt_tokens", "x-prompt-tokens"), ("completion_tokens", "x-generated-tokens")):
        total = sum(each.json()["usage"][name] for each in alone)
        assert (body["usage"][name], int(answer.headers[header])) == (total, total)
    assert int(answer.headers["x-compute-characters"]) == len("".join(prompts))


def test_n_is_one_answer_and_a_bias_is_no_bias_as_in_tgi(chat_server: ServerProcess) -> None:
    plain = post(chat_server, "/v1/chat/completions", chat()).json()["choices"]
    assert post(chat_server, "/v1/chat/completions", chat(n=3, logit_bias=[9.0])).json()["choices"] == plain
    answer = post(chat_server, "/v1/chat/completions", chat(logit_bias={"1": 9}))
    assert (answer.status_code, "logit_bias: invalid type: map" in answer.text) == (422, True)


def test_max_completion_tokens_is_another_name_of_max_tokens_in_chat_and_unknown_in_completions(
    chat_server: ServerProcess,
) -> None:
    body = chat(max_completion_tokens=3)
    answer = post(chat_server, "/v1/chat/completions", body)
    assert answer.status_code == 422
    assert "duplicate field `max_tokens`" in answer.json()["error"]
    del body["max_tokens"]
    answer = post(chat_server, "/v1/chat/completions", body)
    assert answer.json()["usage"]["completion_tokens"] == 3
    answer = post(chat_server, "/v1/completions", completion(max_tokens=5, max_completion_tokens=3))
    assert answer.json()["usage"]["completion_tokens"] == 5
