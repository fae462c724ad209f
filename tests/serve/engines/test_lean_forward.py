"""The lean forward pass is taken only where it is exactly the model's own, and so is a fused norm."""

from __future__ import annotations

import pytest
import torch
from tests.serve.server_process import BASE
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from serve.engines.decoder import Decoder
from serve.engines.lean_forward import fuse_norms, lean_forward

SIZES = {
    "vocab_size": 64,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}


def random_model(model_type: str, **options) -> torch.nn.Module:
    torch.manual_seed(1)
    config = AutoConfig.for_model(model_type, **SIZES, **options)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def test_the_sample_model_has_it() -> None:
    assert Decoder(BASE, dtype="float32", adapters={})._lean is not None


@pytest.mark.parametrize(("model_type", "is_lean"), [("llama", True), ("granite", False), ("cohere", False)])
def test_a_model_that_does_more_between_its_parts_keeps_its_own(model_type: str, is_lean: bool) -> None:
    """Granite scales embeddings and logits, Cohere the logits."""
    options = {"embedding_multiplier": 3.0, "logits_scaling": 2.0} if model_type == "granite" else {}
    assert (lean_forward(random_model(model_type, **options)) is not None) == is_lean


def test_a_model_with_other_parts_keeps_its_own() -> None:
    assert lean_forward(random_model("gpt_neox")) is None


class NormModel(torch.nn.Module):
    def __init__(self, norm: torch.nn.Module) -> None:
        super().__init__()
        self.inner = torch.nn.Sequential(norm)


def test_llamas_norm_is_replaced_and_gives_the_same() -> None:
    norm = LlamaRMSNorm(64, eps=1e-5)
    torch.nn.init.normal_(norm.weight)
    model = NormModel(norm)
    assert fuse_norms(model) == 1
    hidden = torch.randn(3, 5, 64)
    assert torch.allclose(model.inner(hidden), norm(hidden), atol=1e-6)
    assert type(model.inner[0]) is torch.nn.RMSNorm


@pytest.mark.parametrize("kind", ["gemma", "bfloat16"])
def test_another_norm_stays(kind: str) -> None:
    norm = Gemma3RMSNorm(64) if kind == "gemma" else LlamaRMSNorm(64).to(torch.bfloat16)
    torch.nn.init.normal_(norm.weight)
    model = NormModel(norm)
    assert fuse_norms(model) == 0
    assert model.inner[0] is norm
