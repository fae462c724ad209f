"""vLLM's answers: OpenAI's, with an id, the stop text that was found, and errors of its own.

Source: vLLM, entrypoints/openai.
"""

from __future__ import annotations

import uuid
from typing import Any

from serve.dialects.openai.answers import OPENAI_REASONS, ChunkStream, PlainWriter, event, usage
from serve.engine import STOP_SEQUENCE, Token
from serve.errors import RequestError
from serve.run import Run

ERROR_TYPES = {
    404: "NotFoundError",
    413: "BadRequestError",
    415: "BadRequestError",
    429: "TooManyRequestsError",
    503: "ServiceUnavailableError",
}


class VllmWriter(PlainWriter):
    """Write as vLLM does: an id, OpenAI's reasons, and which stop text was found."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        prefix = "chatcmpl" if self.request.kind == "chat" else "cmpl"
        self._id = f"{prefix}-{self.request.request_id or uuid.uuid4().hex}"

    @property
    def id(self) -> str:
        return self._id

    def reason(self, finish_reason: str | None) -> str | None:
        return None if finish_reason is None else OPENAI_REASONS[finish_reason]

    def choice(self, index: int, run: Run) -> dict[str, Any]:
        return super().choice(index, run) | {"stop_reason": run.stop_found}

    def chunk(self, run: Run, token: Token) -> dict[str, Any]:
        chunk = super().chunk(run, token)
        chunk.pop("usage", None)
        if self.request.usage_in_chunks:
            chunk["usage"] = usage(run)
        (choice,) = chunk["choices"]
        choice["finish_reason"] = self.reason(token.finish_reason)
        if token.finish_reason == STOP_SEQUENCE:
            choice["stop_reason"] = run.stop_found
        return chunk

    def usage_chunk(self, run: Run) -> dict[str, Any] | None:
        if not self.request.include_usage:
            return None
        kind = "chat.completion.chunk" if self.request.kind == "chat" else "text_completion"
        return self.frame(kind, []) | {"usage": usage(run)}

    def message(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": text, "refusal": None, "tool_calls": []}

    def delta(self, text: str, *, is_first: bool) -> dict[str, Any]:
        return {"content": text}

    def first_chunk(self) -> dict[str, Any]:
        choice = {
            "index": 0,
            "delta": {"role": "assistant", "content": ""},
            "logprobs": None,
            "finish_reason": None,
        }
        return self.frame("chat.completion.chunk", [choice])

    def error(self, error: RequestError) -> dict[str, Any]:
        return error_body(error)


class VllmStream(ChunkStream):
    """Chunks after one that says who speaks."""

    def __init__(self, writer: VllmWriter) -> None:
        super().__init__(writer)
        self._writer: VllmWriter = writer

    def token(self, run: Run, token: Token) -> bytes:
        body = super().token(run, token)
        if run.num_generated == 1 and self._writer.request.kind == "chat":
            body = event(self._writer.first_chunk()) + body
        return body


def error_body(error: RequestError) -> dict[str, Any]:
    """Return vLLM's body; what TGI calls unprocessable is a bad request here."""
    code = {422: 400, 424: 500}.get(error.status, error.status)
    type_ = ERROR_TYPES.get(code, "BadRequestError" if code < 500 else "InternalServerError")
    return {"error": {"message": str(error), "type": type_, "param": None, "code": code}}
