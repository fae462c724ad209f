"""Whether a training fits is known before its machine is started."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from workshop.errors import WorkshopError
from workshop.settings import Settings, load_settings
from workshop.training.memory_check import check_memory

LLAMA_3_70B = {
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}


@pytest.fixture
def settings() -> Settings:
    return load_settings()


def test_the_small_model_fits(settings: Settings) -> None:
    text = check_memory(settings)
    assert text.startswith("sample.yaml: about ")
    assert text.endswith(": fits")


def test_a_model_that_does_not_fit_is_told_with_what_to_lower(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_3_70B))
    large = dataclasses.replace(settings, base_model=str(tmp_path))
    with pytest.raises(WorkshopError) as error:
        check_memory(
            large, recipe="llama3-8b-qlora-g5-4xlarge.yaml", instance_type="ml.g5.4xlarge", num_processes=1
        )
    assert "llama3-8b-qlora-g5-4xlarge.yaml needs about" in error.value.found
    assert "22.5 GiB of each A10G" in error.value.found
    assert "per_device_train_batch_size: 1" in error.value.next_step
    assert "larger GPUs" in error.value.next_step


def test_more_gpus_and_larger_ones_are_counted(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_3_70B))
    large = dataclasses.replace(settings, base_model=str(tmp_path))
    recipe = "llama3-8b-qlora-p4d-24xlarge.yaml"
    text = check_memory(large, recipe=recipe, instance_type="ml.p4d.24xlarge", num_processes=8)
    assert "each A100 (8 x" in text


def test_a_family_that_is_not_known_is_not_guessed(settings: Settings) -> None:
    assert "not known here" in check_memory(settings, instance_type="ml.trn1.32xlarge")


def test_a_folder_that_holds_no_model_is_told(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match=r"config\.json"):
        check_memory(dataclasses.replace(settings, base_model=str(tmp_path)))
