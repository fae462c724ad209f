"""What makes two runs the same: content and what changes numbers, not places, intervals and limits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tests.train.conftest import BASE

from tuning.arguments import parse
from tuning.fingerprint import base_model_identity, data_checksum, differences, fingerprint

DATA = Dataset.from_dict({"input_ids": [[1, 2], [3, 4, 5]], "labels": [[-100, 2], [-100, 4, 5]]})


def of(tmp_path: Path, *changes: str, data: Dataset = DATA, base: Path = BASE) -> dict[str, Any]:
    words = ["--config", "x", "--output_dir", str(tmp_path), "--model_name_or_path", str(base), *changes]
    recipe = Path(__file__).parents[2] / "src" / "train" / "recipes" / "sample.yaml"
    return fingerprint(*parse(words, str(recipe)), data)


@pytest.mark.parametrize(
    "changes",
    [
        ("--save_strategy", "steps", "--save_steps", "7", "--save_total_limit", "1"),
        ("--time_limit_s", "60", "--max_steps_per_launch", "5", "--keep_checkpoints", "true"),
        ("--logging_steps", "5", "--eval_strategy", "steps", "--eval_steps", "3"),
        ("--resume_from_checkpoint", "last", "--merge", "false", "--model_dir", "elsewhere"),
        ("--per_device_train_batch_size", "2", "--gradient_accumulation_steps", "2"),
        ("--train_data", "elsewhere", "--validation_data", "there", "--max_validation_rows", "3"),
        ("--activation_checkpointing", "true", "--dataloader_num_workers", "2"),
    ],
)
def test_intervals_limits_and_places_may_differ(tmp_path: Path, changes: tuple[str, ...]) -> None:
    assert differences(of(tmp_path / "a"), of(tmp_path / "b", *changes)) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("--learning_rate", "0.001"), "learning_rate 0.002 in the checkpoint, 0.001 here"),
        (("--seed", "7"), "seed 'default' in the checkpoint, 7 here"),
        (("--num_train_epochs", "2"), "num_train_epochs 1 in the checkpoint, 2.0 here"),
        (("--lora_r", "8"), "lora_r 32 in the checkpoint, 8 here"),
        (("--per_device_train_batch_size", "8"), "rows_per_step 4 in the checkpoint, 8 here"),
        (("--weight_decay", "0.1"), "weight_decay 'default' in the checkpoint, 0.1 here"),
        (("--load_in_4bit", "false"), "load_in_4bit True in the checkpoint, False here"),
    ],
)
def test_what_changes_numbers_is_told(tmp_path: Path, changes: tuple[str, ...], told: str) -> None:
    lines = differences(of(tmp_path), of(tmp_path, *changes))
    # In one process FSDP is off, so that only what was changed is told.
    assert told in lines
    assert len(lines) == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"input_ids": [[1, 2], [3, 4, 6]], "labels": [[-100, 2], [-100, 4, 5]]},
        {"input_ids": [[1, 2], [3, 4, 5]], "labels": [[-100, 2], [-100, -100, 5]]},
        {"input_ids": [[3, 4, 5], [1, 2]], "labels": [[-100, 4, 5], [-100, 2]]},
        {"input_ids": [[1, 2, 3], [4, 5]], "labels": [[-100, 2, -100], [4, 5]]},
    ],
)
def test_other_tokens_labels_order_or_lengths_are_other_data(columns: dict) -> None:
    assert data_checksum(Dataset.from_dict(columns)) != data_checksum(DATA)
    assert data_checksum(DATA.select([1, 0]).select([1, 0])) == data_checksum(DATA)


def test_a_base_model_is_known_by_its_weights_wherever_it_lies(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(BASE, tmp_path / "elsewhere"))
    assert base_model_identity(str(copy), None) == base_model_identity(str(BASE), "main")
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert base_model_identity(str(copy), None) != base_model_identity(str(BASE), None)
    assert base_model_identity("meta-llama/Meta-Llama-3-8B", None) == "meta-llama/Meta-Llama-3-8B@main"
