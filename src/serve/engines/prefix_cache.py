"""Keys and values of the last prompts: a new prompt that begins alike reads only what follows.

All prompts of a task begin with the same instructions. vLLM and TGI keep such beginnings, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import DynamicCache

NUM_PROMPTS = 8
# Copying less saves nothing.
MIN_TOKENS = 16


@dataclass(frozen=True)
class _Prompt:
    ids: Sequence[int]
    adapter: str | None
    cache: DynamicCache


class PrefixCache:
    """Hold what the last prompts left.

    Args:
        max_tokens: Of a prompt that is kept; longer ones would take too much memory.
    """

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._prompts: deque[_Prompt] = deque(maxlen=NUM_PROMPTS)

    def begin(self, ids: Sequence[int], adapter: str | None) -> tuple[DynamicCache, int]:
        """Return a cache for a prompt and how many of its tokens are in it already; never all of them.

        Args:
            ids: The whole prompt.
            adapter: LoRA adapter it is read with: keys and values depend on it.
        """
        # Without the configuration: layers with a window keep all tokens too, and the mask hides them.
        cache, best, num_tokens = DynamicCache(), None, MIN_TOKENS - 1
        for prompt in self._prompts:
            if prompt.adapter == adapter and (length := common_length(prompt.ids, ids)) > num_tokens:
                best, num_tokens = prompt, length
        if best is None:
            return cache, 0
        num_tokens = min(num_tokens, len(ids) - 1)
        for index, layer in enumerate(best.cache.layers):
            cache.update(layer.keys[:, :, :num_tokens], layer.values[:, :, :num_tokens], index)
        return cache, num_tokens

    def keep(self, ids: Sequence[int], adapter: str | None, cache: DynamicCache) -> None:
        """Keep a prompt that was read; nothing may be added to its cache afterwards."""
        if len(ids) <= self._max_tokens:
            self._prompts.append(_Prompt(tuple(ids), adapter, cache))

    def forget(self, adapter: str) -> None:
        """Drop what was read with an adapter that is gone."""
        kept = [prompt for prompt in self._prompts if prompt.adapter != adapter]
        self._prompts = deque(kept, maxlen=NUM_PROMPTS)


def common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many ids two prompts begin with in common."""
    for place, (ours, theirs) in enumerate(zip(first, second, strict=False)):
        if ours != theirs:
            return place
    return min(len(first), len(second))
