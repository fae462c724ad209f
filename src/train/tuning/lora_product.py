"""LoRA on CPUs with one product instead of three: tokens meet W + s·B·A, not W, A and B one after the other.

peft multiplies the tokens by W, A and B, scales as many numbers as the layer puts out and adds as many. Each
of these passes goes through all tokens; putting the small matrices together first goes through none. The sum
exists for the length of a product: the base stays frozen, sharded and in 4 bits, and the backward pass puts
it together again. tests/train/test_lora_product.py proves values and gradients equal to peft's.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer


def use_one_product(model: PeftModel) -> int:
    """Let the LoRA layers of a model compute in one product where that is the same; return how many do.

    It is not the same with dropout (A's tokens are not W's), with DoRA and other variants, with a bias in the
    adapter, with several adapters, or when the adapter has another dtype than the base computes in.
    """
    from peft.tuners.lora import LoraLayer

    layers = [layer for layer in model.modules() if isinstance(layer, LoraLayer) and _is_plain(layer)]
    for layer in layers:
        layer.forward = functools.partial(_forward, layer)
    return len(layers)


def _is_plain(layer: LoraLayer) -> bool:
    from bitsandbytes.nn import Linear4bit

    if len(layer.lora_A) != 1 or type(layer.base_layer) not in (torch.nn.Linear, Linear4bit):
        return False
    (name,) = layer.lora_A
    lora_a, lora_b = layer.lora_A[name], layer.lora_B[name]
    return (
        name not in layer.lora_variant
        and isinstance(layer.lora_dropout[name], torch.nn.Identity)
        and lora_b.bias is None
        and layer.base_layer.weight.dtype == lora_a.weight.dtype == lora_b.weight.dtype == torch.float32
    )


def _forward(layer: LoraLayer, tokens: torch.Tensor) -> torch.Tensor:
    if layer.disable_adapters or layer.merged or tokens.dtype != torch.float32:
        return type(layer).forward(layer, tokens)
    (name,) = layer.lora_A
    product = _Product.apply(
        tokens,
        layer.lora_A[name].weight,
        layer.lora_B[name].weight,
        layer.scaling[name],
        layer.base_layer.weight,
        getattr(layer.base_layer, "quant_state", None),
    )
    return product if layer.base_layer.bias is None else product + layer.base_layer.bias


class _Product(torch.autograd.Function):
    """tokens · (W + s·B·A)ᵀ, with gradients for the tokens, A and B."""

    @staticmethod
    def forward(ctx, tokens, lora_a, lora_b, scaling, weight, quant_state):
        """Return (..., num_out) of tokens (..., num_in), A (rank, num_in) and B (num_out, rank)."""
        ctx.save_for_backward(tokens, lora_a, lora_b, weight)
        ctx.scaling, ctx.quant_state = scaling, quant_state
        return torch.nn.functional.linear(tokens, _sum(lora_a, lora_b, scaling, weight, quant_state))

    @staticmethod
    def backward(ctx, gradient):
        """Return the gradients of tokens, A and B; W has none."""
        tokens, lora_a, lora_b, weight = ctx.saved_tensors
        grad_tokens = grad_a = grad_b = None
        if ctx.needs_input_grad[0]:
            grad_tokens = gradient @ _sum(lora_a, lora_b, ctx.scaling, weight, ctx.quant_state)
        if ctx.needs_input_grad[1]:
            rows, gradients = tokens.flatten(0, -2), gradient.flatten(0, -2)
            grad_a = ((gradients @ lora_b).T @ rows) * ctx.scaling
            grad_b = (gradients.T @ (rows @ lora_a.T)) * ctx.scaling
        return grad_tokens, grad_a, grad_b, None, None, None


def _sum(lora_a, lora_b, scaling, weight, quant_state) -> torch.Tensor:
    """Return W + s·B·A, (num_out, num_in)."""
    if quant_state is None:
        return torch.addmm(weight, lora_b, lora_a, alpha=scaling)
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(weight.view(-1, 1), quant_state).addmm_(lora_b, lora_a, alpha=scaling)
