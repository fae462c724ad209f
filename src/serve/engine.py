"""What the server asks of an engine. Engines are replaced; this interface stays.

An engine takes prompt ids and sampling parameters and gives tokens, each with its text, as they are made.
It may serve any number of generations at once and in any order; each is cancelled by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

LENGTH, EOS_TOKEN, STOP_SEQUENCE = "length", "eos_token", "stop_sequence"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is chosen and when a generation ends.

    Args:
        max_new_tokens: 1 or more; together with the prompt at most the model's context.
        do_sample: Draw from the distribution instead of taking the most likely token.
        seed: Of the draw; unused when greedy.
        temperature: Above 0; 1 leaves the distribution as it is.
        top_k: Keep the k most likely tokens; 0 keeps all.
        top_p: Keep the most likely tokens that sum up to it; 1 keeps all.
        typical_p: Keep the most typical tokens that sum up to it; 1 keeps all.
        repetition_penalty: Above 0, on every id seen so far, prompt included; 1 is none.
        frequency_penalty: -2 to 2, times the share of an id among those seen so far; 0 is none.
        stop: Texts that end the generation; the text that is found stays in the output.
    """

    max_new_tokens: int
    do_sample: bool = False
    seed: int = 0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token.

    Args:
        id: In the model's vocabulary.
        text: What it adds to the output; empty while a character is incomplete.
        logprob: Natural logarithm of its probability after penalties and temperature.
        special: Not part of the generated text (end token and the like).
        finish_reason: "length", "eos_token" or "stop_sequence" on the last one, else None.
    """

    id: int
    text: str
    logprob: float
    special: bool
    finish_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What an engine is doing: generations in work, generations waiting, and how many it works on at once."""

    num_active: int
    num_waiting: int
    max_active: int


class Generation:
    """Tokens of one request, handed from the engine's thread to the event loop.

    The engine calls `start`, `put` and `fail` from its own thread and looks at `cancelled` between tokens;
    the server iterates and may `cancel`.
    """

    def __init__(self, prompt_ids: Sequence[int], sampling: Sampling) -> None:
        self.prompt_ids = list(prompt_ids)
        self.sampling = sampling
        self.cancelled = False
        self.queued_s = time.perf_counter()
        self.started_s: float | None = None
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[Token | Exception] = asyncio.Queue()
        self._ended = False

    def start(self) -> None:
        self.started_s = time.perf_counter()

    def put(self, token: Token) -> None:
        self._send(token)

    def fail(self, error: Exception) -> None:
        self._send(error)

    def cancel(self) -> None:
        """Let the engine drop this generation; harmless when it has ended."""
        self.cancelled = True

    def _send(self, item: Token | Exception) -> None:
        try:
            self._loop.call_soon_threadsafe(self._items.put_nowait, item)
        except RuntimeError:  # the loop is closed: the server is ending
            self.cancelled = True

    def __aiter__(self) -> Generation:
        return self

    async def __anext__(self) -> Token:
        if self._ended:
            raise StopAsyncIteration
        item = await self._items.get()
        if isinstance(item, Exception):
            self._ended = True
            raise item
        self._ended = item.finish_reason is not None
        return item


class Engine(Protocol):
    """A loaded model that generates."""

    def submit(self, prompt_ids: Sequence[int], sampling: Sampling) -> Generation:
        """Queue a generation; call it in the event loop that will read the tokens.

        Returns:
            Asynchronous iterator of tokens; the last has a finish reason. It raises what made the engine
            fail.
        """

    def capacity(self) -> Capacity: ...

    def is_healthy(self) -> bool: ...

    def close(self) -> None:
        """End its thread; generations under way end with an error."""
