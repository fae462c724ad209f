"""From bytes that are cut anywhere to the JSON events that an engine has sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

# Here and not where it is used: 0.05 s that would count as the time to the first token.
from botocore.exceptions import EventStreamError

from workshop.inference.answers import InferenceError

DONE = object()
"""The end mark of OpenAI's streams, `data: [DONE]`."""

_STREAM_FAILURES = ("ModelStreamError", "InternalStreamFailure")


def json_events(parts: Iterable[bytes | dict[str, Any]]) -> Iterator[Any]:
    """Yield what every event of a stream holds, and DONE for its end mark.

    Server-sent events (`data:` with or without a space) and bare JSON lines are read alike; comments (`:`,
    which keep a connection alive) and other fields of server-sent events carry nothing.

    Args:
        parts: Bytes as they come, or the Body of boto3's invoke_endpoint_with_response_stream.

    Raises:
        InferenceError: A line is not JSON, or SageMaker reports that the stream has failed.

    Source: HTML Living Standard, 9.2.6 (event streams); DJL LMI input and output schema (JSON lines).
    """
    rest = b""
    for part in byte_parts(parts):
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield from _event(line)
    yield from _event(rest)


def byte_parts(parts: Iterable[bytes | dict[str, Any]]) -> Iterator[bytes]:
    """Yield the bytes of a stream, whoever received it.

    Raises:
        InferenceError: SageMaker reports that the stream has failed.

    Source: SageMaker Runtime API, ResponseStream: PayloadPart, ModelStreamError, InternalStreamFailure.
    """
    try:
        for part in parts:
            if isinstance(part, bytes):
                yield part
                continue
            for name in _STREAM_FAILURES:
                if name in part:
                    raise _stream_failure(name, part[name].get("Message", ""))
            yield part.get("PayloadPart", {}).get("Bytes", b"")
    except EventStreamError as error:  # what boto3 makes of those two
        answer = error.response.get("Error", {})
        raise _stream_failure(answer.get("Code", "ModelStreamError"), answer.get("Message", "")) from None


def unexpected(answer: bytes) -> InferenceError:
    """Return the error for an answer that is in no form the engine uses."""
    return InferenceError(
        found=f"an answer that begins with {answer[:80]!r}",
        expected='generated_text (TGI, LMI) or choices (OpenAI\'s form); in a stream data:{"token": ...}',
        next_step="look at the server's image and log: another engine answers in another form "
        "(serving_engine in workshop.yaml)",
    )


def _event(line: bytes) -> Iterator[Any]:
    line = line.strip()
    if line.startswith(b"data:"):
        line = line.removeprefix(b"data:").strip()
    elif not line.startswith((b"{", b"[")):  # empty, a comment, event:, id:, retry:
        return
    if not line:
        return
    if line == b"[DONE]":
        yield DONE
        return
    try:
        yield json.loads(line)
    except ValueError:
        raise unexpected(line) from None


def _stream_failure(name: str, message: str) -> InferenceError:
    return InferenceError(
        found=f"{name}: {message or 'no reason given'}",
        expected="tokens until the end of the answer",
        next_step="ask for fewer tokens, or call again; the endpoint's log says more",
    )
