"""multilingual-e5-small: texts to vectors, each text by itself, so that no other text changes its vector."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

from serve.engines.e5.packaged import PackagedE5, weights
from serve.engines.e5.unigram import Unigram

if TYPE_CHECKING:
    import numpy as np

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """Weight and bias of each part of a layer."""

    attention: Pair
    attention_out: Pair
    attention_norm: Pair
    inner: Pair
    outer: Pair
    outer_norm: Pair


class E5Encoder:
    """Compute vectors in float32 from weights that are stored in 4 bits; any number of threads may call it.

    Args:
        path: Of the packaged file.

    Attributes:
        num_dimensions: Of a vector.
        max_tokens: Of a text, those of begin and end included.

    Raises:
        UserError: The file cannot be read.
    """

    pooling = "mean"

    def __init__(self, path: Path) -> None:
        if torch.get_num_threads() != int(os.environ["OMP_NUM_THREADS"]):
            torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        model = PackagedE5(path)
        self.num_dimensions, self.max_tokens = model.hidden_size, model.max_positions
        self._num_heads, self._epsilon = model.num_heads, model.epsilon
        self._begin, self._end = model.begin_id, model.end_id
        self._texts = model.texts
        self._unigram = Unigram(model.texts, model.scores, model.characters, model.unknown_id)
        self._words = model.blocks("emb.word", model.hidden_size)  # 54 MB, of which a text reads its rows
        places = model.vector("emb.pos").reshape(-1, model.hidden_size)
        kind = model.vector("emb.type").reshape(-1, model.hidden_size)[0]
        self._places = torch.from_numpy(places + kind)
        self._norm = _norm(model, "emb.ln")
        self._layers = [_layer(model, f"l{index}.") for index in range(model.num_layers)]

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without those of begin and end."""
        return self._unigram.encode(text)

    def with_ends(self, ids: list[int]) -> list[int]:
        return [self._begin, *ids, self._end]

    def piece(self, id_: int) -> str:
        """Return the text of a token."""
        return self._texts[id_]

    def embed(self, ids: list[int]) -> np.ndarray:
        """Return the mean of a text's states, not yet of length 1.

        Args:
            ids: With begin and end, `max_tokens` at most.
        """
        with torch.inference_mode():
            words = torch.from_numpy(weights(self._words[ids]))
            state = layer_norm(words + self._places[: len(ids)], words.shape[1:], *self._norm, self._epsilon)
            for layer in self._layers:
                state = self._step(layer, state)
            return state.mean(dim=0).numpy()

    def _step(self, layer: _Layer, state: torch.Tensor) -> torch.Tensor:
        num_tokens, width = state.shape
        queries_keys_values = linear(state, *layer.attention).view(num_tokens, 3, self._num_heads, -1)
        heads = queries_keys_values.permute(1, 2, 0, 3).unsqueeze(1)  # (3, 1, num_heads, num_tokens, size)
        seen = scaled_dot_product_attention(*heads)[0].transpose(0, 1).reshape(num_tokens, width)
        state = layer_norm(
            state + linear(seen, *layer.attention_out), (width,), *layer.attention_norm, self._epsilon
        )
        inner = gelu(linear(state, *layer.inner))
        return layer_norm(state + linear(inner, *layer.outer), (width,), *layer.outer_norm, self._epsilon)


def _layer(model: PackagedE5, prefix: str) -> _Layer:
    def pair(*names: str, num_columns: int = model.hidden_size) -> Pair:
        """Return the matrices of these names below each other, and their biases."""
        matrices = [torch.from_numpy(model.matrix(f"{prefix}{name}.w", num_columns)) for name in names]
        biases = [torch.from_numpy(model.vector(f"{prefix}{name}.b")) for name in names]
        return torch.cat(matrices), torch.cat(biases)

    return _Layer(
        attention=pair("q", "k", "v"),
        attention_out=pair("ao"),
        attention_norm=_norm(model, f"{prefix}aln"),
        inner=pair("fi"),
        outer=pair("fo", num_columns=model.intermediate_size),
        outer_norm=_norm(model, f"{prefix}oln"),
    )


def _norm(model: PackagedE5, name: str) -> Pair:
    return torch.from_numpy(model.vector(f"{name}.w")), torch.from_numpy(model.vector(f"{name}.b"))
