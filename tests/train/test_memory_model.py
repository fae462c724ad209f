"""The memory model against measurements, published anchors, and the libraries' own counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from tests.train.conftest import BASE, HANG_S, REPO, TRAIN

from tuning.memory_model import MIB, Load, Shape, estimate, ways_to_save

GIB = 1024
LLAMA_3_8B = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
SHAPE = Shape.of_config(LLAMA_3_8B)
ONE_GPU = Load(rows=2, tokens=2048, optimizer="paged_adamw_8bit", scored_tokens=120)
ALL = {"checkpoints_activations": False}
# What tests/benchmarks/gpu_recipe.py printed on an H100 in November 2026: MiB that torch had allocated, and
# that nvidia-smi showed.
MEASURED = [
    ({}, 7924, 9833),
    ({"tokens": 512}, 6278, 7941),
    ({"tokens": 512, "rank": 32, **ALL}, 13808, 15643),
    ({"rows": 1, **ALL}, 21786, 23647),
    ({"rows": 4, "tokens": 1024}, 7924, 9799),
    ({"rows": 8}, 14816, 17515),
]


@pytest.mark.parametrize(("changes", "allocated_mib", "shown_mib"), MEASURED)
def test_the_measured_peaks_are_met_within_15_percent(
    changes: dict, allocated_mib: int, shown_mib: int
) -> None:
    memory = estimate(SHAPE, replace(ONE_GPU, **changes))
    assert memory.allocated == pytest.approx(allocated_mib, rel=0.15)
    assert memory.total == pytest.approx(shown_mib, rel=0.15)


def test_published_runs_are_met_within_25_percent() -> None:
    # litgpt: Llama-3-8B QLoRA on one A10G, 512 tokens, 2 rows, rank 32: 17.41 GB.
    litgpt = estimate(SHAPE, replace(ONE_GPU, tokens=512, rank=32, optimizer="adamw_torch", **ALL))
    assert litgpt.allocated * MIB / 1e9 == pytest.approx(17.41, rel=0.25)
    # torchtune: Llama-3.1-8B QLoRA on one RTX 4090, 2 rows packed to 2,048 tokens: 7.4 GiB.
    torchtune = estimate(SHAPE, replace(ONE_GPU, rank=8, optimizer="adamw_torch"))
    assert torchtune.allocated / GIB == pytest.approx(7.4, rel=0.25)


def test_the_weights_are_those_of_the_real_architecture() -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**LLAMA_3_8B))
    real = {name: parameter.numel() for name, parameter in model.named_parameters()}
    norms = sum(number for name, number in real.items() if "norm" in name)
    ours = SHAPE.layers * SHAPE.layer_weights + SHAPE.embedding_weights
    assert ours == sum(real.values()) - norms


def test_the_adapter_has_the_weights_that_peft_gives_it() -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    shape = Shape.of_model(BASE)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(BASE))
    tuned = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear"))
    trainable, _ = tuned.get_nb_trainable_parameters()
    load = Load(rows=1, tokens=64, rank=8, value_bytes=4, optimizer="adamw_torch")
    assert estimate(shape, load).adapter * MIB == pytest.approx(trainable * (4 + 4 + 8))


def test_sharding_takes_a_share_of_the_weights_and_gathers_a_layer() -> None:
    one, four = estimate(SHAPE, ONE_GPU), estimate(SHAPE, replace(ONE_GPU, num_shards=4))
    assert one.gathered == 0
    assert one.weights / 4 < four.weights < one.weights / 3
    assert four.gathered > 0
    assert four.activations == one.activations


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        (ALL, "activation_checkpointing: true"),
        ({"rows": 8}, "per_device_train_batch_size: 4"),
        ({"is_4bit": False}, "load_in_4bit: true"),
        ({"rows": 1}, "max_seq_tokens: 1024"),
    ],
)
def test_what_saves_most_and_changes_nothing_comes_first(changes: dict, advice: str) -> None:
    load = replace(ONE_GPU, **changes)
    ways = ways_to_save(SHAPE, load)
    assert ways[0][0].startswith(advice)
    assert all(mib > 0 for _, mib in ways)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TRAIN.with_name("estimate_memory.py")), *words],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def model_file(folder: Path) -> str:
    (folder / "config.json").write_text(json.dumps(LLAMA_3_8B))
    return str(folder)


def test_every_recipe_fits_on_its_machine(tmp_path: Path) -> None:
    num_gpus = {"4xlarge": 1, "12xlarge": 4, "48xlarge": 8}
    recipes = sorted((REPO / "src/train/recipes").glob("llama3-8b-*.yaml"))
    assert len(recipes) >= 6
    for recipe in recipes:
        size = recipe.stem.removesuffix("-debug").rsplit("-", 1)[1]
        number = 8 if "p4d" in recipe.stem or "-2x-" in recipe.stem else num_gpus[size]
        load = Load.of_recipe(yaml.safe_load(recipe.read_text()), num_gpus=number)
        assert estimate(SHAPE, load).total / GIB < 22.5, recipe.name


def test_the_command_says_whether_it_fits_and_what_to_lower(tmp_path: Path) -> None:
    words = ("--config", "llama3-8b-qlora-g5-4xlarge.yaml", "--model", model_file(tmp_path))
    gpu = ("--num_gpus", "1", "--gpu_memory_gib", "22.5")
    fits = run(*words, *gpu)
    assert (fits.returncode, fits.stderr) == (0, "")
    assert fits.stdout.splitlines()[-1].endswith("at once: fits")
    large = run(*words, *gpu, "--per_device_train_batch_size", "64", "--json")
    assert large.returncode == 1
    result = json.loads(large.stdout)
    assert not result["fits"]
    assert result["total_gib"] > 22.5
    assert result["ways_to_save"][0][0].startswith("per_device_train_batch_size: 32")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--config", "no-such.yaml", "--model", str(BASE)), "no recipe 'no-such.yaml'"),
        (("--config", "sample.yaml", "--model", "no-such-model"), "no-such-model"),
        (("--config", "sample.yaml", "--model", str(BASE), "--lora_rank", "3"), "unknown key 'lora_rank'"),
    ],
)
def test_what_a_person_can_correct_is_said_without_a_traceback(words: tuple[str, ...], said: str) -> None:
    done = run(*words, "--num_gpus", "1", "--gpu_memory_gib", "24")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
