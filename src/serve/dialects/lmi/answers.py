"""LMI's answers: an object, JSON lines or events, and its own words for errors.

Source: https://docs.djl.ai/docs/serving/serving/docs/lmi/user_guides/lmi_input_output_schema.html (0.31);
chat_input_output_schema.html beside it; djl-serving, djl_python/output_formatter.py.
"""

from __future__ import annotations

import uuid
from typing import Any

from serve.bodies import to_json
from serve.dialects.openai.answers import DONE, PlainWriter, event
from serve.dialects.tgi.answers import token_object
from serve.engine import Token
from serve.errors import RequestError
from serve.event_stream import EVENT_HEADERS, KEEP_ALIVE
from serve.run import Run


def generate_body(run: Run, *, tgi_compat: bool) -> dict[str, Any]:
    """Return the object of a whole answer."""
    body: dict[str, Any] = {"generated_text": _text(run)}
    if _wants_details(run, tgi_compat):
        tokens = [_token(token, tgi_compat) for token in run.tokens]
        body["details"] = _details(run) | {"tokens": tokens}
    return body


def _text(run: Run) -> str:
    return run.request.inputs + run.text if run.request.parameters["return_full_text"] else run.text


def _wants_details(run: Run, tgi_compat: bool) -> bool:
    asked = run.request.parameters["details"]
    return tgi_compat if asked is None else asked


def _details(run: Run) -> dict[str, Any]:
    return {
        "finish_reason": run.finish_reason,
        "generated_tokens": run.num_generated,
        "inputs": run.request.inputs,
    }


def _token(token: Token, tgi_compat: bool) -> dict[str, Any]:
    if tgi_compat:
        return token_object(token)
    return {"id": token.id, "text": "" if token.special else token.text, "log_prob": token.logprob}


class LineStream:
    """A JSON object a token, on lines or as events; the last one has the text.

    Args:
        is_sse: Write events.
        tgi_compat: TGI's names in a token, and details unless the request says otherwise.
    """

    def __init__(self, *, is_sse: bool, tgi_compat: bool) -> None:
        self._is_sse, self._tgi_compat = is_sse, tgi_compat
        self.headers = EVENT_HEADERS if is_sse else {"content-type": "application/jsonlines"}
        self.keep_alive = KEEP_ALIVE if is_sse else b""

    def token(self, run: Run, token: Token) -> bytes:
        body: dict[str, Any] = {"token": _token(token, self._tgi_compat)}
        if token.finish_reason is not None:
            body["generated_text"] = _text(run)
            if _wants_details(run, self._tgi_compat):
                body["details"] = _details(run)
        return self._line(body)

    def end(self, run: Run) -> bytes:
        return b""

    def error(self, error: RequestError) -> bytes:
        """Write LMI's last token of a failed stream, with the reason that LMI leaves to its log."""
        return self._line(
            {
                "token": {"id": -1, "text": "", "log_prob": -1, "special_token": True},
                "generated_text": "",
                "details": {"finish_reason": "error", "generated_tokens": None, "inputs": None},
            }
            | error_body(error)
        )

    def _line(self, body: dict[str, Any]) -> bytes:
        return event(body) if self._is_sse else to_json(body) + b"\n"


class LmiWriter(PlainWriter):
    """Write chat as LMI does: an id, and TGI's reasons."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._id = f"chatcmpl-{uuid.uuid4().hex}"

    @property
    def id(self) -> str:
        return self._id

    def reason(self, finish_reason: str | None) -> str | None:
        return finish_reason

    def delta(self, text: str, *, is_first: bool) -> dict[str, Any]:
        return {"content": text, "role": "assistant"} if is_first else {"content": text}

    def chunk(self, run: Run, token: Token) -> dict[str, Any]:
        chunk = super().chunk(run, token)
        del chunk["usage"]
        return chunk


class LmiChunks:
    """Chat chunks on lines, or as events that end in `[DONE]`."""

    def __init__(self, writer: PlainWriter, *, is_sse: bool) -> None:
        self._writer, self._is_sse = writer, is_sse
        self.headers = EVENT_HEADERS if is_sse else {"content-type": "application/jsonlines"}
        self.keep_alive = KEEP_ALIVE if is_sse else b""

    def token(self, run: Run, token: Token) -> bytes:
        return self._line(self._writer.chunk(run, token))

    def end(self, run: Run) -> bytes:
        counts = self._writer.usage_chunk(run)
        return (self._line(counts) if counts else b"") + self._done()

    def error(self, error: RequestError) -> bytes:
        return self._line(error_body(error)) + self._done()

    def _done(self) -> bytes:
        return DONE if self._is_sse else b""

    def _line(self, body: dict[str, Any]) -> bytes:
        return event(body) if self._is_sse else to_json(body) + b"\n"


def error_body(error: RequestError) -> dict[str, Any]:
    """Return LMI's body; what is wrong with a request is a 424 there."""
    code = 424 if error.status in (400, 422) else error.status
    return {"error": str(error), "code": code}
