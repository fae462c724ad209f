"""Three bodies for one question, and every documented form of answer.

The bytes are those that the engines document: TGI 3.3.7's description of its interface, LMI's input and
output schema, OpenAI's API as vLLM serves it.
"""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import EventStreamError

from workshop.errors import WorkshopError
from workshop.inference import (
    DIALECTS,
    LMI,
    TGI,
    VLLM,
    Dialect,
    InferenceError,
    prompt_text,
    who_answered,
)
from workshop.prompt import BEGIN_TOKEN, chat_messages, render

MESSAGES = chat_messages("한글 기사입니다. 漢字와 🙂.")
ASKED = {
    "max_new_tokens": 7,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 5,
    "repetition_penalty": 1.2,
    "stop": ["\n"],
    "seed": 3,
}
TGI_STREAM = (
    ': keep alive\n\ndata:{"index":1,"token":{"id":5,"text":" 한","logprob":-0.1,"special":false},'
    '"generated_text":null,"details":null}\n\ndata: {"index":2,"token":{"id":6,"text":"글🙂",'
    '"special":false},"generated_text":null,"details":null}\r\n\r\n'
    'data:{"index":3,"token":{"id":1,"text":"<|end_of_text|>","special":true},"generated_text":" 한글🙂",'
    '"details":{"finish_reason":"eos_token","generated_tokens":3,"seed":null}}\n\n'
)
LMI_STREAM = (
    '{"token": {"id": 5, "text": " 한", "log_prob": -0.1}}\n{"token": {"id": 6, "text": "글🙂"}}\n'
    '{"token": {"id": 1, "text": "</s>", "special_token": true}, "generated_text": " 한글🙂", '
    '"details": {"finish_reason": "eos_token", "generated_tokens": 3, "inputs": "..."}}'
)
CHAT_STREAM = (
    'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},'
    '"finish_reason":null}]}\n\n'
    'data: {"choices":[{"delta":{"content":" 한"},"finish_reason":null}]}\n\n'
    'data: {"choices":[{"delta":{"content":"글🙂"},"finish_reason":""}]}\n\n'
    'data: {"choices":[{"delta":{"content":""},"finish_reason":"stop"}]}\n\n'
    'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}}\n\n'
    "data: [DONE]\n\n"
)
COMPLETION_STREAM = (
    'data: {"object":"text_completion","choices":[{"index":0,"text":" 한","finish_reason":null}]}\n\n'
    'data: {"choices":[{"text":"글🙂","finish_reason":"length"}]}\n\n'
    'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3}}\n\ndata: [DONE]\n\n'
)


def cut(text: str, num_bytes: int) -> list[bytes]:
    raw = text.encode()
    return [raw[start : start + num_bytes] for start in range(0, len(raw), num_bytes)]


def body(dialect: Dialect, prompt, **given) -> dict:
    return json.loads(dialect.body(prompt, **given))


def test_the_text_is_the_training_prompt_without_the_begin_token() -> None:
    assert BEGIN_TOKEN + prompt_text(MESSAGES) == render(MESSAGES, add_generation_prompt=True)


def test_a_text_goes_in_each_engines_own_names() -> None:
    common = {"return_full_text": False, "details": True, "do_sample": True, "temperature": 0.5, "top_p": 0.9}
    common |= {"max_new_tokens": 7, "top_k": 5, "repetition_penalty": 1.2, "seed": 3}
    assert body(TGI, "글", **ASKED) == {"inputs": "글", "parameters": common | {"stop": ["\n"]}}
    assert body(LMI, "글", **ASKED) == {"inputs": "글", "parameters": common | {"stop_sequences": ["\n"]}}
    assert body(VLLM, "글", **ASKED) == {
        "prompt": "글", "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 5,
        "repetition_penalty": 1.2, "stop": ["\n"], "seed": 3,
    }  # fmt: skip


def test_greedy_is_said_in_the_way_each_engine_understands() -> None:
    for dialect in (TGI, LMI):
        assert body(dialect, "글")["parameters"].keys() == {"max_new_tokens", "return_full_text", "details"}
    assert body(VLLM, "글")["temperature"] == 0
    for dialect in DIALECTS.values():
        assert body(dialect, MESSAGES)["temperature"] == 0


def test_tgi_never_gets_the_values_that_it_refuses() -> None:
    sent = body(TGI, "글", top_p=1, top_k=0, temperature=0)["parameters"]
    assert not {"top_p", "top_k", "temperature", "do_sample"} & sent.keys()


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_the_body_is_utf_8_and_not_escaped(dialect: Dialect) -> None:
    assert "한글 漢字 🙂".encode() in dialect.body("한글 漢字 🙂")


@pytest.mark.parametrize(
    ("answer", "who"),
    [({"id": "", "choices": []}, "TGI"), ({"id": "chatcmpl-7", "choices": []}, "vLLM or LMI")],
)
def test_the_id_of_a_chats_answer_tells_who_wrote_it(answer: dict, who: str) -> None:
    assert who_answered(json.dumps(answer).encode()) == who


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_messages_go_as_they_are(dialect: Dialect) -> None:
    sent = body(dialect, MESSAGES, max_new_tokens=7, stop="\n", stream=True)
    assert sent == {
        "messages": MESSAGES, "max_tokens": 7, "temperature": 0, "stop": ["\n"], "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip


def test_streams_are_asked_for() -> None:
    assert body(TGI, "글", stream=True)["stream"] is True
    assert body(VLLM, "글", stream=True)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("name", ["top_k", "repetition_penalty"])
def test_what_tgis_chat_would_ignore_is_refused(name: str) -> None:
    with pytest.raises(WorkshopError, match=rf"{name} = 2 with chat messages[\s\S]*prompt_text"):
        TGI.body(MESSAGES, **{name: 2})
    assert body(VLLM, MESSAGES, **{name: 2})[name] == 2


@pytest.mark.parametrize(
    ("dialect", "answer", "finish_reason", "counts"),
    [
        (TGI, [{"generated_text": " 요약", "details": {"finish_reason": "length", "generated_tokens": 2}}],
         "length", (None, 2)),
        (TGI, {"generated_text": " 요약"}, None, (None, None)),
        (LMI, {"generated_text": " 요약", "details": {"finish_reason": "eos_token", "generated_tokens": 2}},
         "eos_token", (None, 2)),
        (VLLM, {"choices": [{"message": {"role": "assistant", "content": " 요약"}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 11, "completion_tokens": 2}}, "stop", (11, 2)),
        (VLLM, {"choices": [{"text": " 요약", "finish_reason": "length"}],
                "usage": {"prompt_tokens": 11, "completion_tokens": 2}}, "length", (11, 2)),
        (TGI, {"choices": [{"message": {"content": " 요약"}, "finish_reason": "stop"}]},
         "stop", (None, None)),
    ],
)  # fmt: skip
def test_answers_of_every_form_are_read(
    dialect: Dialect, answer: object, finish_reason: str | None, counts: tuple
) -> None:
    read = dialect.answer(json.dumps(answer).encode(), seconds=1.5)
    assert (read.text, read.finish_reason, read.seconds) == ("요약", finish_reason, 1.5)
    assert (read.num_prompt_tokens, read.num_generated_tokens) == counts


def test_tgi_tells_the_numbers_of_tokens_in_headers() -> None:
    answer = TGI.answer(b'{"generated_text": "a"}', {"X-Prompt-Tokens": "9", "X-Generated-Tokens": "4"})
    assert (answer.num_prompt_tokens, answer.num_generated_tokens) == (9, 4)


@pytest.mark.parametrize("answer", [b'{"generated_text": ""}', b"[]", b"7", b"null", b"", b'{"choices": []}'])
def test_an_answer_of_another_engine_is_shown(answer: bytes) -> None:
    with pytest.raises(InferenceError, match="another engine"):
        VLLM.answer(answer)


def test_lmi_says_200_when_generating_fails() -> None:
    failed = {"generated_text": "", "details": {"finish_reason": "error", "generated_tokens": None}}
    with pytest.raises(InferenceError, match="generation failed"):
        LMI.answer(json.dumps(failed).encode())
    token = {"token": {"id": -1, "text": "", "special_token": True}, **failed}
    with pytest.raises(InferenceError, match="generation failed"):
        list(LMI.pieces([json.dumps(token).encode()]))


@pytest.mark.parametrize("num_bytes", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize(
    ("dialect", "stream", "finish_reason", "counts"),
    [
        (TGI, TGI_STREAM, "eos_token", (None, 3)),
        (LMI, LMI_STREAM, "eos_token", (None, 3)),
        (LMI, TGI_STREAM.replace("special", "special_token"), "eos_token", (None, 3)),
        (TGI, CHAT_STREAM, "stop", (11, 3)),
        (VLLM, CHAT_STREAM, "stop", (11, 3)),
        (VLLM, COMPLETION_STREAM, "length", (11, 3)),
    ],
    ids=["tgi", "lmi", "lmi-tgi-compatible", "tgi-chat", "chat", "completion"],
)
def test_streams_cut_anywhere_are_read(
    dialect: Dialect, stream: str, finish_reason: str, counts: tuple, num_bytes: int
) -> None:
    answering = dialect.stream(cut(stream, num_bytes))
    assert [piece.text for piece in answering if piece.text] == [" 한", "글🙂"]
    answer = answering.answer
    assert (answer.text, answer.finish_reason) == ("한글🙂", finish_reason)
    assert (answer.num_prompt_tokens, answer.num_generated_tokens) == counts
    assert 0 <= answer.first_token_s <= answer.seconds


def test_a_stream_that_nobody_has_read_yet_has_an_answer_too() -> None:
    assert TGI.stream(cut(TGI_STREAM, 9)).answer.text == "한글🙂"


@pytest.mark.parametrize(
    ("dialect", "stream"),
    [
        (TGI, TGI_STREAM[: TGI_STREAM.index("data:{" + '"index":3')]),
        (LMI, LMI_STREAM[: LMI_STREAM.rindex("\n")]),
        (VLLM, CHAT_STREAM[: CHAT_STREAM.index('data: {"choices":[{"delta":{"content":""}')]),
        (VLLM, ""),
    ],
    ids=["tgi", "lmi", "vllm", "nothing"],
)
def test_a_stream_without_an_end_is_no_answer(dialect: Dialect, stream: str) -> None:
    with pytest.raises(InferenceError, match=f"stopped after {2 if stream else 0} tokens"):
        _ = dialect.stream(cut(stream, 11)).answer


@pytest.mark.parametrize(
    ("dialect", "event", "parts"),
    [
        (TGI, 'data:{"error":"Model is overloaded","error_type":"overloaded"}',
         ["Model is overloaded", "MAX_CONCURRENT_REQUESTS"]),
        (TGI, 'data: {"error":{"message":"out of memory","http_status_code":500}}', ["out of memory"]),
        (VLLM, 'data: {"error":{"message":"engine died","type":"InternalServerError","code":500}}',
         ["vLLM", "engine died"]),
        (VLLM, 'data: {"object":"error","message":"engine died","code":500}', ["engine died"]),
        (LMI, '{"error": "no memory", "code": 424}', ["LMI", "no memory"]),
        (LMI, '{"code": 424, "message": "invoke handler failure", "error": "no memory"}', ["no memory"]),
    ],
)  # fmt: skip
def test_an_error_in_the_stream_comes_after_the_pieces_before_it(
    dialect: Dialect, event: str, parts: list[str]
) -> None:
    first = (CHAT_STREAM if dialect is VLLM else TGI_STREAM).partition("\n\n")[2].partition("\n\n")[0]
    pieces = dialect.pieces(cut(f"{first}\n\n{event}\n\n", 5))
    assert next(pieces).text
    with pytest.raises(InferenceError) as caught:
        list(pieces)
    for part in parts:
        assert part in str(caught.value)


def test_another_engines_stream_is_shown() -> None:
    with pytest.raises(InferenceError, match="another engine"):
        list(VLLM.pieces([TGI_STREAM.encode()]))
    with pytest.raises(InferenceError, match="another engine"):
        list(LMI.pieces([b'{"outputs": ["This"]}\n']))
    with pytest.raises(InferenceError, match="another engine"):
        list(TGI.pieces([b"[1, 2]\n"]))


def test_boto3s_parts_are_read_like_bytes() -> None:
    parts = [{"PayloadPart": {"Bytes": part}} for part in cut(TGI_STREAM, 7)]
    assert TGI.stream(parts).answer.text == "한글🙂"


@pytest.mark.parametrize("name", ["ModelStreamError", "InternalStreamFailure"])
@pytest.mark.parametrize("is_raised", [True, False])
def test_sagemakers_stream_failures_are_named(name: str, is_raised: bool) -> None:
    def parts():
        yield {"PayloadPart": {"Bytes": TGI_STREAM.encode()[:150]}}
        if is_raised:  # as boto3 does it
            raise EventStreamError({"Error": {"Code": name, "Message": "no heartbeat"}}, "Invoke")
        yield {name: {"Message": "no heartbeat"}}

    with pytest.raises(InferenceError, match=f"{name}: no heartbeat"):
        list(TGI.pieces(parts()))
