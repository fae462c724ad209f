"""What is sent to an endpoint and what comes back, in the dialect of TGI (text-generation-inference).

The calls themselves are boto3's and stand in the notebooks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from workshop.errors import WorkshopError
from workshop.prompt import Message, render

MAX_NEW_TOKENS = 160
"""Of a summary; the longest reference of the workshop's news has fewer in Llama 3's tokens."""


def request_body(
    messages: Sequence[Message], *, max_new_tokens: int = MAX_NEW_TOKENS, stream: bool = False
) -> bytes:
    """Return the body of a request for a summary.

    The text goes without the begin token: the server's tokenizer adds it, and the model was trained with one.

    Args:
        messages: System and user message, as `chat_messages` builds them.
        max_new_tokens: Longest answer, in tokens.
        stream: Ask for one event a token.

    Source: TGI 3.3, schema of /generate: parameters without do_sample are greedy.
    """
    body: dict[str, Any] = {
        "inputs": render(messages, begin_token="", add_generation_prompt=True),
        # Left out, TGI repeats the prompt before the answer of a model that it loads from a folder.
        "parameters": {"max_new_tokens": max_new_tokens, "return_full_text": False},
    }
    if stream:
        body["stream"] = True
    return json.dumps(body, ensure_ascii=False).encode("utf-8")


def generated_text(answer: bytes) -> str:
    """Return the text of an answer; TGI gives an array on /invocations and an object on /generate.

    Raises:
        WorkshopError: The answer is neither.
    """
    try:
        content = json.loads(answer)
        first = content[0] if isinstance(content, list) else content
        return first["generated_text"].strip()
    except (ValueError, LookupError, TypeError, AttributeError):
        raise _unexpected(answer) from None


def streamed_texts(events: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the text of every token of a streamed answer, as it comes.

    Args:
        events: Body of boto3's invoke_endpoint_with_response_stream. Its parts are cut anywhere, in the
            middle of a line or of a Hangul syllable.

    Raises:
        WorkshopError: The server reports an error in the middle of the stream.
    """
    rest = b""
    for event in events:
        rest += event.get("PayloadPart", {}).get("Bytes", b"")
        *lines, rest = rest.split(b"\n")
        for line in lines:
            yield from _token_text(line)
    yield from _token_text(rest)


def _token_text(line: bytes) -> Iterator[str]:
    line = line.strip()
    if not line.startswith(b"data:"):  # empty lines end events, lines that begin with ":" keep alive
        return
    data = line.removeprefix(b"data:").strip()
    if data == b"[DONE]":
        return
    try:
        content = json.loads(data)
    except ValueError:
        raise _unexpected(data) from None
    if "error" in content:
        raise WorkshopError(
            found=f"the server ended the stream with an error: {content['error']}",
            expected="tokens until the end of the summary",
            next_step="shorten the article or max_new_tokens; the endpoint's log says more",
        )
    token = content.get("token") or {}
    if not token.get("special"):
        yield token.get("text", "")


def _unexpected(answer: bytes) -> WorkshopError:
    return WorkshopError(
        found=f"an answer that begins with {answer[:80]!r}",
        expected='TGI\'s: [{"generated_text": ...}], or events of the form data:{"token": ...}',
        next_step="look at the endpoint's image and log: another engine answers in another form",
    )
