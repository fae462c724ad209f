"""A transformers model as an engine needs it: chunks of prompts, and one token for every row of a batch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Before torch is imported, which reads it once. Two threads on two busy cores were slower than one, by four.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.utils import logging as transformers_logging

from processes.errors import UserError
from serve.engines.cache import SlotCache, prompt_mask, within_window
from serve.engines.lean_forward import fuse_norms, lean_forward

BASE = "__base__"  # peft's name for "no adapter"
KNOWN_LAYERS = {"full_attention", "sliding_attention"}


class Decoder:
    """Run a causal language model over key-value caches.

    Args:
        model_dir: Folder of the model.
        dtype: "float32", "bfloat16", "float16", or "auto" for the one it is stored in.
        adapters: Name -> folder of LoRA adapters that rows may choose.

    Raises:
        UserError: It has layers of another kind than attention, or an adapter cannot be loaded.
        OSError, ValueError, RuntimeError: The weights cannot be loaded.
    """

    def __init__(self, model_dir: Path, *, dtype: str, adapters: Mapping[str, Path]) -> None:
        transformers_logging.disable_progress_bar()
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        model = AutoModelForCausalLM.from_pretrained(
            model_dir, dtype=dtype if dtype == "auto" else getattr(torch, dtype), local_files_only=True
        ).eval()
        fuse_norms(model)
        config = model.config.get_text_config()
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        if not kinds <= KNOWN_LAYERS:
            raise UserError(
                found=f"a model with layers of the kind {', '.join(sorted(kinds - KNOWN_LAYERS))}",
                expected=f"a decoder whose layers are {' or '.join(sorted(KNOWN_LAYERS))}",
                next_step="serve it with the container of its engine, on a GPU",
            )
        num_layers = config.num_hidden_layers
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.bytes_per_token = 2 * num_layers * heads * head_size * model.dtype.itemsize
        self._window = getattr(config, "sliding_window", None)
        # Models with layers of both kinds take a mask for each; others take one.
        self._mask_by_kind = "sliding_attention" in kinds
        self._dtype = model.dtype
        self._model, self._adapters = model, set()
        self._lean = self._lean_forward()
        for name, folder in adapters.items():
            self.add_adapter(name, folder)

    def add_adapter(self, name: str, folder: Path) -> None:
        """Put a LoRA adapter beside the weights; running rows stay as they are.

        Raises:
            UserError: The folder holds no adapter for this model.
        """
        self._model = with_adapter(self._model, name, folder)
        self._adapters.add(name)
        self._lean = None  # adapters need the model's own forward pass

    def remove_adapter(self, name: str) -> None:
        """Take an adapter away that no row uses."""
        self._model.delete_adapter(name)
        self._adapters.remove(name)
        if not self._adapters:
            self._model = self._model.unload()
            self._lean = self._lean_forward()

    def _lean_forward(self) -> Callable[..., torch.Tensor] | None:
        """Return the lean forward pass; masks by kind of layer need the model's own."""
        is_plain = self._dtype == torch.float32 and not self._window
        return lean_forward(self._model) if is_plain else None

    def prefill(self, cache: DynamicCache, ids: Sequence[int], adapter: str | None) -> torch.Tensor:
        """Read the next chunk of a prompt.

        Returns:
            Logits after its last token in float32, shape (1, vocabulary).
        """
        num_past = cache.get_seq_length() if len(cache.layers) else 0
        positions = torch.arange(num_past, num_past + len(ids))[None]
        mask = prompt_mask(num_past, len(ids))
        return self._logits(torch.tensor([ids]), positions, mask, cache, [adapter])

    def decode(self, cache: SlotCache, ids: Sequence[int], adapters: Sequence[str | None]) -> torch.Tensor:
        """Read one token a row.

        Returns:
            Logits after it in float32, shape (rows, vocabulary).
        """
        positions, mask = cache.begin_step()
        return self._logits(torch.tensor(ids)[:, None], positions, mask, cache, adapters)

    def _logits(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor,
        cache: DynamicCache | SlotCache,
        adapters: Sequence[str | None],
    ) -> torch.Tensor:
        options: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": self._masks(mask, positions),
            "position_ids": positions,
            "past_key_values": cache,
        }
        if self._lean is not None:
            return self._lean(**options)
        if self._adapters:
            options["adapter_names"] = [adapter or BASE for adapter in adapters]
        output = self._model(**options, use_cache=True, logits_to_keep=1)
        return output.logits[:, -1].to(torch.float32, copy=True)

    def _masks(self, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        if not self._window:
            return self._additive(mask)
        windowed = self._additive(within_window(mask, positions, self._window))
        if not self._mask_by_kind:
            return windowed
        return {"full_attention": self._additive(mask), "sliding_attention": windowed}

    def _additive(self, mask: torch.Tensor) -> torch.Tensor:
        """Write a mask as numbers to add, which every attention implementation understands."""
        hidden = torch.finfo(self._dtype).min
        return torch.zeros(mask.shape, dtype=self._dtype).masked_fill_(~mask, hidden)


def peft_model_class() -> type[torch.nn.Module]:
    """Return PEFT's class; its import takes a second, from any thread."""
    if sys.modules.get("accelerate", False) is None:  # hidden where no adapter is asked for
        del sys.modules["accelerate"]
    from peft import PeftModel

    return PeftModel


def with_adapter(model: torch.nn.Module, name: str, folder: Path) -> torch.nn.Module:
    """Put a LoRA adapter beside a model's weights; `adapter_names` of a call chooses one for each row.

    Source: PEFT 0.21, "Inference with different LoRA adapters in the same batch".

    Raises:
        UserError: A folder holds no adapter for this model.
    """
    peft_model = peft_model_class()
    is_first = not isinstance(model, peft_model)
    try:
        if is_first:
            model = peft_model.from_pretrained(model, folder, adapter_name=name, local_files_only=True)
        else:
            model.load_adapter(folder, adapter_name=name, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        if is_first:
            remove_adapter_layers(model)
        elif name in model.peft_config:
            model.delete_adapter(name)
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            found=f"the adapter {name} in {folder}, which cannot be loaded: {reason:.300}",
            expected="a folder with adapter_config.json and adapter_model.safetensors for this model",
            next_step="correct LORA_ADAPTERS (NAME=FOLDER); training leaves the adapter in MODEL/adapter",
        ) from error
    return model.eval()


def remove_adapter_layers(model: torch.nn.Module) -> None:
    """Put a model's own layers back where PEFT put its own around them before it failed."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BaseTunerLayer):
                setattr(parent, name, child.get_base_layer())
