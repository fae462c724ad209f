"""The first engine: a transformers model, one key-value cache a generation, a few generations in turn.

Measured on one core of a laptop-class CPU with the sample model (0.56M parameters): 0.5 ms a token, a prompt
of 600 tokens 12 ms. Requests beyond MAX_ACTIVE wait; each turn gives every active one a token, so that a
short answer does not wait for the end of a long one.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

# Before torch is imported, which reads it once. Two threads on two busy cores were slower than one, by four.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.utils import logging as transformers_logging

from serve.engine import Capacity, Generation, Sampling
from serve.engines.token_choice import TokenChoice
from serve.errors import RequestError, generation_failed
from serve.text import TextCodec
from serve.token_stream import TokenStream

logger = logging.getLogger(__name__)

MAX_ACTIVE = 4


class TransformersEngine:
    """Generate with a causal language model of transformers on the CPU.

    Args:
        model_dir: Folder of the model.
        codec: Its tokenizer.
        dtype: "float32", "bfloat16", "float16", or "auto" for the one it is stored in.

    Raises:
        OSError, ValueError, RuntimeError: The weights cannot be loaded.
    """

    def __init__(self, model_dir: Path, codec: TextCodec, *, dtype: str = "float32") -> None:
        transformers_logging.disable_progress_bar()
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self._model = AutoModelForCausalLM.from_pretrained(
            model_dir, dtype=dtype if dtype == "auto" else getattr(torch, dtype), local_files_only=True
        ).eval()
        self._codec = codec
        self._waiting: queue.SimpleQueue[Generation | None] = queue.SimpleQueue()
        self._active: list[tuple[Generation, Iterator[None]]] = []
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    def submit(self, prompt_ids: Sequence[int], sampling: Sampling) -> Generation:
        generation = Generation(prompt_ids, sampling)
        self._waiting.put(generation)
        return generation

    def capacity(self) -> Capacity:
        return Capacity(
            num_active=len(self._active), num_waiting=self._waiting.qsize(), max_active=MAX_ACTIVE
        )

    def is_healthy(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._closing = True
        self._waiting.put(None)
        self._thread.join(timeout=2)

    @torch.inference_mode()
    def _work(self) -> None:
        while not self._closing:
            self._admit()
            self._active = [
                (generation, steps) for generation, steps in self._active if _advance(generation, steps)
            ]
        unfinished = [generation for generation, _ in self._active]
        while not self._waiting.empty():
            unfinished.append(self._waiting.get())
        for generation in filter(None, unfinished):
            generation.fail(RequestError(500, "incomplete_generation", "Incomplete generation"))

    def _admit(self) -> None:
        """Take waiting generations while there is room; wait for one when there is nothing to do."""
        while len(self._active) < MAX_ACTIVE:
            try:
                generation = self._waiting.get(block=not self._active)
            except queue.Empty:
                return
            if generation is None:  # put there by close, to end the wait
                return
            self._active.append((generation, self._steps(generation)))

    def _steps(self, generation: Generation) -> Iterator[None]:
        """Generate a token at each turn, until the last."""
        generation.start()
        cache = DynamicCache(config=self._model.config)
        choice = TokenChoice(generation.sampling)
        stream = TokenStream(self._codec, generation.prompt_ids, generation.sampling)
        seen_ids = list(generation.prompt_ids)
        num_cached = 0
        while True:
            output = self._model(
                input_ids=torch.tensor([seen_ids[num_cached:]]),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            num_cached = len(seen_ids)
            scores = output.logits[:, -1, :].to(torch.float32, copy=True)
            id_, logprob = choice.choose(scores, seen_ids)
            seen_ids.append(id_)
            token = stream.add(id_, logprob)
            generation.put(token)
            if token.finish_reason:
                return
            yield


def _advance(generation: Generation, steps: Iterator[None]) -> bool:
    """Generate one token; return whether there is more to come."""
    if generation.cancelled:
        logger.info("dropped a cancelled generation")
        return False
    try:
        next(steps)
        return True
    except StopIteration:
        return False
    except RequestError as error:
        generation.fail(error)
    except Exception as error:  # one request must not end the others
        logger.exception("a generation failed")
        generation.fail(generation_failed(str(error)))
    return False
