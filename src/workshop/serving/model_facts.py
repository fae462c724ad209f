"""What a deployment has to know of a model: its shape, its size, its tokenizer, its adapter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workshop.errors import WorkshopError
from workshop.serving.engines import ENGINES

BYTES_OF_BF16 = 2
# Bytes a weight of a linear layer has after quantization; embeddings, norms and the output layer stay bf16.
# nf4 and fp4: 4 bits and a scale for each 64 weights (bitsandbytes, absmax in fp32). "bitsandbytes" alone has
# as many bits as the engine says.
_BYTES_OF_4_BIT = 0.5 + 4 / 64
BYTES_PER_WEIGHT = {
    "none": BYTES_OF_BF16,
    "bitsandbytes-nf4": _BYTES_OF_4_BIT,
    "bitsandbytes-fp4": _BYTES_OF_4_BIT,
    "eetq": 1.0,
    "fp8": 1.0,
    "int8": 1.0,
}


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """Hold what the files of a Llama-like model say.

    Args:
        config: config.json.
        tokenizer_config: tokenizer_config.json; empty when there is none.
        adapter_config: adapter_config.json; empty when there is none.
    """

    config: Mapping[str, Any]
    tokenizer_config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    adapter_config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of_folder(cls, model_dir: Path) -> ModelFacts:
        """Read them from a model's folder; the adapter from `adapter/` inside.

        Raises:
            WorkshopError: No config.json, or a file that is not JSON.
        """
        model_dir = Path(model_dir)
        config = _read(model_dir / "config.json")
        if not config:
            raise WorkshopError(
                found=f"no config.json in {model_dir}",
                expected="a folder with a model",
                next_step="run the notebook 02-Train-Local-KR-News",
            )
        return cls(
            config=config,
            tokenizer_config=_read(model_dir / "tokenizer_config.json"),
            adapter_config=_read(model_dir / "adapter" / "adapter_config.json"),
        )

    @property
    def max_positions(self) -> int:
        return self.config["max_position_embeddings"]

    @property
    def num_heads(self) -> int:
        return self.config["num_attention_heads"]

    @property
    def num_kv_heads(self) -> int:
        return self.config.get("num_key_value_heads") or self.num_heads

    @property
    def head_dim(self) -> int:
        return self.config.get("head_dim") or self.config["hidden_size"] // self.num_heads

    @property
    def adapter_rank(self) -> int | None:
        return self.adapter_config.get("r")

    @property
    def num_linear_weights(self) -> int:
        """Weights of the layers' matrices, which quantization shrinks."""
        hidden, width = self.config["hidden_size"], self.config["intermediate_size"]
        attention = hidden * self.head_dim * 2 * (self.num_heads + self.num_kv_heads)
        return self.config["num_hidden_layers"] * (attention + 3 * hidden * width)

    @property
    def num_other_weights(self) -> int:
        """Weights of embeddings, output layer and norms."""
        hidden, num_layers = self.config["hidden_size"], self.config["num_hidden_layers"]
        num_tables = 1 if self.config.get("tie_word_embeddings") else 2
        return num_tables * self.config["vocab_size"] * hidden + (2 * num_layers + 1) * hidden

    def weight_bytes(self, engine: str, quantization: str = "none") -> float:
        """Return what the weights take in memory.

        Args:
            engine: A name of ENGINES.
            quantization: As in the settings.
        """
        per_weight = BYTES_PER_WEIGHT.get(quantization)
        if quantization == "bitsandbytes":
            per_weight = 1.0 if ENGINES[engine].bitsandbytes_bits == 8 else _BYTES_OF_4_BIT
        assert per_weight is not None, quantization
        return self.num_linear_weights * per_weight + self.num_other_weights * BYTES_OF_BF16

    def kv_cache_bytes(self, num_tokens: int, *, value_bytes: int = BYTES_OF_BF16) -> int:
        """Return what the keys and values of so many tokens take in memory."""
        per_token = 2 * self.config["num_hidden_layers"] * self.num_kv_heads * self.head_dim * value_bytes
        return per_token * num_tokens


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as problem:
        raise WorkshopError(
            found=f"{path}, which is not JSON ({problem})",
            expected="the file that training has written",
            next_step="run the notebook 02-Train-Local-KR-News again",
        ) from None
