"""Keys and values: of the running generations, one row each, and of the last prompts.

One step of the model serves all rows. A new prompt that begins like one of the last reads only what follows:
all prompts of a task begin with the same instructions. vLLM and TGI keep such beginnings, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache

# Room grows in these steps, so that it is rarely copied.
ROWS_STEP, TOKENS_STEP = 4, 256
# Prompts whose beginnings are kept.
NUM_PROMPTS = 8
# Copying less saves nothing.
MIN_TOKENS = 16


class SlotCache:
    """Hold a row of keys and values for every running generation, without gaps between the rows.

    It is given to a transformers model as `past_key_values`: each layer calls `update` with one new token a
    row. `begin_step` says before where in its row each token belongs.
    """

    def __init__(self) -> None:
        self._layers: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.lengths: list[int] = []
        self._rows = self._places = torch.empty(0, dtype=torch.long)
        self._width = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def add(self, prompt: DynamicCache) -> None:
        """Copy what a prompt left into a new last row."""
        length = prompt.get_seq_length()
        row = len(self.lengths)
        self._reserve(row + 1, length + 1, like=prompt)
        for (keys, values), layer in zip(self._layers, prompt.layers, strict=True):
            keys[row, :, :length] = layer.keys[0]
            values[row, :, :length] = layer.values[0]
        self.lengths.append(length)

    def remove(self, row: int) -> None:
        """Drop a row; the last one takes its place."""
        last = len(self.lengths) - 1
        length = self.lengths.pop()
        if row == last:
            return
        for keys, values in self._layers:
            keys[row, :, :length] = keys[last, :, :length]
            values[row, :, :length] = values[last, :, :length]
        self.lengths[row] = length

    def clear(self) -> None:
        """Free the memory."""
        self._layers, self.lengths = [], []

    def begin_step(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Make room for one more token a row.

        Returns:
            Positions of the new tokens, shape (rows, 1), and which cached tokens each may see, shape
            (rows, 1, 1, longest row), True for those.
        """
        self._width = max(self.lengths) + 1
        self._reserve(len(self.lengths), self._width)
        self._places = torch.tensor(self.lengths)
        self._rows = torch.arange(len(self.lengths))
        self.lengths = [length + 1 for length in self.lengths]
        positions = self._places[:, None]
        return positions, (torch.arange(self._width) <= positions)[:, None, None, :]

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_index: int, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put a layer's new keys and values, shape (rows, heads, 1, size), in their places.

        Returns:
            All of the layer's, shape (rows, heads, longest row, size).
        """
        all_keys, all_values = self._layers[layer_index]
        all_keys[self._rows, :, self._places] = keys[:, :, 0]
        all_values[self._rows, :, self._places] = values[:, :, 0]
        num_rows = len(self.lengths)
        return all_keys[:num_rows, :, : self._width], all_values[:num_rows, :, : self._width]

    def get_seq_length(self, layer_index: int = 0) -> int:
        """Return the longest row's number of tokens; models ask for it, and use the positions given."""
        return self._width - 1

    def _reserve(self, num_rows: int, num_tokens: int, *, like: DynamicCache | None = None) -> None:
        """Make room for so many rows and tokens, and keep what is there."""
        if not self._layers:
            self._layers = [
                tuple(new_room(part, num_rows, num_tokens) for part in (layer.keys, layer.values))
                for layer in like.layers
            ]
            return
        present = self._layers[0][0]
        if num_rows <= present.shape[0] and num_tokens <= present.shape[2]:
            return
        num_rows, num_tokens = max(num_rows, present.shape[0]), max(num_tokens, present.shape[2])
        used = len(self.lengths)
        for index, parts in enumerate(self._layers):
            larger = tuple(new_room(part, num_rows, num_tokens) for part in parts)
            for new, old in zip(larger, parts, strict=True):
                new[:used, :, : old.shape[2]] = old[:used]
            self._layers[index] = larger


def new_room(like: torch.Tensor, num_rows: int, num_tokens: int) -> torch.Tensor:
    """Return zeros for at least so many rows and tokens, of another tensor's heads, size and type.

    Zeros and not whatever was there: a token that must not be seen has weight 0, and 0 times NaN is NaN.
    """
    _, heads, _, size = like.shape
    rows = -(-num_rows // ROWS_STEP) * ROWS_STEP
    tokens = -(-num_tokens // TOKENS_STEP) * TOKENS_STEP
    return torch.zeros(rows, heads, tokens, size, dtype=like.dtype)


def prompt_mask(num_past: int, num_new: int) -> torch.Tensor:
    """Return which tokens each token of a prompt's next chunk may see, shape (1, 1, new, past + new)."""
    places = torch.arange(num_past, num_past + num_new)
    return (torch.arange(num_past + num_new) <= places[:, None])[None, None]


def within_window(mask: torch.Tensor, positions: Sequence[int] | torch.Tensor, window: int) -> torch.Tensor:
    """Return a mask whose tokens see only the last `window` tokens, themselves included.

    Args:
        mask: Shape (rows, 1, new, all).
        positions: Of the new tokens, shape (rows, new).
        window: At least 1.
    """
    places = torch.as_tensor(positions)[:, None, :, None]
    return mask & (torch.arange(mask.shape[-1]) > places - window)


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

    def drop(self, adapter: str) -> None:
        """Drop what was read with an adapter that is gone."""
        kept = [prompt for prompt in self._prompts if prompt.adapter != adapter]
        self._prompts = deque(kept, maxlen=NUM_PROMPTS)


def common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many ids two prompts begin with in common."""
    for place, (ours, theirs) in enumerate(zip(first, second, strict=False)):
        if ours != theirs:
            return place
    return min(len(first), len(second))
