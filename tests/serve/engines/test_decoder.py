"""Other architectures than Llama, and LoRA adapters, in one batch: each row is what it is alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tests.serve.server_process import BASE
from transformers import AutoConfig, AutoModelForCausalLM

from processes.errors import UserError
from serve.engine import Sampling
from serve.engines.decoder import Decoder
from serve.engines.transformers import TransformersEngine
from serve.text import TextCodec

SIZES = {
    "vocab_size": 2048,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
}
# A window of 16 tokens, so that prompts are longer than it.
ARCHITECTURES = {
    "qwen3": {},
    "gemma3_text": {"sliding_window": 16, "sliding_window_pattern": 2, "tie_word_embeddings": False},
    "exaone4": {"sliding_window": 16, "sliding_window_pattern": 2},
    "mistral": {"sliding_window": 16},
}
PROMPTS = [[5, 6, 7], list(range(100, 160)), list(range(40, 70)), [9, 900, 90]]


def answers(engine: TransformersEngine, adapters: Sequence[str | None] = (None,)) -> list[list[int]]:
    """Return what the engine generates for every prompt, all at once."""

    async def one(ids: list[int], adapter: str | None) -> list[int]:
        generation = engine.submit(ids, Sampling(max_new_tokens=24), adapter)
        return [token.id async for token in generation]

    async def run() -> list[list[int]]:
        return await asyncio.gather(*(one(ids, adapter) for adapter in adapters for ids in PROMPTS))

    return asyncio.run(run())


def generated(model: torch.nn.Module, ids: list[int]) -> list[int]:
    output = model.generate(
        input_ids=torch.tensor([ids]), do_sample=False, max_new_tokens=24, eos_token_id=None
    )
    return output[0, len(ids) :].tolist()


@pytest.mark.parametrize("model_type", ARCHITECTURES)
def test_another_architecture_generates_what_its_generate_does(
    model_type: str, tmp_path: Path, codec: TextCodec
) -> None:
    torch.manual_seed(1)
    config = AutoConfig.for_model(model_type, **SIZES, **ARCHITECTURES[model_type], initializer_range=0.3)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    model.save_pretrained(tmp_path)
    endless = TextCodec(codec._tokenizer, bos_id=0, eos_ids=frozenset())
    engine = TransformersEngine(tmp_path, endless)
    found = answers(engine)
    engine.close()
    assert found == [generated(model, ids) for ids in PROMPTS]
    assert len({id_ for ids in found for id_ in ids}) > 20, "a model that repeats itself shows nothing"


def test_a_model_without_attention_is_refused(tmp_path: Path) -> None:
    experts = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 64}
    sizes = {"linear_num_key_heads": 2, "linear_num_value_heads": 2, "shared_expert_intermediate_size": 64}
    config = AutoConfig.for_model("qwen3_next", **SIZES, **experts, **sizes)
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="linear_attention"):
        Decoder(tmp_path, dtype="float32", adapters={})


@pytest.fixture(scope="module")
def adapter_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two random adapters of different rank for the shipped model."""
    folders = {}
    for number, rank in enumerate((4, 8)):
        torch.manual_seed(number)
        model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
        wrapped = get_peft_model(
            model, LoraConfig(r=rank, target_modules="all-linear", init_lora_weights=False)
        )
        folders[f"adapter-{rank}"] = tmp_path_factory.mktemp(f"adapter-{rank}")
        wrapped.save_pretrained(folders[f"adapter-{rank}"])
    return folders


def test_rows_with_different_adapters_share_a_batch(adapter_dirs: dict[str, Path], codec: TextCodec) -> None:
    endless = TextCodec(codec._tokenizer, bos_id=0, eos_ids=frozenset())
    engine = TransformersEngine(BASE, endless, adapters=adapter_dirs)
    assert engine.adapters == tuple(adapter_dirs)
    found = answers(engine, [None, *adapter_dirs])
    engine.close()
    expected = []
    for folder in (None, *adapter_dirs.values()):
        model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()
        model = PeftModel.from_pretrained(model, folder).eval() if folder else model
        expected += [generated(model, ids) for ids in PROMPTS]
    assert found == expected
    assert found[: len(PROMPTS)] != found[len(PROMPTS) : 2 * len(PROMPTS)] != found[2 * len(PROMPTS) :]


@pytest.mark.parametrize("damage", ["no folder", "no weights", "of another model"])
def test_an_adapter_that_cannot_be_loaded_is_named(
    damage: str, adapter_dirs: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    if damage != "no folder":
        folder.mkdir()
        source = adapter_dirs["adapter-4"]
        config = json.loads((source / "adapter_config.json").read_text())
        if damage == "of another model":
            config["r"] = 32
            (folder / "adapter_model.safetensors").write_bytes(
                (source / "adapter_model.safetensors").read_bytes()
            )
        (folder / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"the adapter news in .*\nexpected  a folder with adapter_config"):
        Decoder(BASE, dtype="float32", adapters={"news": folder})
