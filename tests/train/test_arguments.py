"""The settings are checked before anything heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from tests.train.conftest import REPO, TRAIN

from tuning import arguments
from tuning.errors import UserError

RECIPES = sorted((REPO / "src" / "train" / "recipes").rglob("*.yaml"))
RECIPE_NAMES = [path.name for path in RECIPES]


def test_there_is_a_recipe_for_the_laptop_and_every_training_instance() -> None:
    assert RECIPE_NAMES == [
        "llama3-8b-qlora-2x-g5-12xlarge.yaml",
        "llama3-8b-qlora-g5-12xlarge.yaml",
        "llama3-8b-qlora-g5-48xlarge.yaml",
        "llama3-8b-qlora-g5-4xlarge-debug.yaml",
        "llama3-8b-qlora-g5-4xlarge.yaml",
        "llama3-8b-qlora-p4d-24xlarge.yaml",
        "sample-3-epochs.yaml",
        "sample.yaml",
    ]


def test_the_readme_names_every_recipe() -> None:
    text = (REPO / "src" / "train" / "README.md").read_text(encoding="utf-8")
    assert [name for name in RECIPE_NAMES if f"`{name}`" not in text] == []


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_every_recipe_has_only_known_keys_of_the_right_type(recipe: str) -> None:
    assert arguments.check(["--config", recipe]) is not None


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_trl_accepts_every_recipe(recipe: str, tmp_path: Path) -> None:
    """On a CPU: bf16 and tf32 need a GPU and are left out, the rest is parsed by TRL itself."""
    from tuning.arguments import parse

    recipe_of_file = yaml.safe_load((REPO / "src/train/recipes" / recipe).read_text())
    is_for_cpus = recipe_of_file.get("use_cpu", False)
    settings = recipe_of_file | {"use_cpu": True}
    settings = {key: value for key, value in settings.items() if key not in ("bf16", "tf32")} | {
        "bf16": False
    }
    copy = tmp_path / recipe
    copy.write_text(yaml.safe_dump(settings))
    _, training, model = parse(["--config", str(copy), "--output_dir", str(tmp_path)], str(copy))
    assert training.max_length is None
    assert model.load_in_4bit
    assert model.dtype == model.bnb_4bit_quant_storage == ("float32" if is_for_cpus else "bfloat16")


def test_the_names_read_from_the_source_are_those_of_trls_dataclasses() -> None:
    from trl import ModelConfig, SFTConfig

    real = {item.name for group in (SFTConfig, ModelConfig) for item in fields(group) if item.init}
    assert real <= set(arguments.trl_fields())


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["--config", "sample.yaml", "--lora_aplha", "8"], ["unknown key 'lora_aplha'", "'lora_alpha'"]),
        (["--config", "sample.yaml", "--learning_rate", "fast"], ["learning_rate: 'fast'", "float"]),
        (["--config", "sample.yaml", "--max_train_rows", "1.5"], ["max_train_rows: '1.5'", "int"]),
        (["--config", "sampel.yaml"], ["no recipe 'sampel.yaml'", "use --config sample.yaml"]),
        (["--config"], ["--config without a value"]),
        (["sample.yaml"], ["without a key before it"]),
        ([], ["no settings", "--config RECIPE"]),
        (["--config", "sample.yaml", "--max_length", "512"], ["max_length", "max_seq_tokens"]),
        (
            ["--config", "sample.yaml", "--packing", "--packing_strategy", "wrapped"],
            ["strategy: wrapped", "cut"],
        ),
        (["--config", "sample.yaml", "--padding_free"], ["padding_free: true", "packing: true"]),
        (
            ["--config", "sample.yaml", "--attn_implementation", "flash"],
            ["attn_implementation: flash", "sdpa"],
        ),
        (
            ["--config", "sample.yaml", "--attn_implementation", "flash_attention_2"],
            ["flash_attention_2 without the package flash_attn or kernels", "set attn_implementation: sdpa"],
        ),
        (
            ["--config", "sample.yaml", "--packing", "true", "--attn_implementation", "flex_attention"],
            ["flex_attention with use_cpu: true", "eager or sdpa"],
        ),
        (
            ["--config", "sample.yaml", "--train_sampling_strategy", "batch_rebalance"],
            ["train_sampling_strategy: batch_rebalance", "group_by_length"],
        ),
    ],
)
def test_a_wrong_command_line_is_reported_before_heavy_imports(words: list[str], reported: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", str(TRAIN), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    imported = {
        line.split("|")[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
    }
    assert "tuning.arguments" in imported
    assert not {"torch", "transformers", "trl", "datasets"} & imported
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for part in ["found     ", "expected  ", "do next   ", *reported]:
        assert part in done.stderr


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("lora_aplha: 8\n", "unknown key 'lora_aplha'"),
        ("learning_rate: fast\n", "learning_rate: 'fast'"),
        ("num_train_epochs: yes\n", "num_train_epochs: True"),
        ("a: b: c\n", "not valid YAML"),
        ("- a\n", "holds list"),
        ("fsdp_config:\n  reshard_after_foward: false\n", "write 'reshard_after_forward'"),
        ("fsdp_config:\n  activation_checkpointing: true\n", "unknown key 'activation_checkpointing'"),
    ],
)
def test_a_wrong_recipe_is_reported(tmp_path: Path, text: str, reported: str) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(text)
    with pytest.raises(UserError, match=reported):
        arguments.check(["--config", str(recipe)])


@pytest.mark.parametrize("value", ["2e-4", "0.001", "1"])
def test_numbers_may_be_written_as_people_write_them(tmp_path: Path, value: str) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"learning_rate: {value}\n")
    assert arguments.check(["--config", str(recipe)]) == str(recipe)


def test_help_names_every_own_setting_and_trls() -> None:
    text = arguments.help_text()
    for item in fields(arguments.ScriptArguments):
        assert f"--{item.name} " in text
    assert "--learning_rate" in text
    assert "--lora_r" in text


def test_a_row_limit_of_zero_is_refused() -> None:
    with pytest.raises(UserError, match="max_train_rows: 0"):
        arguments.ScriptArguments(max_train_rows=0)
