"""Messages become the prompt that the model's own tokenizer makes of them, and exactly one begin token."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.serve.requests_to_server import MESSAGES, post
from tests.serve.server_process import TEMPLATE, ServerProcess
from transformers import AutoTokenizer

from serve.chat_template import ChatTemplate
from serve.errors import RequestError
from serve.model_folder import read_model_folder

CHATS = [
    MESSAGES,
    [{"role": "user", "content": "짧게"}],
    [*MESSAGES, {"role": "assistant", "content": "네.\n\n"}, {"role": "user", "content": "다시"}],
    [{"role": "user", "content": "<|end_of_text|> 안의 특수 토큰 {{ x }} {% if %}"}],
    [{"role": "user", "content": "각 漢字 ｶﾅ 👩‍👩‍👧 \t\x0b\u200b <b>&amp;</b>"}],  # 각 in NFD
    [{"role": "user", "content": ""}],
]


@pytest.fixture(scope="module")
def tokenizer(chat_dir: Path) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(chat_dir)
    assert tokenizer.chat_template == TEMPLATE.read_text(encoding="utf-8")
    return tokenizer


def ids_of(tokens: list[dict[str, Any]]) -> list[int]:
    return [token["id"] for token in tokens]


@pytest.mark.parametrize("messages", CHATS)
def test_a_chat_has_the_ids_of_the_tokenizers_own_template_on_every_route(
    chat_server: ServerProcess, tokenizer: Any, messages: list[dict[str, str]]
) -> None:
    expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    found = post(chat_server, "/chat_tokenize", {"messages": messages}).json()
    text = found["templated_text"]
    assert text == tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert ids_of(found["tokenize_response"]) == expected
    assert expected.count(tokenizer.bos_token_id) == 1
    without = text.removeprefix(tokenizer.bos_token)
    assert ids_of(post(chat_server, "/tokenize", {"inputs": without}).json()) == expected
    assert ids_of(post(chat_server, "/tokenize", {"inputs": text}).json()) == expected
    asked = {"max_new_tokens": 12, "details": True}
    plain = post(chat_server, "/generate", {"inputs": without, "parameters": asked}).json()
    chat = post(
        chat_server,
        "/v1/chat/completions",
        {"messages": messages, "max_tokens": 12, "temperature": 0, "logprobs": True},
    ).json()
    assert chat["choices"][0]["message"]["content"] == plain["generated_text"]
    items, tokens = chat["choices"][0]["logprobs"]["content"], plain["details"]["tokens"]
    assert [item["token"] for item in items] == [token["text"] for token in tokens]
    # The second request read only the end of the prompt: rounding differs.
    expected_logprobs = [token["logprob"] for token in tokens]
    assert [item["logprob"] for item in items] == pytest.approx(expected_logprobs, abs=1e-4)
    assert chat["usage"]["prompt_tokens"] == len(expected)


def test_tokens_name_the_characters_they_stand_for(chat_server: ServerProcess) -> None:
    text = "안녕 😀 뉴스 2024"
    tokens = post(chat_server, "/tokenize", {"inputs": text}).json()
    assert [list(token) for token in tokens] == [["id", "text", "start", "stop"]] * len(tokens)
    assert tokens[0] == {"id": 0, "text": "", "start": 0, "stop": 0}
    assert all(token["text"] == text[token["start"] : token["stop"]] for token in tokens)
    assert tokens[-1]["stop"] == len(text)
    # TGI's route does not truncate.
    assert post(chat_server, "/tokenize", {"inputs": text, "parameters": {"truncate": 2}}).json() == tokens


def test_a_model_without_a_template_says_what_to_do(server: ServerProcess) -> None:
    for route in ("/v1/chat/completions", "/chat_tokenize", "/invocations"):
        answer = post(server, route, {"messages": MESSAGES})
        assert answer.status_code == 422
        assert answer.json()["error_type"] == "template_error"
        assert answer.json()["error"].startswith("Template error: template not found")
        assert "send its prompt as `inputs`" in answer.json()["error"].lower()


def test_a_role_that_the_template_refuses_is_a_template_error(chat_server: ServerProcess) -> None:
    answer = post(chat_server, "/v1/chat/completions", {"messages": [{"role": "bird", "content": "a"}]})
    assert answer.status_code == 422
    assert answer.json() == {
        "error": "Template error: found the role 'bird'; expected 'system', 'user' or 'assistant'",
        "error_type": "template_error",
    }


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% if %}", "Expected an expression"),
        ("{{ messages[0].content + 1 }}", "can only concatenate str"),
        ("{{ messages.append(1) }}", "is not safely callable|access to attribute"),
        ("{{ ''.__class__.__mro__ }}", "unsafe|access to attribute"),
        ("{{ raise_exception('no') }}", "^Template error: no$"),
    ],
)
def test_a_broken_or_unsafe_template_is_a_template_error(source: str, reason: str) -> None:
    template = ChatTemplate(source, {})
    with pytest.raises(RequestError, match=reason) as caught:
        template.render(MESSAGES)
    assert (caught.value.status, caught.value.error_type) == (422, "template_error")


def test_templates_render_as_transformers_does_it(tokenizer: Any) -> None:
    source = (
        "{{ bos_token }}\n  {% for message in messages %}\n"
        "  {% generation %}{{ message | tojson }}{% endgeneration %}\n"
        "    {% if loop.index > 1 %}{% break %}{% endif %}\n  {% endfor %}\n"
        "{{ strftime_now('%Y') }} {{ pad_token }} {{ tools is none }} {{ add_generation_prompt }}"
    )
    found = ChatTemplate(source, tokenizer.special_tokens_map).render(MESSAGES)
    assert found == tokenizer.apply_chat_template(
        MESSAGES, chat_template=source, add_generation_prompt=True, tokenize=False
    )


@pytest.mark.parametrize("as_list", [False, True])
def test_a_template_in_the_tokenizers_configuration_is_found_after_the_file(
    chat_dir: Path, tmp_path: Path, as_list: bool
) -> None:
    folder = Path(shutil.copytree(chat_dir, tmp_path / "model"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    source = "{{ messages[0].role }}{{ eos_token }}"
    config["chat_template"] = [{"name": "default", "template": source}] if as_list else source
    config["eos_token"] = {"content": "<|end_of_text|>", "lstrip": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert "Human: " in read_model_folder(folder).chat_template.render(MESSAGES)
    (folder / "chat_template.jinja").unlink()
    assert read_model_folder(folder).chat_template.render(MESSAGES) == "system<|end_of_text|>"


CONTINUED = [*MESSAGES, {"role": "assistant", "content": "오늘 뉴스는 "}]
STRIPPING = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</s>{% endfor %}"


def test_tgi_continues_a_last_message_of_the_assistant_and_strips_its_end(
    chat_server: ServerProcess, tokenizer: Any
) -> None:
    found = post(chat_server, "/chat_tokenize", {"messages": CONTINUED}).json()["templated_text"]
    own = tokenizer.apply_chat_template(CONTINUED, continue_final_message=True, tokenize=False)
    assert found == own.rstrip()
    assert found.endswith("Assistant: 오늘 뉴스는")
    answer = {"max_tokens": 4, "temperature": 0}
    text = found.removeprefix(tokenizer.bos_token)
    continued = post(chat_server, "/v1/completions", {"prompt": text} | answer).json()["choices"][0]["text"]
    chat = post(chat_server, "/v1/chat/completions", {"messages": CONTINUED} | answer).json()
    assert chat["choices"][0]["message"]["content"] == continued
    for role in ("system", "user"):
        messages = [*MESSAGES, {"role": role, "content": "끝"}]
        text = post(chat_server, "/chat_tokenize", {"messages": messages}).json()["templated_text"]
        assert text.endswith("Assistant:"), "only the assistant's is continued"


def test_tgi_leaves_a_text_as_it_is_where_the_last_message_is_not_found_in_it() -> None:
    template = ChatTemplate("{% for m in messages %}{{ m.content | upper }}{% endfor %} >", {})
    assert template.render_as_tgi([{"role": "assistant", "content": "abc"}]) == "ABC >"


@pytest.mark.parametrize("source", [None, STRIPPING])
@pytest.mark.parametrize("content", ["오늘 뉴스는 ", "오늘 뉴스는", "날씨", "", " \n앞과 뒤\n "])
def test_vllm_continues_the_last_message_as_transformers_does(
    tokenizer: Any, source: str | None, content: str
) -> None:
    messages = [*MESSAGES, {"role": "assistant", "content": content}]
    template = ChatTemplate(source or TEMPLATE.read_text(encoding="utf-8"), tokenizer.special_tokens_map)
    expected = tokenizer.apply_chat_template(
        messages, chat_template=source, continue_final_message=True, tokenize=False
    )
    assert template.render_continued(messages) == expected


def test_a_template_that_changes_the_end_of_a_message_cannot_continue_it() -> None:
    template = ChatTemplate(
        "{% for m in messages %}{{ m.content | upper | replace('TAG', '') }}{% endfor %}", {}
    )
    with pytest.raises(RequestError, match="continue_final_message is set but the template changes"):
        template.render_continued([{"role": "assistant", "content": "abc"}])


def test_vllms_fields_of_a_chat_reach_the_template(vllm_server: ServerProcess, tokenizer: Any) -> None:
    def text(**fields: Any) -> str:
        body = {"messages": CONTINUED, "max_tokens": 4, "temperature": 0} | fields
        return post(vllm_server, "/v1/chat/completions", body).json()["choices"][0]["message"]["content"]

    def completed(**options: Any) -> str:
        prompt = tokenizer.apply_chat_template(CONTINUED, tokenize=False, **options)
        body = {"prompt": prompt, "max_tokens": 4, "temperature": 0, "add_special_tokens": False}
        return post(vllm_server, "/v1/completions", body).json()["choices"][0]["text"]

    assert text() == completed(add_generation_prompt=True)
    assert text(add_generation_prompt=False) == completed(add_generation_prompt=False)
    continued = completed(continue_final_message=True)
    assert text(add_generation_prompt=False, continue_final_message=True) == continued
    echoed = {"messages": CONTINUED, "echo": True, "max_tokens": 4, "temperature": 0}
    answer = post(vllm_server, "/v1/chat/completions", echoed).json()["choices"][0]["message"]["content"]
    assert answer == CONTINUED[-1]["content"] + text()
    both = post(vllm_server, "/v1/chat/completions", {"messages": CONTINUED, "continue_final_message": True})
    assert both.status_code == 400
    assert "`continue_final_message` needs `add_generation_prompt`: false" in both.text
