"""The lean forward pass is taken only where it is exactly the model's own."""

from __future__ import annotations

import pytest
import torch
from tests.serve.server_process import BASE
from transformers import AutoConfig, AutoModelForCausalLM

from serve.engines.decoder import Decoder
from serve.engines.lean_forward import lean_forward

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
