"""A Llama-like model's step with less around it, where the model proves to be the same.

A small model's step is mostly overhead: of 1.5 ms for eight rows of the sample model, 0.3 ms are the
decorators and output classes around its layers. The layers, the attention and the cache stay transformers'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from transformers import DynamicCache

Forward = Callable[..., torch.Tensor]
NUM_SAMPLE_TOKENS = 6
NORM_TOLERANCE = 1e-5


def lean_forward(model: torch.nn.Module) -> Forward | None:
    """Return the lean forward pass, or None where it is not exactly the model's own.

    What a model does between its parts differs (scaled embeddings, capped logits, a mask for each kind of
    layer), so it is asked: both read a short text, twice, and all logits have to be equal.

    Args:
        model: A causal language model in evaluation mode.
    """
    inner = getattr(model, "model", None)
    parts = [getattr(inner, name, None) for name in ("embed_tokens", "rotary_emb", "layers", "norm")]
    parts.append(getattr(model, "lm_head", None))
    if None in parts:
        return None
    embed, rotary, layers, norm, head = parts

    def forward(*, input_ids, attention_mask, position_ids, past_key_values) -> torch.Tensor:
        hidden = embed(input_ids)
        rotations = rotary(hidden, position_ids=position_ids)
        for layer in layers:
            hidden = layer(
                hidden,
                attention_mask=attention_mask,
                position_embeddings=rotations,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=True,
            )
        return head(norm(hidden)[:, -1])

    return forward if _is_the_same(forward, model) else None


@torch.inference_mode()
def _is_the_same(forward: Forward, model: torch.nn.Module) -> bool:
    try:
        lean = list(_logits(forward))
    except Exception:  # whatever a model of another kind raises when it is called so
        return False
    whole = _logits(lambda **options: model(**options, use_cache=True, logits_to_keep=1).logits[:, -1])
    return all(torch.equal(ours, theirs) for ours, theirs in zip(lean, whole, strict=True))


def _logits(forward: Forward) -> Iterator[torch.Tensor]:
    """Read a few ids, then one more over the cache."""
    cache, first = DynamicCache(), 0
    for count in (NUM_SAMPLE_TOKENS, 1):
        places = torch.arange(first, first + count)
        options: dict[str, Any] = {
            "input_ids": places[None] + 1,
            "attention_mask": torch.zeros(1, 1, count, first + count).masked_fill_(
                torch.arange(first + count) > places[:, None], torch.finfo(torch.float32).min
            ),
            "position_ids": places[None],
            "past_key_values": cache,
        }
        yield forward(**options)
        first += count


def fuse_norms(model: torch.nn.Module) -> int:
    """Replace a model's RMS norms by torch's own, one operation instead of eight, where both give the same.

    Models differ in what they call an RMS norm (Gemma adds 1 to the weight), so each is asked: one that
    answers otherwise stays as it is.

    Returns:
        How many were replaced.
    """
    num_fused = 0
    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            if type(norm).__name__.endswith("RMSNorm") and (fused := _fused(norm)) is not None:
                setattr(parent, name, fused)
                num_fused += 1
    return num_fused


@torch.no_grad()
def _fused(norm: torch.nn.Module) -> torch.nn.Module | None:
    eps = getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
    weight = getattr(norm, "weight", None)
    # In other types transformers rounds between the steps, and torch does not.
    if eps is None or weight is None or weight.ndim != 1 or weight.dtype != torch.float32:
        return None
    fused = torch.nn.RMSNorm(weight.shape, eps=eps, dtype=weight.dtype)
    fused.weight = weight
    sample = torch.linspace(-3, 3, 2 * len(weight)).reshape(2, -1)
    return fused if torch.allclose(fused(sample), norm(sample), atol=NORM_TOLERANCE) else None
