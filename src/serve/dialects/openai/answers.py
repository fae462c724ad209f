"""OpenAI's answers: chat completions, completions and their chunks.

TGI, vLLM and LMI write the same objects with other ids, reasons and extra fields: `Writer` is TGI's, the
other dialects override what differs.

Source: text-generation-inference 3.3.7, router/src/lib.rs (ChatCompletion, Chunk) and router/src/chat.rs.
"""

from __future__ import annotations

import time
from itertools import accumulate
from typing import Any

from serve.bodies import to_json
from serve.dialects.openai.requests import OpenAIRequest
from serve.engine import EOS_TOKEN, LENGTH, STOP_SEQUENCE, Token
from serve.errors import RequestError
from serve.event_stream import KEEP_ALIVE, stream_headers
from serve.run import Run

DONE = b"data: [DONE]\n\n"
# How a generation ends, in OpenAI's words.
OPENAI_REASONS = {LENGTH: "length", EOS_TOKEN: "stop", STOP_SEQUENCE: "stop"}


def event(value: Any) -> bytes:
    return b"data: " + to_json(value) + b"\n\n"


class Writer:
    """Write one answer as TGI does, whole or in chunks.

    Args:
        request: What was asked.
        model: Name of what answers.
        fingerprint: TGI's version and label.
    """

    def __init__(self, request: OpenAIRequest, *, model: str, fingerprint: str | None = None) -> None:
        self.request = request
        self.model = model
        self.fingerprint = fingerprint
        self.created = int(time.time())
        self._num_characters = 0  # of a stream of completions, so far

    @property
    def id(self) -> str:
        return ""

    def reason(self, finish_reason: str | None) -> str | None:
        return "stop" if finish_reason == EOS_TOKEN else finish_reason

    def whole(self, *runs: Run) -> dict[str, Any]:
        """Return the body of an answer; each run is a choice of it."""
        kind = "chat.completion" if self.request.kind == "chat" else "text_completion"
        choices = [self.choice(index, run) for index, run in enumerate(runs)]
        return self.frame(kind, choices) | {"usage": usage(*runs, num_answers=self.request.num_answers)}

    def choice(self, index: int, run: Run) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": index}
        if self.request.kind == "chat":
            choice["message"] = self.message(self.request.echo + run.text)
            choice["logprobs"] = self.logprobs(run.tokens)
        else:
            logprobs = self.completion_logprobs(run.tokens, 0)
            echoed = run.request.inputs if self.request.echo else ""
            choice |= {"text": echoed + run.text, "logprobs": logprobs}
        return choice | {"finish_reason": self.reason(run.finish_reason)}

    def chunk(self, run: Run, token: Token) -> dict[str, Any]:
        """Return the chunk of a token."""
        text = "" if token.special else token.text
        if run.num_generated == 1:
            text = self.request.echo + text
        if self.request.kind == "chat":
            choice = {
                "index": 0,
                "delta": self.delta(text, is_first=run.num_generated == 1),
                "logprobs": self.logprobs([token]),
                "finish_reason": self.reason(token.finish_reason),
            }
            return self.frame("chat.completion.chunk", [choice]) | {"usage": None}
        reason = token.finish_reason or ""  # here TGI keeps its own words
        logprobs = self.completion_logprobs([token], self._num_characters)
        self._num_characters += len(text)
        choice = {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": reason}
        frame = self.frame("text_completion", [choice])
        return frame | {"usage": usage(run)} if token.finish_reason else frame

    def usage_chunk(self, run: Run) -> dict[str, Any] | None:
        """Return the chunk of the counts, where it was asked for."""
        if not self.request.include_usage or self.request.kind != "chat":
            return None
        return self.frame("chat.completion.chunk", []) | {"usage": usage(run)}

    def message(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": text}

    def delta(self, text: str, *, is_first: bool) -> dict[str, Any]:
        return {"role": "assistant", "content": text}

    def completion_logprobs(self, tokens: list[Token], offset: int) -> dict[str, Any] | None:
        """Return the log-probabilities of a completion's tokens.

        Args:
            offset: Characters before the first of them.
        """
        return None

    def logprobs(self, tokens: list[Token]) -> dict[str, Any] | None:
        if not self.request.logprobs:
            return None
        return {"content": [self.logprob(token) for token in tokens]}

    def logprob(self, token: Token) -> dict[str, Any]:
        top = [self.top_logprob(item) for item in token.top]
        return {"token": token.text, "logprob": token.logprob, "top_logprobs": top}

    def top_logprob(self, token: Token) -> dict[str, Any]:
        return {"token": token.text, "logprob": token.logprob}

    def frame(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "object": kind,
            "id": self.id,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        }

    def error(self, error: RequestError) -> dict[str, Any]:
        return error.body


class PlainWriter(Writer):
    """Write objects without a fingerprint of the server, and each token's bytes: vLLM and what runs on it."""

    def completion_logprobs(self, tokens: list[Token], offset: int) -> dict[str, Any] | None:
        if not self.request.logprobs:
            return None
        texts = [token.text for token in tokens]
        ends = accumulate(map(len, texts), initial=offset)
        return {
            "text_offset": [end for end, _ in zip(ends, texts, strict=False)],
            "token_logprobs": [token.logprob for token in tokens],
            "tokens": texts,
            # The chosen one is always among them.
            "top_logprobs": [
                {item.text: item.logprob for item in token.top} | {token.text: token.logprob}
                for token in tokens
            ],
        }

    def logprob(self, token: Token) -> dict[str, Any]:
        return super().logprob(token) | {"bytes": list(token.text.encode())}

    def top_logprob(self, token: Token) -> dict[str, Any]:
        return super().top_logprob(token) | {"bytes": list(token.text.encode())}

    def frame(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


class ChunkStream:
    """Server-sent events of chunks, `data: [DONE]` at their end."""

    keep_alive = KEEP_ALIVE

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.headers = stream_headers(len(writer.request.generate.inputs))

    def token(self, run: Run, token: Token) -> bytes:
        return event(self._writer.chunk(run, token))

    def end(self, run: Run) -> bytes:
        counts = self._writer.usage_chunk(run)
        return (event(counts) if counts else b"") + DONE

    def error(self, error: RequestError) -> bytes:
        return event(self._writer.error(error)) + DONE


def usage(*runs: Run, num_answers: int = 1) -> dict[str, int]:
    """Count the tokens of runs.

    Args:
        num_answers: To each prompt, one after the other; the prompt counts once.
    """
    num_prompt = sum(run.num_prompt for run in runs[::num_answers])
    num_generated = sum(run.num_generated for run in runs)
    return {
        "prompt_tokens": num_prompt,
        "completion_tokens": num_generated,
        "total_tokens": num_prompt + num_generated,
    }
