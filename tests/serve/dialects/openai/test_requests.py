"""OpenAI's bodies are turned into TGI's request, and what is not offered is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from serve.chat_template import ChatTemplate
from serve.dialects.openai.requests import OpenAIRequest, Rules, parse_openai
from serve.dialects.tgi.requests import OPENAI_TABLES as TGI_TABLES
from serve.dialects.vllm.requests import OPENAI_TABLES as VLLM_TABLES
from serve.errors import RequestError

TEMPLATE = ChatTemplate("{% for message in messages %}[{{ message.content }}]{% endfor %}", {})
TGI = Rules(tables=TGI_TABLES, max_prompts=4, own_names=frozenset({"tgi"}), is_tgi=True)
VLLM = Rules(
    tables=VLLM_TABLES,
    own_names=frozenset({"own"}),
    part_separator="\n",
    max_tokens={"completion": 16},
    defaults={"top_p": 0.75},
)


def parse(rules: Rules = TGI, kind: str = "chat", **fields: Any) -> OpenAIRequest:
    main = {"messages": [{"role": "user", "content": "가"}]} if kind == "chat" else {"prompt": "가"}
    return parse_openai(kind, main | fields, rules, TEMPLATE, ("news",))


def parameters(rules: Rules = TGI, kind: str = "chat", **fields: Any) -> dict[str, Any]:
    return parse(rules, kind, **fields).generate.parameters


@pytest.mark.parametrize("rules", [TGI, VLLM])
@pytest.mark.parametrize("kind", ["chat", "completion"])
def test_it_samples_unless_the_temperature_is_exactly_0(rules: Rules, kind: str) -> None:
    assert parameters(rules, kind)["do_sample"] is True
    assert parameters(rules, kind, temperature=1)["do_sample"] is True
    assert parameters(rules, kind, temperature=0.001)["temperature"] == 0.001
    greedy = parameters(rules, kind, temperature=0)
    assert (greedy["do_sample"], greedy["temperature"]) == (False, None)


def test_lengths_are_the_rest_of_the_context_unless_the_dialect_says_otherwise() -> None:
    assert parameters(TGI)["max_new_tokens"] is parameters(TGI, "completion")["max_new_tokens"] is None
    assert parameters(VLLM)["max_new_tokens"] is None
    assert parameters(VLLM, "completion")["max_new_tokens"] == 16
    assert parameters(VLLM, max_tokens=5, max_completion_tokens=4)["max_new_tokens"] == 4
    assert parameters(VLLM, max_completion_tokens=0)["max_new_tokens"] == 0


def test_tgi_makes_a_repetition_penalty_of_the_presence_penalty() -> None:
    assert parameters(TGI, presence_penalty=-0.5)["repetition_penalty"] == 1.5
    assert parameters(TGI)["repetition_penalty"] is None


def test_the_models_own_defaults_count_where_the_dialect_reads_them_and_greedy_draws_nothing() -> None:
    assert parameters(VLLM)["top_p"] == 0.75
    assert parameters(VLLM, top_p=1)["top_p"] is None
    assert parameters(VLLM, temperature=0)["top_p"] is None
    found = parameters(VLLM, top_k=-1, seed=-2)
    assert (found["top_k"], found["seed"]) == (None, 2**64 - 2)
    assert parameters(VLLM, seed=-1)["seed"] is None, "vLLM: none"


def test_stop_is_tgis_list_that_stays_or_openais_text_that_is_cut() -> None:
    assert parse(TGI, stop=["가", "나"]).generate.parameters["stop"] == ["가", "나"]
    with pytest.raises(RequestError, match="stop: invalid type: str"):
        parse(TGI, stop="가")
    found = parse(VLLM, stop="가").generate
    assert (found.stop_sequences, found.parameters["stop"]) == (("가",), [])
    assert parse(VLLM, stop=list("가나다라마")).generate.stop_sequences == tuple("가나다라마")
    with pytest.raises(RequestError, match="`stop` cannot contain an empty string"):
        parse(VLLM, stop=["가", ""])


def test_a_model_is_itself_an_adapter_or_a_404_that_names_the_known() -> None:
    assert parameters(TGI, model="tgi")["adapter_id"] is parameters(TGI)["adapter_id"] is None
    assert parameters(TGI, model="news")["adapter_id"] == "news"
    with pytest.raises(RequestError, match="`nws` does not exist; known ones: tgi, news") as caught:
        parse(TGI, model="nws")
    assert caught.value.status == 404


def test_without_adapters_tgi_answers_any_name_and_vllm_none_but_its_own() -> None:
    body = {"messages": [{"role": "user", "content": "가"}], "model": "an-endpoint"}
    asked = parse_openai("chat", body, TGI, TEMPLATE, ())
    assert (asked.model, asked.generate.parameters["adapter_id"]) == ("an-endpoint", None)
    with pytest.raises(RequestError, match="`an-endpoint` does not exist; known ones: own"):
        parse_openai("chat", body, VLLM, TEMPLATE, ())


def test_parts_of_text_are_one_text_with_what_the_dialect_puts_between() -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "가"}, {"type": "text", "text": "나"}]}
    assert parse(TGI, messages=[message]).generate.inputs == "[가나]"
    assert parse(VLLM, messages=[message]).generate.inputs == "[가\n나]"


def test_vllm_takes_messages_without_content_and_plain_texts_among_their_parts() -> None:
    parts = ["가", {"type": "output_text", "text": "나"}, {"type": "refusal", "refusal": "다"}]
    messages = [
        {"role": "assistant"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": parts},
    ]
    assert parse(VLLM, messages=messages).generate.inputs == "[][][가\n나\n다]"
    for message in messages:
        with pytest.raises(RequestError, match=r"messages\[0\]"):
            parse(TGI, messages=[message])


def test_a_rendered_chat_gets_no_further_special_tokens() -> None:
    assert parse(TGI).generate.is_rendered
    assert not parse(TGI, "completion").generate.is_rendered


def test_too_many_prompts_and_images_are_refused() -> None:
    with pytest.raises(RequestError, match="maximum allowed batch size of 4") as caught:
        parse(TGI, "completion", prompt=list("가나다라마"))
    assert caught.value.status == 422
    with pytest.raises(RequestError, match="`stream` of more than one answer is not supported"):
        parse(TGI, "completion", prompt=["가", "나"], stream=True)
    assert parse(TGI, "completion", prompt=["가"]).generate.inputs == "가"
    image = {"type": "image_url", "image_url": {"url": "http://example.com"}}
    with pytest.raises(RequestError, match=r"`messages\[0\].content\[0\]` of the type 'image_url'"):
        parse(TGI, messages=[{"role": "user", "content": [image]}])


def test_unknown_fields_are_logged_with_the_name_that_was_probably_meant(
    caplog: pytest.LogCaptureFixture,
) -> None:
    parse(TGI, max_new_tokens=5)
    assert "ignored the parameter 'max_new_tokens'; did you mean 'max_tokens'?" in caplog.text
