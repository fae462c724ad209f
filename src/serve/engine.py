"""What the server asks of an engine. Engines are replaced; this interface stays.

An engine takes prompt ids and sampling parameters and gives tokens, each with its text, as they are made.
It may serve any number of generations at once and in any order; each is cancelled by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
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
        num_top: How many of the most likely tokens come with each token.
        min_p: Keep tokens at least so likely as the most likely one times it, 0 to 1; 0 keeps all.
        presence_penalty: Off the score of each id that was generated; 0 is none.
        count_penalty: The same, times how often it was generated; 0 is none.
        logit_bias: Ids, and what is added to the score of each.
        min_new_tokens: Before so many tokens no id ends the generation.
        ignore_eos: The model's end tokens are tokens like others.
        stop_ids: Ids that end the generation like an end token.
        end_before_length: An end token that is the last allowed one ends it as end token, not by length.
        raw_logprobs: Of the model's own scores, before penalties, temperature and warpers.
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
    num_top: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    count_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    min_new_tokens: int = 0
    ignore_eos: bool = False
    stop_ids: frozenset[int] = frozenset()
    end_before_length: bool = False
    raw_logprobs: bool = False


# The most likely ids with their log-probabilities, the most likely first; None where a warper took it away.
TopTokens = tuple[tuple[int, float | None], ...]


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token.

    Args:
        id: In the model's vocabulary.
        text: What it adds to the output; empty while a character is incomplete.
        logprob: Natural logarithm of its probability after penalties and temperature.
        special: Not part of the generated text (end token and the like).
        finish_reason: "length", "eos_token" or "stop_sequence" on the last one, else None.
        top: The most likely tokens, as many as the sampling asks for; a logprob of None where a warper took
            it away.
    """

    id: int
    text: str
    logprob: float
    special: bool
    finish_reason: str | None = None
    top: tuple[Token, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What an engine is doing.

    Args:
        num_active: Generations that run.
        num_waiting: Generations that wait for a slot.
        max_active: Generations that it works on at once.
        num_active_tokens: Tokens that the running ones may have in the end, prompts included.
    """

    num_active: int
    num_waiting: int
    max_active: int
    num_active_tokens: int = 0


class Generation:
    """Tokens of one request, handed from the engine's thread to the event loop.

    The engine calls `start`, `put` and `fail` from its own thread, `deliver` after each step, and looks at
    `cancelled` between tokens; the server iterates and may `cancel`.

    Attributes:
        prompt_ids: What is continued.
        sampling: How.
        adapter: Name of a LoRA adapter, or None.
        whole: Hand all tokens over together, with the last: nobody reads them before. Waking the event loop
            for each token costs as much as the fast engine needs to make it.
        cancelled: The rest is not wanted.
        queued_s, started_s, first_token_s: When it was submitted, taken, and given its first token, on
            `time.perf_counter`'s clock.
    """

    def __init__(self, prompt_ids: Sequence[int], sampling: Sampling, adapter: str | None = None) -> None:
        self.prompt_ids = list(prompt_ids)
        self.sampling = sampling
        self.adapter = adapter
        self.whole = False
        self.cancelled = False
        self.queued_s = time.perf_counter()
        self.started_s: float | None = None
        self.first_token_s: float | None = None
        self._loop = asyncio.get_running_loop()
        self._made: list[Token | Exception] = []  # of the engine's thread
        self._arrived: deque[Token | Exception] = deque()  # of the event loop
        self._arrival: asyncio.Future[None] | None = None
        self._ended = False

    def start(self) -> None:
        self.started_s = time.perf_counter()

    def put(self, token: Token) -> None:
        """Take a token; `deliver` hands it over."""
        if self.first_token_s is None:
            self.first_token_s = time.perf_counter()
        self._made.append(token)

    def fail(self, error: Exception) -> None:
        self._made.append(error)
        deliver([self])

    def cancel(self) -> None:
        """Let the engine drop this generation; harmless when it has ended."""
        self.cancelled = True

    def take(self) -> list[Token | Exception]:
        """Return what is to be handed over now."""
        if not self._made or (self.whole and getattr(self._made[-1], "finish_reason", "error") is None):
            return []
        made, self._made = self._made, []
        return made

    def arrive(self, items: list[Token | Exception]) -> None:
        """Receive what was taken, in the event loop."""
        self._arrived.extend(items)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def __aiter__(self) -> Generation:
        return self

    async def __anext__(self) -> Token:
        if self._ended:
            raise StopAsyncIteration
        while not self._arrived:
            self._arrival = self._loop.create_future()
            await self._arrival
        item = self._arrived.popleft()
        self._ended = isinstance(item, Exception) or item.finish_reason is not None
        if isinstance(item, Exception):
            raise item
        return item


def deliver(generations: Iterable[Generation]) -> None:
    """Hand new tokens over to the event loop, all with one wake-up; call it in the engine's thread."""
    by_loop: dict[asyncio.AbstractEventLoop, list] = {}
    for generation in generations:
        if items := generation.take():
            by_loop.setdefault(generation._loop, []).append((generation, items))
    for loop, pairs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_arrive_all, pairs)
        except RuntimeError:  # the loop is closed: the server is ending
            for generation, _ in pairs:
                generation.cancel()


def _arrive_all(pairs: list[tuple[Generation, list[Token | Exception]]]) -> None:
    for generation, items in pairs:
        generation.arrive(items)


class Engine(Protocol):
    """A loaded model that generates.

    Attributes:
        name: As in the settings.
        unsupported: Request parameters (TGI's names) that it cannot honour; asking for one is refused.
        adapters: Names of LoRA adapters that a request may choose.
    """

    name: str
    unsupported: frozenset[str]
    adapters: tuple[str, ...]

    def submit(self, prompt_ids: Sequence[int], sampling: Sampling, adapter: str | None = None) -> Generation:
        """Queue a generation; call it in the event loop that will read the tokens.

        Args:
            prompt_ids: 1 or more.
            sampling: Parameters.
            adapter: One of `adapters`; None for the model itself.

        Returns:
            Asynchronous iterator of tokens; the last has a finish reason. It raises what made the engine
            fail.
        """

    def load_adapter(self, name: str, folder: Path) -> None:
        """Load a LoRA adapter, also in place of one of that name; it blocks, and generations continue.

        Raises:
            UserError: The folder holds no adapter for this model.
            RequestError: This engine has no adapters, or it has ended.
        """

    def unload_adapter(self, name: str) -> None:
        """Take an adapter away from new generations, and out of memory when none uses it any more.

        Raises:
            KeyError: There is none of this name.
            RequestError: As above.
        """

    def capacity(self) -> Capacity: ...

    def is_healthy(self) -> bool: ...

    def close(self) -> None:
        """End its threads; unfinished generations end with an error."""
