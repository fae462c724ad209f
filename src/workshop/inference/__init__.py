"""What is sent to a server or an endpoint, what comes back, and a client for servers on this machine.

    dialect = DIALECTS[settings.serving_engine]
    client = Client(server.url, dialect)
    client.invoke(prompt_text(messages)).text          # text: the prompt as training wrote it
    client.invoke(messages, temperature=0.7, top_p=0.9)  # chat: the server renders it by its own template
    for piece in client.stream(messages):
        print(piece.text, end="")

The same dialect reads what boto3 receives from an endpoint; boto3's calls stand in the notebooks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from workshop.inference.answers import Answer, AnswerStream, InferenceError, Piece
from workshop.inference.client import Client
from workshop.inference.dialects import DIALECTS, LMI, TGI, VLLM, Dialect, prompt_text
from workshop.inference.parameters import MAX_NEW_TOKENS, Parameters
from workshop.inference.refusals import refusal, refusal_of_endpoint
from workshop.prompt import Message

__all__ = [
    "DIALECTS",
    "LMI",
    "MAX_NEW_TOKENS",
    "TGI",
    "VLLM",
    "Answer",
    "AnswerStream",
    "Client",
    "Dialect",
    "InferenceError",
    "Parameters",
    "Piece",
    "generated_text",
    "prompt_text",
    "refusal",
    "refusal_of_endpoint",
    "request_body",
    "streamed_texts",
]


def request_body(
    messages: Sequence[Message], *, max_new_tokens: int = MAX_NEW_TOKENS, stream: bool = False
) -> bytes:
    """Return the smallest body of a request for a summary, in TGI's dialect.

    Args:
        messages: System and user message, as `chat_messages` builds them.
        max_new_tokens: Longest answer, in tokens.
        stream: Ask for one event a token.

    Source: TGI 3.3, schema of /generate: parameters without do_sample are greedy.
    """
    body: dict[str, Any] = {
        "inputs": prompt_text(messages),
        # Left out, TGI repeats the prompt before the answer of a model that it loads from a folder.
        "parameters": {"max_new_tokens": max_new_tokens, "return_full_text": False},
    }
    if stream:
        body["stream"] = True
    return json.dumps(body, ensure_ascii=False).encode("utf-8")


def generated_text(answer: bytes) -> str:
    """Return the text of an answer in TGI's dialect: an array on /invocations, an object on /generate.

    Raises:
        InferenceError: The answer is neither.
    """
    return TGI.answer(answer).text


def streamed_texts(events: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the text of every token of a streamed answer in TGI's dialect, as it comes.

    Args:
        events: Body of boto3's invoke_endpoint_with_response_stream. Its parts are cut anywhere, in the
            middle of a line or of a Hangul syllable.

    Raises:
        InferenceError: The server reports an error in the middle of the stream, or it ends early.
    """
    for piece in TGI.pieces(events):
        if piece.is_token and not piece.is_special:
            yield piece.text
