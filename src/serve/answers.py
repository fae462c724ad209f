"""TGI's answers: objects, arrays, server-sent events and headers.

Source: text-generation-inference 3.3.7, router/src/server.rs and router/src/lib.rs.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from serve.engine import Generation, Token
from serve.generate_request import GenerateRequest, Prompt

COMPUTE_TYPE = "cpu"
EVENT_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
    "x-compute-type": COMPUTE_TYPE,
}


def to_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")


def event(value: Any) -> bytes:
    """Write a server-sent event as TGI does, without a space after the colon."""
    return b"data:" + to_json(value) + b"\n\n"


@dataclass(kw_only=True)
class Answer:
    """Collect a generation and show it in TGI's shapes.

    Args:
        request: What was asked.
        prompt: What the engine was given.
        full_text: Put the prompt before the generated text.
        received_s: When the request came, on `time.perf_counter`'s clock.
    """

    request: GenerateRequest
    prompt: Prompt
    full_text: bool
    received_s: float
    tokens: list[Token] = field(default_factory=list)

    @property
    def generated_text(self) -> str:
        text = "".join(token.text for token in self.tokens if not token.special)
        return self.request.inputs + text if self.full_text else text

    @property
    def finish_reason(self) -> str | None:
        return self.tokens[-1].finish_reason if self.tokens else None

    def body(self) -> dict[str, Any]:
        """Return the object of `/generate`; `details` only when asked for."""
        body: dict[str, Any] = {"generated_text": self.generated_text}
        if self.request.parameters["details"]:
            tokens = [token_object(token) for token in self.tokens]
            body["details"] = self._details() | {"prefill": [], "tokens": tokens}
        return body

    def event(self, token: Token) -> bytes:
        """Add a token and return its event; text and details are null until the last."""
        self.tokens.append(token)
        is_last = token.finish_reason is not None
        details = None
        if is_last and self.request.parameters["details"]:
            details = self._details() | {"input_length": len(self.prompt.ids)}
        return event(
            {
                "index": len(self.tokens),
                "token": token_object(token),
                "generated_text": self.generated_text if is_last else None,
                "details": details,
            }
        )

    def headers(self, generation: Generation) -> dict[str, str]:
        """Return TGI's headers: seconds in x-compute-time, whole milliseconds in the others."""
        now_s = time.perf_counter()
        started_s = generation.started_s or now_s
        total_s, inference_s = now_s - self.received_s, now_s - started_s

        def milliseconds(seconds: float) -> str:
            return str(int(seconds * 1000))

        return {
            "x-compute-type": COMPUTE_TYPE,
            "x-compute-time": f"{total_s:.9f}",
            "x-compute-characters": str(len(self.request.inputs)),
            "x-total-time": milliseconds(total_s),
            "x-validation-time": milliseconds(generation.queued_s - self.received_s),
            "x-queue-time": milliseconds(started_s - generation.queued_s),
            "x-inference-time": milliseconds(inference_s),
            "x-time-per-token": milliseconds(inference_s / max(len(self.tokens), 1)),
            "x-prompt-tokens": str(len(self.prompt.ids)),
            "x-generated-tokens": str(len(self.tokens)),
        }

    def _details(self) -> dict[str, Any]:
        sampling = self.prompt.sampling
        return {
            "finish_reason": self.finish_reason,
            "generated_tokens": len(self.tokens),
            "seed": sampling.seed if sampling.do_sample else None,
        }


def token_object(token: Token) -> dict[str, Any]:
    return {"id": token.id, "text": token.text, "logprob": token.logprob, "special": token.special}
