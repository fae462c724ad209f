"""A model folder is checked before anything heavy is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.serve.server_process import BASE

from processes.errors import UserError
from serve.model_folder import read_model_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "model"))


def change(path: Path, **values: object) -> None:
    config = json.loads(path.read_text()) | values
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))


def test_the_base_models_context_and_end_token_are_read(folder: Path) -> None:
    model = read_model_folder(folder)
    assert model.max_positions == 2048
    assert model.codec.eos_ids == {1}


def test_end_tokens_of_the_generation_config_count_before_those_of_the_config(folder: Path) -> None:
    change(folder / "generation_config.json", eos_token_id=[1, 5])
    assert read_model_folder(folder).codec.eos_ids == {1, 5}
    (folder / "generation_config.json").unlink()
    assert read_model_folder(folder).codec.eos_ids == {1}


@pytest.mark.parametrize(
    ("named", "found", "step"),
    [
        ("meta-llama/Llama-3.1-8B", "which is no folder here", "bring the model to S3 once"),
        ("gpt2", "which is no folder here", "bring the model to S3 once"),
        ("s3://bucket/prefix/", "a prefix of S3", "ModelDataSource with this prefix"),
        ("/opt/ml/model", "no folder at /opt/ml/model", "HF_MODEL_ID"),
    ],
)
def test_a_model_that_is_no_folder_is_named_as_it_was_given(
    tmp_path: Path, named: str, found: str, step: str
) -> None:
    with pytest.raises(UserError) as caught:
        read_model_folder(tmp_path / "none", named=named)
    assert found in caught.value.found
    assert named in caught.value.found
    assert step in caught.value.next_step
    assert str(tmp_path) not in str(caught.value)


def adapter_only(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "adapter_config.json").write_text("{}")


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (shutil.rmtree, "no folder at"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json in"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json, which cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "a list instead of an object"),
        (lambda folder: (folder / "config.json").write_bytes(b"\xff"), "config.json, which cannot be read"),
        (
            lambda folder: change(folder / "config.json", max_position_embeddings=None),
            "without max_position_embeddings",
        ),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json in"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer.json, which cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no .*safetensors in"),
        (adapter_only, "an adapter without its base model"),
        (lambda folder: change(folder / "config.json", vocab_size=100), "a tokenizer of 2048 ids"),
    ],
)
def test_what_is_missing_or_damaged_is_named(
    folder: Path, damage: Callable[[Path], None], found: str
) -> None:
    damage(folder)
    with pytest.raises(UserError, match=found) as caught:
        read_model_folder(folder)
    assert [line.split("  ")[0] for line in str(caught.value).splitlines()] == [
        "found",
        "expected",
        "do next",
    ]
