"""How much memory a training takes on each GPU, from its recipe and the shape of its model. No torch.

Every term is counted from the model's shape; what the libraries add to them (ALLOCATOR_MIB) and the size of
the temporary tensors of a backward pass were fitted on one H100 (README.md, "Memory", has the figures). FSDP
over several GPUs was not measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

MIB = 2**20
BYTES_OF_DTYPE = {"bfloat16": 2, "float16": 2, "float32": 4}
# NF4: half a byte a weight, and a maximum for each block of 64. Source: bitsandbytes' functional.py.
NF4_BLOCK = 64
ABSMAX_BYTES_NESTED = 1 + 4 / 256  # 8 bits each, with a 32-bit one for 256 of them
ABSMAX_BYTES = 4
# Of Adam's two moments. Source: the libraries' optimizers; paged ones may move theirs to the host.
STATE_BYTES = {"adamw_torch": None, "adamw_torch_fused": None, "adamw_8bit": 2, "paged_adamw_8bit": 2}
HEAD_CHUNK_TOKENS = 256  # scored together by TRL's chunked cross-entropy
# The CUDA context and kernels of torch, cuBLAS and bitsandbytes (about 0.6 GiB), and what torch's allocator
# holds without using it: 1.6 to 1.9 GiB were seen at 6 to 22 GiB in use.
ALLOCATOR_MIB = 1800.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What of a decoder's config.json decides its memory.

    Args:
        hidden: hidden_size.
        intermediate: intermediate_size of the gated MLP.
        layers: num_hidden_layers.
        heads: num_attention_heads.
        key_value_heads: num_key_value_heads.
        head_size: Values of a head.
        vocabulary: vocab_size.
        is_tied: Whether input and output embeddings are one matrix.
    """

    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    head_size: int
    vocabulary: int
    is_tied: bool

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Shape:
        """Read a config.json; of a model that also sees, the text part.

        Raises:
            KeyError: It is no decoder with the usual names.
        """
        config = {**config, **config.get("text_config", {})}
        heads = config["num_attention_heads"]
        return cls(
            hidden=config["hidden_size"],
            intermediate=config["intermediate_size"],
            layers=config["num_hidden_layers"],
            heads=heads,
            key_value_heads=config.get("num_key_value_heads") or heads,
            head_size=config.get("head_dim") or config["hidden_size"] // heads,
            vocabulary=config["vocab_size"],
            is_tied=bool(config.get("tie_word_embeddings", False)),
        )

    @classmethod
    def of_model(cls, model: Path) -> Shape:
        """Read the config.json of a folder, or that file."""
        path = model / "config.json" if model.is_dir() else model
        return cls.of_config(json.loads(path.read_text(encoding="utf-8")))

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """(in, out) of the linear layers of one decoder layer: q, k, v, o, gate, up, down."""
        queries, keys = self.heads * self.head_size, self.key_value_heads * self.head_size
        wide = self.intermediate
        return (
            *((self.hidden, queries), (self.hidden, keys), (self.hidden, keys), (queries, self.hidden)),
            *((self.hidden, wide), (self.hidden, wide), (wide, self.hidden)),
        )

    @property
    def layer_weights(self) -> int:
        return sum(rows * columns for rows, columns in self.linears)

    @property
    def embedding_weights(self) -> int:
        return self.vocabulary * self.hidden * (1 if self.is_tied else 2)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Memory of one GPU in MiB, term by term.

    Args:
        weights: The base, and with FSDP this GPU's share of it.
        gathered: With FSDP, what is whole for a while: two decoder layers, and the embeddings.
        adapter: Its weights, their gradients and the optimizer's state.
        activations: Kept for the backward pass.
        working: The largest temporary tensors: a layer that is computed again, a dequantised matrix, or the
            scores of the head.
        libraries: CUDA, kernels, and what the allocator holds without using it.
    """

    weights: float
    gathered: float
    adapter: float
    activations: float
    working: float
    libraries: float

    @property
    def allocated(self) -> float:
        """What torch counts as allocated at its peak (torch.cuda.max_memory_allocated)."""
        return self.total - self.libraries

    @property
    def total(self) -> float:
        """What nvidia-smi shows at its peak."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, kw_only=True)
class Load:
    """What of a recipe decides memory.

    Args:
        rows: per_device_train_batch_size.
        tokens: Longest row.
        rank: lora_r.
        has_dropout: Whether lora_dropout is above 0: it keeps a mask of every input.
        is_4bit: load_in_4bit.
        is_nested: use_bnb_nested_quant.
        value_bytes: Of one value of dtype.
        optimizer: optim.
        checkpoints_activations: activation_checkpointing.
        num_shards: GPUs that FSDP shards over, 1 without it.
        scored_tokens: Of a row: the summary's.
    """

    rows: int
    tokens: int
    rank: int = 16
    has_dropout: bool = True
    is_4bit: bool = True
    is_nested: bool = True
    value_bytes: int = 2
    optimizer: str = "adamw_torch_fused"
    checkpoints_activations: bool = True
    num_shards: int = 1
    scored_tokens: int = 160

    @classmethod
    def of_recipe(cls, recipe: Mapping[str, Any], *, num_gpus: int) -> Load:
        """Read a recipe; every row counts as long as the longest that it allows."""
        checkpoints = recipe.get("activation_checkpointing", recipe.get("gradient_checkpointing", False))
        return cls(
            rows=recipe.get("per_device_train_batch_size", 8),
            tokens=recipe.get("max_seq_tokens") or 2048,
            rank=recipe.get("lora_r", 16),
            has_dropout=recipe.get("lora_dropout", 0.05) > 0,
            is_4bit=bool(recipe.get("load_in_4bit", False)),
            is_nested=bool(recipe.get("use_bnb_nested_quant", False)),
            value_bytes=BYTES_OF_DTYPE.get(str(recipe.get("dtype", "float32")), 4),
            optimizer=str(recipe.get("optim", "adamw_torch_fused")),
            checkpoints_activations=bool(checkpoints),
            num_shards=num_gpus if recipe.get("fsdp") else 1,
        )


def estimate(shape: Shape, load: Load) -> Estimate:
    """Return the peak of one GPU's memory."""
    value, num_tokens = load.value_bytes, load.rows * load.tokens
    layer_activations = _activations_of_layer(shape, load) * num_tokens
    kept = shape.layers * (
        shape.hidden * value * num_tokens if load.checkpoints_activations else layer_activations
    )
    backward = 2 * shape.intermediate * value * num_tokens  # the gradients of the MLP's two wide tensors
    again = layer_activations if load.checkpoints_activations else 0
    dequantised = max(rows * columns for rows, columns in shape.linears) * value if load.is_4bit else 0
    scored = min(load.rows * load.scored_tokens, HEAD_CHUNK_TOKENS)
    head = scored * shape.vocabulary * (value + 4 + 4)  # scores, in 32 bits, and their gradient
    weights, gathered = _weights(shape, load)
    return Estimate(
        weights=weights / MIB,
        gathered=gathered / MIB,
        adapter=_adapter(shape, load) / MIB,
        activations=kept / MIB,
        working=max(again + backward + dequantised, head) / MIB,
        libraries=ALLOCATOR_MIB,
    )


def _activations_of_layer(shape: Shape, load: Load) -> float:
    """Return the bytes a token that autograd keeps of one decoder layer.

    Of a linear layer with an adapter its input (after dropout, with a mask of one byte a value); nothing of
    the frozen one. Of the gated MLP the input of the activation function and both factors. Of each of the two
    norms its input in 32 bits. Of attention the queries, keys, values and the result.
    """
    value = load.value_bytes
    inputs = sum(rows for rows, _ in shape.linears) * (value + (1 if load.has_dropout else 0))
    mlp = 3 * shape.intermediate * value
    norms = 2 * shape.hidden * 4
    attention = 2 * (shape.heads + shape.key_value_heads) * shape.head_size * value
    return inputs + mlp + norms + attention


def _weights(shape: Shape, load: Load) -> tuple[float, float]:
    """Return bytes of the base on one GPU, and of what FSDP gathers."""
    absmax = 0.0
    per_weight: float = load.value_bytes
    if load.is_4bit:
        per_weight = 0.5
        absmax = (ABSMAX_BYTES_NESTED if load.is_nested else ABSMAX_BYTES) / NF4_BLOCK  # not sharded
    layers = shape.layers * shape.layer_weights
    embeddings = shape.embedding_weights * load.value_bytes
    weights = layers * absmax + (layers * per_weight + embeddings) / load.num_shards
    is_sharded = load.num_shards > 1
    gathered = 2 * shape.layer_weights * per_weight + embeddings if is_sharded else 0.0
    return weights, gathered


def _adapter(shape: Shape, load: Load) -> float:
    """Return bytes of an adapter on every linear layer: weights, gradients, and the optimizer's moments."""
    num = shape.layers * load.rank * sum(rows + columns for rows, columns in shape.linears)
    state = STATE_BYTES.get(load.optimizer)
    moments = 2 * load.value_bytes if state is None else state
    return num * (2 * load.value_bytes + moments) / load.num_shards


def ways_to_save(shape: Shape, load: Load) -> list[tuple[str, float]]:
    """Return what to change in a recipe to need less, and how many MiB each change saves, most first.

    Only changes that leave the result as it is come before those that change what is learnt.
    """
    now = estimate(shape, load).total

    def saved(**changes: Any) -> float:
        return now - estimate(shape, replace(load, **changes)).total

    same: list[tuple[str, float]] = []
    if not load.checkpoints_activations:
        same.append(("activation_checkpointing: true", saved(checkpoints_activations=True)))
    if load.rows > 1:
        half = load.rows // 2
        text = f"per_device_train_batch_size: {half}, and gradient_accumulation_steps raised as much"
        same.append((text, saved(rows=half)))
    if not load.is_4bit:
        same.append(("load_in_4bit: true", saved(is_4bit=True)))
    other: list[tuple[str, float]] = []
    if load.tokens > 512:
        text = f"max_seq_tokens: {load.tokens // 2}, and shorter articles from notebook 01"
        other.append((text, saved(tokens=load.tokens // 2)))
    if load.rank > 8:
        other.append((f"lora_r: {load.rank // 2}", saved(rank=load.rank // 2)))
    ranked = [sorted(group, key=lambda way: -way[1]) for group in (same, other)]
    return [way for group in ranked for way in group if way[1] > 0]
