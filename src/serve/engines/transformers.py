"""The default engine: a transformers model with continuous batching, token by token.

Every running generation has a row of one key-value cache, and one step of the model gives each of them its
next token. A prompt is read in chunks between the steps, so that neither a long prompt nor a long answer
holds up a short one; a slot that gets free is taken at the next step. Each generation has its own parameters,
seed and LoRA adapter, and is what it would be alone.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import torch
from transformers import DynamicCache

from serve.engine import Capacity, Generation, Sampling, TopTokens, deliver
from serve.engines.adapter_versions import AdapterVersions
from serve.engines.cache import NUM_PROMPTS, PrefixCache, SlotCache
from serve.engines.decoder import Decoder, peft_model_class
from serve.engines.token_choice import TokenChoice, choose_all
from serve.errors import RequestError, generation_failed, incomplete
from serve.text import TextCodec, TokenStream

logger = logging.getLogger(__name__)

# Of a prompt, between two steps: 256 tokens take about as long as three steps (sample model, one core).
PREFILL_CHUNK_TOKENS = 256
# Between two steps: the rows wait for so many chunks at most.
MAX_CHUNKS = 8
# Of the memory that is free when the model has been loaded, for keys and values.
CACHE_SHARE = 0.5
CHECK_ALIVE_S = 0.5


class TransformersEngine:
    """Generate with a causal language model of transformers on the CPU.

    Args:
        model_dir: Folder of the model.
        codec: Its tokenizer.
        dtype: "float32", "bfloat16", "float16", or "auto" for the one it is stored in.
        max_batch_size: Generations that run at once.
        adapters: Name -> folder of LoRA adapters.

    Raises:
        UserError: The model or an adapter is of a kind that cannot be served here.
        OSError, ValueError, RuntimeError: The weights cannot be loaded.
    """

    name = "transformers"
    unsupported: frozenset[str] = frozenset()

    def __init__(
        self,
        model_dir: Path,
        codec: TextCodec,
        *,
        dtype: str = "float32",
        max_batch_size: int = 32,
        adapters: Mapping[str, Path] | None = None,
    ) -> None:
        self._adapters = AdapterVersions(adapters or {})
        self._decoder = Decoder(model_dir, dtype=dtype, adapters=adapters or {})
        self._codec = codec
        self._max_batch_size = max_batch_size
        free_bytes = psutil.virtual_memory().available
        self._max_cached_tokens = int(free_bytes * CACHE_SHARE / self._decoder.bytes_per_token)
        self._waiting: queue.SimpleQueue[Generation | None] = queue.SimpleQueue()
        self._next: Generation | None = None  # taken from the queue, and no room for it yet
        self._prompts: deque[_Work] = deque()
        self._rows: list[_Work] = []
        self._cache = SlotCache()
        self._prefixes = PrefixCache(max_tokens=self._max_cached_tokens // (4 * NUM_PROMPTS))
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    @property
    def adapters(self) -> tuple[str, ...]:
        return self._adapters.names

    def load_adapter(self, name: str, folder: Path) -> None:
        peft_model_class()  # imported here: between two steps every row would wait for it
        self._between_steps(lambda: self._adapters.load(name, folder, self._decoder))

    def unload_adapter(self, name: str) -> None:
        self._between_steps(lambda: self._adapters.unload(name))

    def _between_steps(self, work: Callable[[], None]) -> None:
        """Run something between two steps, in the engine's thread, and wait for it."""
        task = self._adapters.enqueue(work)
        self._waiting.put(None)  # it may wait for a generation
        while not task.wait(CHECK_ALIVE_S):
            if not self._thread.is_alive():
                raise incomplete("the engine has ended")
        task.raise_failure()

    def submit(self, prompt_ids: Sequence[int], sampling: Sampling, adapter: str | None = None) -> Generation:
        generation = Generation(prompt_ids, sampling, adapter)
        self._waiting.put(generation)
        return generation

    def capacity(self) -> Capacity:
        running = [*self._rows, *self._prompts]
        return Capacity(
            num_active=len(running),
            num_waiting=self._waiting.qsize() + (self._next is not None),
            max_active=self._max_batch_size,
            num_active_tokens=sum(work.max_tokens for work in running),
        )

    def is_healthy(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._closing = True
        self._waiting.put(None)
        self._thread.join(timeout=2)

    def _work(self) -> None:
        try:
            self._generate()
        finally:  # also when something unforeseen ends the engine: nobody is left waiting
            unfinished = [work.generation for work in (*self._rows, *self._prompts)]
            unfinished.append(self._next)
            while not self._waiting.empty():
                unfinished.append(self._waiting.get())
            for generation in filter(None, unfinished):
                generation.fail(incomplete("the engine has ended"))

    @torch.inference_mode()
    def _generate(self) -> None:
        while not self._closing:
            self._change_adapters()
            self._admit()
            self._drop_cancelled()
            self._prefill()
            if self._rows:
                self._step()
            elif not self._prompts:
                self._cache.clear()

    def _admit(self) -> None:
        """Take waiting generations while there is room; wait for one when there is nothing to do."""
        while len(self._rows) + len(self._prompts) < self._max_batch_size:
            if self._next is None:
                try:
                    self._next = self._waiting.get(block=not self._rows and not self._prompts)
                except queue.Empty:
                    return
                if self._next is None:  # put there to end the wait
                    return
            if not self._has_room(self._next):
                return
            generation, self._next = self._next, None
            if generation.cancelled:
                logger.info("dropped a cancelled generation")
                continue
            generation.start()
            try:
                generation.adapter = self._adapters.version_of(generation.adapter)
                self._prompts.append(_Work(generation, self._decoder, self._codec, self._prefixes))
            except Exception as error:  # parameters that a library refuses
                _fail(generation, error)

    def _change_adapters(self) -> None:
        self._adapters.run_pending()
        in_use = {work.generation.adapter for work in (*self._rows, *self._prompts)}
        for version in self._adapters.take_obsolete(in_use):
            self._decoder.remove_adapter(version)
            self._prefixes.drop(version)

    def _has_room(self, generation: Generation) -> bool:
        """Tell whether the rows would fit into memory, each as long as the longest may become."""
        running = [*self._rows, *self._prompts]
        longest = max([max_tokens_of(generation), *(work.max_tokens for work in running)])
        return not running or (len(running) + 1) * longest <= self._max_cached_tokens

    def _drop_cancelled(self) -> None:
        for row in reversed(range(len(self._rows))):
            if self._rows[row].generation.cancelled:
                logger.info("dropped a cancelled generation")
                self._remove(row)
        for work in [work for work in self._prompts if work.generation.cancelled]:
            logger.info("dropped a cancelled generation")
            self._prompts.remove(work)

    def _prefill(self) -> None:
        """Read a chunk of a prompt; of several while more prompts are unread than rows run.

        A step costs nearly as much for one row as for eight.
        """
        for _ in range(min(MAX_CHUNKS, len(self._prompts))):
            self._prefill_chunk()
            if len(self._prompts) <= len(self._rows):
                return

    def _prefill_chunk(self) -> None:
        """Read a chunk of one prompt; the prompts take turns."""
        work = self._prompts.popleft()
        try:
            scores = work.prefill_chunk()
            if scores is None:
                self._prompts.append(work)
                return
            if not self._add_token(work, *work.choice.choose(scores, work.seen_ids)):
                self._cache.add(work.take_cache())
                self._rows.append(work)
            deliver([work.generation])
        except Exception as error:  # one request must not end the others
            _fail(work.generation, error)

    def _step(self) -> None:
        """Give every row its next token."""
        try:
            scores = self._decoder.decode(
                self._cache,
                [work.seen_ids[-1] for work in self._rows],
                [work.generation.adapter for work in self._rows],
            )
        except Exception as error:  # of memory, for one: none of the rows can continue
            for work in self._rows:
                _fail(work.generation, error)
            self._rows.clear()
            self._cache.clear()
            return
        in_step = list(self._rows)
        chosen = choose_all(scores, [work.choice for work in in_step], [work.seen_ids for work in in_step])
        for row in reversed(range(len(self._rows))):
            work, choice = self._rows[row], chosen[row]
            if isinstance(choice, Exception):
                _fail(work.generation, choice)
                self._remove(row)
            elif self._add_token(work, *choice):
                self._remove(row)
        deliver(work.generation for work in in_step)

    def _add_token(self, work: _Work, id_: int, logprob: float, top: TopTokens = ()) -> bool:
        """Hand a token over; return whether it was the last."""
        work.seen_ids.append(id_)
        token = work.stream.add(id_, logprob, top)
        work.generation.put(token)
        return token.finish_reason is not None

    def _remove(self, row: int) -> None:
        self._cache.remove(row)
        last = self._rows.pop()
        if row < len(self._rows):
            self._rows[row] = last


class _Work:
    """A generation that the engine has taken."""

    def __init__(
        self, generation: Generation, decoder: Decoder, codec: TextCodec, prefixes: PrefixCache
    ) -> None:
        self.generation = generation
        self.seen_ids = list(generation.prompt_ids)
        self.choice = TokenChoice(generation.sampling, num_prompt=len(self.seen_ids), end_ids=codec.eos_ids)
        self.stream = TokenStream(codec, generation.prompt_ids, generation.sampling)
        self.max_tokens = max_tokens_of(generation)
        self._decoder, self._prefixes = decoder, prefixes
        self._prompt_cache: DynamicCache | None = None
        self._num_read = 0

    def prefill_chunk(self) -> torch.Tensor | None:
        """Read the next chunk of the prompt; return the scores after its last token, None before."""
        adapter = self.generation.adapter
        if self._prompt_cache is None:
            self._prompt_cache, self._num_read = self._prefixes.begin(self.seen_ids, adapter)
        chunk = self.seen_ids[self._num_read : self._num_read + PREFILL_CHUNK_TOKENS]
        scores = self._decoder.prefill(self._prompt_cache, chunk, adapter)
        self._num_read += len(chunk)
        if self._num_read < len(self.seen_ids):
            return None
        self._prefixes.keep(self.seen_ids, adapter, self._prompt_cache)
        return scores

    def take_cache(self) -> DynamicCache:
        """Return what the whole prompt left."""
        cache, self._prompt_cache = self._prompt_cache, None
        return cache


def max_tokens_of(generation: Generation) -> int:
    """Return how many tokens a generation may have in the end, its prompt included."""
    return len(generation.prompt_ids) + generation.sampling.max_new_tokens


def _fail(generation: Generation, error: Exception) -> None:
    if not isinstance(error, RequestError):
        logger.error("a generation failed", exc_info=error)
        error = generation_failed(str(error))
    generation.fail(error)
