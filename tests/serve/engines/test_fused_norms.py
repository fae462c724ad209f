"""A norm is replaced only by one that gives the same."""

from __future__ import annotations

import pytest
import torch
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from serve.engines.fused_norms import fuse_norms


class Model(torch.nn.Module):
    def __init__(self, norm: torch.nn.Module) -> None:
        super().__init__()
        self.inner = torch.nn.Sequential(norm)


def test_llamas_norm_is_replaced_and_gives_the_same() -> None:
    norm = LlamaRMSNorm(64, eps=1e-5)
    torch.nn.init.normal_(norm.weight)
    model = Model(norm)
    assert fuse_norms(model) == 1
    hidden = torch.randn(3, 5, 64)
    assert torch.allclose(model.inner(hidden), norm(hidden), atol=1e-6)
    assert type(model.inner[0]) is torch.nn.RMSNorm


@pytest.mark.parametrize("kind", ["gemma", "bfloat16"])
def test_another_norm_stays(kind: str) -> None:
    norm = Gemma3RMSNorm(64) if kind == "gemma" else LlamaRMSNorm(64).to(torch.bfloat16)
    torch.nn.init.normal_(norm.weight)
    model = Model(norm)
    assert fuse_norms(model) == 0
    assert model.inner[0] is norm
