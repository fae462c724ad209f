"""The fast engine: a model converted for CTranslate2, in static batches.

What it gives up for its speed: requests that come together are one batch, and those that come later wait for
a free worker; draws come from one source for all requests, so that no seed can be kept; penalties differ from
TGI's. Requests that need those are refused (`unsupported`), never answered with something else.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import ctranslate2

from serve.engine import Capacity, Generation, Sampling, deliver
from serve.engines.ctranslate2_conversion import check_parity, converted
from serve.errors import RequestError, generation_failed
from serve.model_folder import ModelFolder
from serve.settings import MIN_INT8_AGREEMENT_PERCENT
from serve.text import TextCodec, TokenStream

logger = logging.getLogger(__name__)

# Batches at once: while one gives a long answer, the other takes what comes. More would be smaller ones.
NUM_WORKERS = 2
# A batch reads its prompts together up to the shortest; the rest of a longer one costs a step a token.
MAX_LENGTH_DIFFERENCE = 64
# While another batch runs, wait so long for more requests to share the next one.
GATHER_S = 0.004


class CTranslate2Engine:
    """Generate with CTranslate2 on the CPU.

    Args:
        model: Folder of the original.
        quantize: "none" (float32) or "int8".
        cache_dir: Where converted models are kept.
        max_batch_size: Generations in one batch.
        min_int8_agreement_percent: An int8 copy that chooses fewer of the original's tokens is refused.

    Attributes:
        agreement: Share of the original's tokens that the copy chooses on this processor; `check_parity`.

    Raises:
        UserError: The model cannot be converted, or its copy does not generate what the original does.
    """

    name = "ctranslate2"
    unsupported = frozenset(
        {
            "seed", "repetition_penalty", "frequency_penalty", "typical_p", "adapter_id", "top_n_tokens",
            "min_p", "presence_penalty", "count_penalty", "logit_bias", "min_new_tokens",
        }
    )  # fmt: skip
    adapters: tuple[str, ...] = ()

    def __init__(
        self,
        model: ModelFolder,
        *,
        quantize: str,
        cache_dir: Path,
        max_batch_size: int,
        min_int8_agreement_percent: int = MIN_INT8_AGREEMENT_PERCENT,
    ) -> None:
        folder = converted(model, quantize, cache_dir)
        self._codec = model.codec
        self._max_batch_size = max_batch_size
        self._tokens: list[str] = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        self._generator = ctranslate2.Generator(
            str(folder),
            device="cpu",
            compute_type="float32" if quantize == "none" else quantize,
            inter_threads=NUM_WORKERS,
            intra_threads=int(os.environ.get("OMP_NUM_THREADS") or 1),
        )
        self.agreement = check_parity(
            self._generator, folder, self._tokens, quantize, min_int8_agreement_percent
        )
        self._waiting: list[Generation] = []
        self._active: list[Generation] = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"engine {number}", daemon=True)
            for number in range(NUM_WORKERS)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, prompt_ids: Sequence[int], sampling: Sampling, adapter: str | None = None) -> Generation:
        generation = Generation(prompt_ids, sampling)
        with self._changed:
            self._waiting.append(generation)
            self._changed.notify()
        return generation

    def load_adapter(self, name: str, folder: Path) -> None:
        raise RequestError(400, "validation", f"the engine {self.name} of this server has no LoRA adapters")

    def unload_adapter(self, name: str) -> None:
        raise KeyError(name)

    def capacity(self) -> Capacity:
        with self._changed:
            active = list(self._active)
            return Capacity(
                num_active=len(active),
                num_waiting=len(self._waiting),
                max_active=self._max_batch_size * NUM_WORKERS,
                num_active_tokens=sum(
                    len(generation.prompt_ids) + generation.sampling.max_new_tokens for generation in active
                ),
            )

    def is_healthy(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        with self._changed:
            self._closing.set()
            unfinished = self._waiting + self._active
            self._waiting = []
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=2)
        for generation in unfinished:
            generation.fail(RequestError(500, "incomplete_generation", "Incomplete generation"))

    def _work(self) -> None:
        while batch := self._next_batch():
            try:
                _Batch(batch, self._codec, self._closing).run(self._generator, self._tokens)
            except Exception as error:  # a batch that fails must not end the engine
                logger.exception("a batch failed")
                for generation in batch:
                    generation.fail(generation_failed(str(error)))
            with self._changed:
                self._active = [generation for generation in self._active if generation not in batch]

    def _next_batch(self) -> list[Generation]:
        """Wait for requests and take those that fit together; none when the engine closes."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
                if self._active and not self._closing.is_set():
                    self._gather()
                for generation in [generation for generation in self._waiting if generation.cancelled]:
                    logger.info("dropped a cancelled generation")
                    self._waiting.remove(generation)
                if self._closing.is_set():
                    return []
                if self._waiting:
                    break
            first = self._waiting[0]
            batch = [generation for generation in self._waiting if _fit_together(first, generation)]
            batch = batch[: self._max_batch_size]
            self._waiting = [generation for generation in self._waiting if generation not in batch]
            self._active += batch
            if self._waiting:
                self._changed.notify()
            return batch

    def _gather(self) -> None:
        """Let go of the lock for a moment, so that more requests can come."""
        deadline_s = time.monotonic() + GATHER_S
        while (left_s := deadline_s - time.monotonic()) > 0 and len(self._waiting) < self._max_batch_size:
            self._changed.wait(left_s)


class _Batch:
    """Requests that are generated together.

    It does not know the engine: CTranslate2's own thread lets go of it last, and an engine that ended there
    would wait for the thread that it is ended by.
    """

    def __init__(self, generations: list[Generation], codec: TextCodec, closing: threading.Event) -> None:
        self._generations = generations
        self._streams = [
            TokenStream(codec, generation.prompt_ids, generation.sampling) for generation in generations
        ]
        self._closing = closing
        self._step = 0
        self._new: list[Generation] = []

    def run(self, generator: ctranslate2.Generator, tokens: list[str]) -> None:
        """Generate until every request has its last token."""
        sampling = self._generations[0].sampling
        for generation in self._generations:
            generation.start()
        options = {"sampling_topk": 1}
        if sampling.do_sample:
            options = {
                "sampling_topk": sampling.top_k,
                "sampling_topp": sampling.top_p,
                "sampling_temperature": sampling.temperature,
            }
        generator.generate_batch(
            [[tokens[id_] for id_ in generation.prompt_ids] for generation in self._generations],
            include_prompt_in_result=False,
            max_length=max(generation.sampling.max_new_tokens for generation in self._generations),
            end_token=[],  # `TokenStream` says when a generation ends
            return_scores=True,
            callback=self._take,
            **options,
        )
        deliver(self._new)

    def _take(self, result: ctranslate2.GenerationStepResult) -> bool:
        """Take one token; return whether its request has its last one."""
        if result.step != self._step:
            self._step = result.step
            deliver(self._new)
            self._new = []
        generation = self._generations[result.batch_id]
        if generation.cancelled or self._closing.is_set():
            if generation.cancelled:
                logger.info("dropped a cancelled generation")
            return True
        token = self._streams[result.batch_id].add(result.token_id, result.log_prob)
        generation.put(token)
        self._new.append(generation)
        return token.finish_reason is not None


def _fit_together(first: Generation, other: Generation) -> bool:
    """Tell whether two requests can share a batch: drawn alike, and of about the same length."""
    mine, theirs = first.sampling, other.sampling
    is_alike = mine.do_sample == theirs.do_sample and (
        not mine.do_sample
        or (mine.temperature, mine.top_k, mine.top_p) == (theirs.temperature, theirs.top_k, theirs.top_p)
    )
    return is_alike and abs(len(first.prompt_ids) - len(other.prompt_ids)) <= MAX_LENGTH_DIFFERENCE
