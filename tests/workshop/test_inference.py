"""Bodies and answers in TGI's dialect, cut anywhere."""

from __future__ import annotations

import json

import pytest

from workshop.errors import WorkshopError
from workshop.inference import generated_text, request_body, streamed_texts
from workshop.prompt import BEGIN_TOKEN, chat_messages, render

ARTICLE = "한글 기사입니다. “따옴표”와 漢字, emoji 🙂."


def events(text: str, cut: int) -> list[dict]:
    """Return a stream's parts of `cut` bytes each."""
    raw = text.encode()
    parts = [raw[start : start + cut] for start in range(0, len(raw), cut)]
    return [{"PayloadPart": {"Bytes": part}} for part in parts]


def token(text: str, **more: object) -> str:
    return "data:" + json.dumps({"token": {"text": text, "special": False}, **more}, ensure_ascii=False)


def test_the_body_is_the_training_prompt_without_the_begin_token() -> None:
    messages = chat_messages(ARTICLE)
    body = json.loads(request_body(messages, max_new_tokens=7))
    assert BEGIN_TOKEN + body["inputs"] == render(messages, add_generation_prompt=True)
    assert body["parameters"] == {"max_new_tokens": 7, "return_full_text": False}
    assert "stream" not in body
    assert json.loads(request_body(messages, stream=True))["stream"] is True


def test_the_body_is_utf_8_and_not_escaped() -> None:
    assert ARTICLE.encode() in request_body(chat_messages(ARTICLE)).replace(b'\\"', b'"')


@pytest.mark.parametrize(
    "answer", ['[{"generated_text": " 요약입니다."}]', '{"generated_text": " 요약입니다."}']
)
def test_arrays_and_objects_are_understood(answer: str) -> None:
    assert generated_text(answer.encode()) == "요약입니다."


@pytest.mark.parametrize(
    "answer", ["", "[]", "{}", "요약", '{"error": "x"}', '[{"generated_text": null}]', "7"]
)
def test_another_answer_is_shown(answer: str) -> None:
    with pytest.raises(WorkshopError, match="another engine"):
        generated_text(answer.encode())


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 10_000])
def test_streams_cut_anywhere_give_the_same_texts(cut: int) -> None:
    stream = f": keep alive\n\n{token('한')}\n\n{token('글 ')}\r\n\n{token('🙂', generated_text='한글 🙂')}"
    assert list(streamed_texts(events(stream, cut))) == ["한", "글 ", "🙂"]


def test_special_tokens_and_the_end_mark_have_no_text() -> None:
    end = 'data: {"token": {"text": "<|end_of_text|>", "special": true}}'
    assert list(streamed_texts(events(f"{token('가')}\n{end}\ndata: [DONE]\n", 5))) == ["가"]


def test_an_error_in_the_stream_is_raised_after_the_texts_before_it() -> None:
    stream = streamed_texts(events(f'{token("가")}\n\ndata:{{"error": "out of memory"}}\n\n', 6))
    assert next(stream) == "가"
    with pytest.raises(WorkshopError, match="out of memory"):
        next(stream)


def test_a_line_that_is_no_json_is_shown() -> None:
    with pytest.raises(WorkshopError, match="half"):
        list(streamed_texts(events("data:{half", 100)))
