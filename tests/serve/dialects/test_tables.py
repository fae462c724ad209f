"""Each row of each dialect's tables is what it says: read as such, and answered so by a real server."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from tests.serve.requests_to_server import post
from tests.serve.server_process import ServerProcess

from serve.body_fields import DONE, IGNORED, REFUSED, Field
from serve.chat_template import ChatTemplate
from serve.dialects.lmi.requests import OPENAI_TABLES as LMI_TABLES
from serve.dialects.lmi.requests import parse_lmi
from serve.dialects.openai.requests import Rules, parse_openai
from serve.dialects.registry import DIALECTS
from serve.dialects.tgi.requests import OPENAI_TABLES as TGI_TABLES
from serve.dialects.tgi.requests import parse_tgi
from serve.dialects.vllm.requests import OPENAI_TABLES as VLLM_TABLES
from serve.errors import RequestError

# A template that shows all it is given.
TEMPLATE = ChatTemplate(
    "{% for m in messages %}[{{ m.role }}:{{ m.content }}{{ m.name }}{{ m.reasoning }}{{ m.tool_call_id }}]"
    "{% endfor %}{{ add_generation_prompt }}"
    "{{ documents }}{{ own }}{{ reasoning_effort }}",
    {},
)
USER, ASSISTANT = {"role": "user", "content": "날씨는?"}, {"role": "assistant", "content": "맑고"}
STATUS = {"tgi": 422, "lmi": 424, "vllm": 400}
RULES = {
    "tgi": Rules(tables=TGI_TABLES, own_names=frozenset({"tgi"}), is_tgi=True),
    "vllm": Rules(tables=VLLM_TABLES, own_names=frozenset({"own"})),
    "lmi": Rules(tables=LMI_TABLES, own_names=frozenset({"lmi"})),
}
# Field -> a value that is not its default; for those of several types by dialect.
VALUES: dict[str, Any] = {
    "inputs": "다른 글", "parameters": {"seed": 5}, "stream": True, "adapters": "news", "adapter_id": "news",
    "model": "news", "messages": [USER, USER], "prompt": "다른 글", "temperature": 0.7, "top_p": 0.5,
    "top_k": 3, "typical_p": 0.5, "min_p": 0.2, "repetition_penalty": 1.3, "frequency_penalty": 0.5,
    "presence_penalty": 0.5, "do_sample": True, "max_new_tokens": 2, "max_tokens": 2,
    "max_completion_tokens": 2, "return_full_text": True, "stop": ["가"], "stop_sequences": ["가"],
    "stop_token_ids": [300], "truncate": 3, "truncate_prompt_tokens": 3, "details": True, "seed": 5,
    "top_n_tokens": 2, "logprobs": {"chat": True, "completion": 2}, "top_logprobs": 2,
    "stream_options": {"include_usage": True}, "logit_bias": {"tgi": [0.5], "vllm": {"300": 5}},
    "include_stop_str_in_output": True, "ignore_eos": True, "min_tokens": 2, "skip_special_tokens": False,
    "request_id": "eins", "echo": True, "add_generation_prompt": False, "continue_final_message": True,
    "add_special_tokens": {"chat": True, "completion": False}, "documents": [{"title": "가", "text": "나"}],
    "chat_template_kwargs": {"own": "나"}, "reasoning_effort": "low",
    "role": "system", "content": [{"type": "text", "text": "다른 글"}], "name": "철수", "reasoning": "음",
    "tool_call_id": "1", "include_usage": True, "continuous_usage_stats": True,
    # not done
    "tool_calls": [{"id": "1", "type": "function"}],
    "best_of": 2, "watermark": True, "decoder_input_details": True,
    "grammar": {"type": "regex", "value": "a"}, "n": 2, "tools": [{"type": "function"}],
    "tool_prompt": "도구", "tool_choice": "required", "response_format": {"type": "json_object"},
    "suffix": "끝", "spaces_between_special_tokens": False, "allowed_token_ids": [3], "bad_words": ["가"],
    "prompt_logprobs": 1, "logprob_token_ids": [3], "structured_outputs": {"regex": "a"},
    "repetition_detection": {"min_count": 2}, "thinking_token_budget": 5, "truncation_side": "right",
    "use_beam_search": True, "length_penalty": 2.0, "watermarking": True, "user": "나", "priority": 1,
    "session_id": "가", "cache_salt": "가", "vllm_xargs": {"a": 1}, "stream_interval": 2,
    "return_tokens_as_token_ids": True, "return_token_ids": True, "return_token_offsets": True,
    "return_mm_kwargs": False, "routed_experts_prompt_start": 1, "kv_transfer_params": {"a": 1},
    "ec_transfer_params": {"a": 1}, "guided_json": {}, "guided_regex": "a", "guided_choice": ["가"],
    "guided_grammar": "a", "chat_template": "x", "parallel_tool_calls": True, "include_reasoning": False,
    "media_io_kwargs": {"image": {}}, "mm_processor_kwargs": {"a": 1}, "return_prompt_text": True,
    "prompt_embeds": "AA==", "num_beams": 2, "early_stopping": True,
}  # fmt: skip
# What a field needs beside it to be allowed or to show.
BESIDE: dict[str, dict[str, Any]] = {
    "top_logprobs": {"logprobs": True},
    "stream_options": {"stream": True},
    "continue_final_message": {"messages": [USER, ASSISTANT], "add_generation_prompt": False},
    "echo": {"messages": [USER, ASSISTANT]},
    "continuous_usage_stats": {"include_usage": True},
}


@dataclass(frozen=True)
class Case:
    """One row of one table."""

    dialect: str
    kind: str  # inputs, parameters, chat, completion, message or stream_options
    name: str
    row: Field

    def __str__(self) -> str:
        return f"{self.dialect}-{self.kind}-{self.name}"

    @property
    def value(self) -> Any:
        value = VALUES[self.name]
        if isinstance(value, dict):
            for key in (self.kind, "tgi" if self.dialect == "tgi" else "vllm"):
                if key in value:
                    return value[key]
        if self.name == "logprobs" and self.kind == "parameters":
            return 3
        return value

    @property
    def names(self) -> tuple[str, ...]:
        return self.name, *self.row.aliases

    def body(self, **fields: Any) -> dict[str, Any]:
        """Return a body in which the row's field, and what stands beside it, can stand."""
        beside = dict(BESIDE.get(self.name, {}))
        if self.kind == "parameters" and self.name in ("top_p", "top_k", "min_p"):
            beside["do_sample"] = True  # in LMI they alone draw nothing
        if self.kind == "completion":
            beside.pop("messages", None)
        own = {"messages": [USER]} if self.kind == "chat" else {"prompt": "안녕"}
        given = beside | fields
        if self.kind == "parameters":
            return {"inputs": "안녕", "parameters": given}
        if self.kind in ("message", "stream_options"):
            inner = {name: given.pop(name) for name in (*beside, *self.names) if name in given}
            if self.kind == "message":
                return {"messages": [USER | inner], **given}
            return {"messages": [USER], "stream": True, "stream_options": inner, **given}
        return ({"inputs": "안녕"} if self.kind == "inputs" else own) | given

    def parse(self, **fields: Any) -> Any:
        body = self.body(**fields)
        if self.kind in ("inputs", "parameters"):
            return parse_tgi(body) if self.dialect == "tgi" else parse_lmi(body, ("news",))
        return parse_openai(
            "completion" if self.kind == "completion" else "chat",
            body,
            RULES[self.dialect],
            TEMPLATE,
            ("news",),
        )

    def ask(self, server: ServerProcess, **fields: Any) -> Any:
        """Send a greedy request of four tokens in which a field stands."""
        greedy = {"temperature": 0} if self.name != "n" or self.row.status != DONE else {}
        short = greedy | {"max_tokens": 4}
        if self.kind in ("inputs", "parameters"):
            short = {"max_new_tokens": 4}
        given = {name: item for name, item in short.items() if name not in self.clashing(fields)}
        body = self.body(**({} if self.kind == "inputs" else given), **fields)
        if self.kind == "inputs" and isinstance(body.get("parameters", {}), dict):
            body["parameters"] = given | body.get("parameters", {})
        return post(server, "/invocations", body)

    def clashing(self, fields: dict[str, Any]) -> set[str]:
        return {*fields, *(("max_tokens",) if self.row.sets == "max_new_tokens" and fields else ())}


KINDS = {
    "tgi": ("inputs", "parameters", "chat", "completion", "message", "stream_options"),
    "vllm": ("chat", "completion", "message", "stream_options"),
    "lmi": ("inputs", "parameters", "chat"),
}
CASES = [
    Case(dialect, kind, name, row)
    for dialect, kinds in KINDS.items()
    for kind, table in zip(kinds, DIALECTS[dialect].bodies().values(), strict=True)
    for name, row in table.items()
]


def of(*statuses: str) -> list[Case]:
    return [case for case in CASES if case.row.status in statuses]


@pytest.fixture
def server(request: pytest.FixtureRequest, case: Case) -> ServerProcess:
    return request.getfixturevalue({"tgi": "chat_server"}.get(case.dialect, f"{case.dialect}_server"))


@pytest.mark.parametrize("case", of(DONE), ids=str)
def test_what_is_done_changes_what_is_asked_of_the_engine_or_how_it_is_answered(case: Case) -> None:
    assert case.parse(**{case.name: case.value}) != case.parse()


@pytest.mark.parametrize("case", of(DONE), ids=str)
def test_what_is_done_is_accepted_by_the_server(case: Case, server: ServerProcess) -> None:
    answer = case.ask(server, **{case.name: case.value})
    is_any_name = (case.dialect, case.name) == ("tgi", "model")
    if case.value == "news" and not is_any_name:  # the name of an adapter, which this server has not
        assert answer.status_code in (404, STATUS[case.dialect])
        assert "known ones:" in answer.text
    else:
        assert answer.status_code == 200, answer.text
        assert '"error"' not in answer.text


@pytest.mark.parametrize("case", of(REFUSED), ids=str)
def test_what_is_refused_is_named_unless_it_asks_for_nothing(case: Case, server: ServerProcess) -> None:
    answer = case.ask(server, **{case.name: case.value})
    assert answer.status_code == STATUS[case.dialect]
    assert case.name in answer.text.lower()
    for harmless in case.row.harmless:
        assert case.ask(server, **{case.name: harmless}).status_code == 200


@pytest.mark.parametrize("case", of(IGNORED), ids=str)
def test_what_is_ignored_changes_nothing_and_is_logged(
    case: Case, server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert case.parse(**{case.name: case.value}) == case.parse()
    assert f"ignored the parameter '{case.name}'" in caplog.text
    answers = [case.ask(server, **fields).json() for fields in ({}, {case.name: case.value})]
    for answer in answers:
        for changing in ("id", "created"):
            answer.pop(changing, None) if isinstance(answer, dict) else None
    assert answers[0] == answers[1]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_null_is_as_if_it_were_not_there_where_the_type_allows_it_and_an_error_elsewhere(
    case: Case, server: ServerProcess
) -> None:
    is_allowed = case.row.kind.endswith("?") or case.row.kind == "any"
    if case.name == "content" and case.dialect == "vllm":
        assert case.parse(content=None) == case.parse(content="")
    elif case.name in ("prompt", "content") or not is_allowed:
        answer = case.ask(server, **{case.name: None})
        assert answer.status_code == STATUS[case.dialect]
        assert case.name in answer.text
    elif (case.dialect, case.name) == ("lmi", "max_new_tokens"):
        assert case.parse(max_new_tokens=None).parameters["max_new_tokens"] is None
        assert case.parse().parameters["max_new_tokens"] == 30
    else:
        assert case.parse(**{case.name: None}) == case.parse()
        if case.row.sets != "max_new_tokens":  # which would have the rest of the context
            assert case.ask(server, **{case.name: None}).status_code == 200


@pytest.mark.parametrize("case", [case for case in CASES if case.row.kind != "any"], ids=str)
def test_a_wrong_type_names_its_field(case: Case) -> None:
    kind = case.row.kind.rstrip("?")
    wrong = 5.5 if kind in ("string", "strings", "list", "map") else {"a": "b"}
    for value in (wrong, *([] if kind == "list" else [[wrong]])):
        with pytest.raises(RequestError, match=f"{case.name}.*invalid type") as caught:
            case.parse(**{case.name: value})
        assert caught.value.status == 422


@pytest.mark.parametrize("case", [case for case in CASES if case.row.aliases], ids=str)
def test_another_name_is_the_same_and_both_are_refused(case: Case, server: ServerProcess) -> None:
    for alias in case.row.aliases:
        assert case.parse(**{alias: case.value}) == case.parse(**{case.name: case.value}) != case.parse()
        both = case.ask(server, **{case.name: case.value, alias: case.value})
        assert both.status_code == STATUS[case.dialect]
        assert f"duplicate field `{case.name}`" in both.text


@pytest.mark.parametrize("case", of(DONE), ids=str)
def test_numbers_as_texts_are_numbers_in_vllm_and_lmi_alone(case: Case) -> None:
    if isinstance(case.value, bool) or not isinstance(case.value, int | float):
        return
    texts = [str(case.value)] + ([float(case.value)] if isinstance(case.value, int) else [])
    for text in texts:
        if case.dialect == "tgi":
            if isinstance(text, float) and case.row.kind.startswith("f32"):
                continue
            with pytest.raises(RequestError, match=case.name):
                case.parse(**{case.name: text})
        else:
            assert case.parse(**{case.name: text}) == case.parse(**{case.name: case.value})
