"""One request that runs: its tokens as they come, its times, and its slot among those that run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from serve.engine import EOS_TOKEN, STOP_SEQUENCE, Generation, Token
from serve.request import GenerateRequest, Prompt
from serve.stop_sequences import StopSequences


class Run:
    """Collect the tokens of one request.

    Args:
        request: What was asked.
        prompt: What the engine was given.
        generation: The engine's tokens.
        received_s: When the request came, on `time.perf_counter`'s clock.
        free: Gives the request's slot to another one.

    Attributes:
        tokens: So far, as they are shown.
        ended_s: When the last one came; None until then.
    """

    def __init__(
        self,
        request: GenerateRequest,
        prompt: Prompt,
        generation: Generation,
        *,
        received_s: float,
        free: Callable[[], None],
    ) -> None:
        self.request, self.prompt, self.generation = request, prompt, generation
        self.received_s = received_s
        self.tokens: list[Token] = []
        self.ended_s: float | None = None
        self._free = free
        self._is_closed = False
        self._stop = None
        if request.stop_sequences:
            least = prompt.sampling.min_new_tokens
            self._stop = StopSequences(request.stop_sequences, keep=request.keeps_stop, min_tokens=least)
        self._is_literal = not (request.shows_special or prompt.sampling.stop_ids)

    def add(self, token: Token) -> Token:
        """Take a token of the generation and return it as it is shown."""
        if not self._is_literal:
            token = self._shown(token)
        if self._stop is not None:
            token = self._stop.add(token)
        self.tokens.append(token)
        if token.finish_reason is not None:
            self.ended_s = time.perf_counter()
        return token

    def _shown(self, token: Token) -> Token:
        """Make a special token text, and what an id ended no text, where the request says so."""
        has_ended = token.finish_reason == EOS_TOKEN or self._stop_id(token) is not None
        if token.special:
            is_text = self.request.shows_special and (not has_ended or self.request.keeps_stop)
            return replace(token, special=not is_text)
        return replace(token, text="") if has_ended and not self.request.keeps_stop else token

    def _stop_id(self, token: Token) -> int | None:
        is_stop = token.finish_reason == STOP_SEQUENCE and token.id in self.prompt.sampling.stop_ids
        return token.id if is_stop else None

    def collect_whole(self) -> None:
        """Ask for all tokens together, where none before the last is needed."""
        self.generation.whole = self._stop is None

    def close(self) -> None:
        """Let the engine drop what is not generated, and another request come in; harmless when done."""
        self.generation.cancel()
        if not self._is_closed:
            self._is_closed = True
            self._free()

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens if not token.special)

    @property
    def finish_reason(self) -> str | None:
        return self.tokens[-1].finish_reason if self.tokens else None

    @property
    def stop_found(self) -> str | int | None:
        """The stop text, or the id of the request's stop_ids, that ended the answer."""
        if self._stop is not None and self._stop.found is not None:
            return self._stop.found
        return self._stop_id(self.tokens[-1]) if self.tokens else None

    @property
    def num_prompt(self) -> int:
        return len(self.prompt.ids)

    @property
    def num_generated(self) -> int:
        return len(self.tokens)

    @property
    def total_s(self) -> float:
        return self._end_s - self.received_s

    @property
    def validation_s(self) -> float:
        return self.generation.queued_s - self.received_s

    @property
    def queue_s(self) -> float:
        return self._start_s - self.generation.queued_s

    @property
    def inference_s(self) -> float:
        return self._end_s - self._start_s

    @property
    def time_per_token_s(self) -> float:
        return self.inference_s / max(self.num_generated, 1)

    @property
    def first_token_after_start_s(self) -> float:
        """Of a run at its end."""
        return self.generation.first_token_s - self._start_s

    @property
    def _start_s(self) -> float:
        return self._end_s if self.generation.started_s is None else self.generation.started_s

    @property
    def _end_s(self) -> float:
        return time.perf_counter() if self.ended_s is None else self.ended_s
