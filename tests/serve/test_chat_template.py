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
    truncated = post(chat_server, "/tokenize", {"inputs": text, "parameters": {"truncate": 2}}).json()
    assert truncated == tokens[-2:]


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
