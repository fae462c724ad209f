"""TGI's answers to `inputs`: objects, server-sent events and headers.

Source: text-generation-inference 3.3.7, router/src/server.rs and router/src/lib.rs.
"""

from __future__ import annotations

from typing import Any

from serve.bodies import to_json
from serve.engine import Token
from serve.errors import RequestError
from serve.event_stream import COMPUTE_TYPE, KEEP_ALIVE, stream_headers
from serve.run import Run


def event(value: Any) -> bytes:
    """Write a server-sent event as TGI does, without a space after the colon."""
    return b"data:" + to_json(value) + b"\n\n"


def generate_body(run: Run, *, full_text: bool) -> dict[str, Any]:
    """Return the object of `/generate`; `details` only when asked for.

    Args:
        run: At its end.
        full_text: Put the prompt before the generated text.
    """
    body: dict[str, Any] = {"generated_text": _text(run, full_text)}
    if run.request.parameters["details"]:
        tokens = [token_object(token) for token in run.tokens]
        body["details"] = _details(run) | {"prefill": [], "tokens": tokens}
        if run.prompt.sampling.num_top:
            body["details"]["top_tokens"] = [list(map(token_object, token.top)) for token in run.tokens]
    return body


class GenerateStream:
    """The events of `/generate_stream`: text and details are null until the last.

    Args:
        full_text: Put the prompt before the generated text.
        num_characters: Of the prompt.
    """

    keep_alive = KEEP_ALIVE

    def __init__(self, *, full_text: bool, num_characters: int) -> None:
        self._full_text = full_text
        self.headers = stream_headers(num_characters)

    def token(self, run: Run, token: Token) -> bytes:
        if token.finish_reason is not None:
            return b""
        return event(self._body(run, token, None, None))

    def end(self, run: Run) -> bytes:
        details = None
        if run.request.parameters["details"]:
            details = _details(run) | {"input_length": run.num_prompt}
        return event(self._body(run, run.tokens[-1], _text(run, self._full_text), details))

    def error(self, error: RequestError) -> bytes:
        return event(error.body)

    def _body(self, run: Run, token: Token, text: str | None, details: dict | None) -> dict[str, Any]:
        top = {"top_tokens": list(map(token_object, token.top))} if token.top else {}
        return {
            "index": run.num_generated,
            "token": token_object(token),
            **top,
            "generated_text": text,
            "details": details,
        }


def answer_headers(*runs: Run) -> dict[str, str]:
    """Return TGI's headers: seconds in x-compute-time, whole milliseconds in the others; sums."""

    def milliseconds(name: str) -> str:
        return str(sum(int(getattr(run, name) * 1000) for run in runs))

    return {
        "x-compute-type": COMPUTE_TYPE,
        "x-compute-time": f"{sum(run.total_s for run in runs):.9f}",
        "x-compute-characters": str(sum(len(run.request.inputs) for run in runs)),
        "x-total-time": milliseconds("total_s"),
        "x-validation-time": milliseconds("validation_s"),
        "x-queue-time": milliseconds("queue_s"),
        "x-inference-time": milliseconds("inference_s"),
        "x-time-per-token": milliseconds("time_per_token_s"),
        "x-prompt-tokens": str(sum(run.num_prompt for run in runs)),
        "x-generated-tokens": str(sum(run.num_generated for run in runs)),
    }


def token_object(token: Token) -> dict[str, Any]:
    return {"id": token.id, "text": token.text, "logprob": token.logprob, "special": token.special}


def _text(run: Run, full_text: bool) -> str:
    return run.request.inputs + run.text if full_text else run.text


def _details(run: Run) -> dict[str, Any]:
    sampling = run.prompt.sampling
    return {
        "finish_reason": run.finish_reason,
        "generated_tokens": run.num_generated,
        "seed": sampling.seed if sampling.do_sample else None,
    }
