"""What training leaves serves as it stands: in transformers 5, and in what TGI's last images have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from peft import PeftModel
from safetensors import safe_open
from tests.train.conftest import BASE, HANG_S, REPO, Run, environment
from transformers import AutoModelForCausalLM, AutoTokenizer

from merge import merge
from tuning import arguments
from tuning.artifact import atomic_write, require_not_empty
from tuning.errors import UserError
from workshop.prompt import chat_messages

TGI_LIBRARIES = REPO / ".envs" / "tgi-libraries"
TEXT = "다온시가 오는 12일 1,250억 원 규모의 순환 전철을 개통한다고 밝혔다."


def logits(folder: Path, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return the logits of one sentence, (num_tokens, vocabulary)."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    ids = AutoTokenizer.from_pretrained(folder)(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return model(ids).logits[0].float()


def test_the_artifact_has_every_part(qlora_run: Run) -> None:
    names = {
        str(path.relative_to(qlora_run.model_dir))
        for path in qlora_run.model_dir.rglob("*")
        if path.is_file()
    }
    assert names == {
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "adapter/chat_template.jinja",
        "adapter/tokenizer.json",
        "adapter/tokenizer_config.json",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "metrics.json",
        "model.safetensors",
        "resolved-config.yaml",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_the_adapter_has_tensors_that_training_changed(qlora_run: Run) -> None:
    path = qlora_run.model_dir / "adapter" / "adapter_model.safetensors"
    require_not_empty(path, num_steps=6)
    with safe_open(path, framework="pt") as tensors:
        assert len(tensors.keys()) == 2 * 7 * 2
        assert all(tensors.get_tensor(name).any() for name in tensors.keys())  # noqa: SIM118  not a dict


def test_an_adapter_without_tensors_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({}, tmp_path / "empty.safetensors")
    with pytest.raises(RuntimeError, match="holds 0 update matrices"):
        require_not_empty(tmp_path / "empty.safetensors", num_steps=1)
    save_file({"x.lora_B.weight": torch.zeros(2, 2)}, tmp_path / "zero.safetensors")
    with pytest.raises(RuntimeError, match="all zero"):
        require_not_empty(tmp_path / "zero.safetensors", num_steps=2)
    require_not_empty(tmp_path / "zero.safetensors", num_steps=1)


def test_merged_equals_base_plus_adapter_in_float32(qlora_run: Run, tmp_path: Path) -> None:
    adapter = qlora_run.model_dir / "adapter"
    merge(base=str(BASE), adapter=adapter, model_dir=tmp_path, dtype="float32")
    base = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()
    ids = AutoTokenizer.from_pretrained(BASE)(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        untuned = base(ids).logits[0]
        separate = PeftModel.from_pretrained(base, adapter)(ids).logits[0]
    merged = logits(tmp_path)
    assert (merged - separate).abs().max() <= 1e-4 * separate.abs().max()
    assert (merged - untuned).abs().max() > 0.1  # the adapter does something


def test_the_served_weights_are_the_merged_ones_in_bfloat16(qlora_run: Run, tmp_path: Path) -> None:
    merge(base=str(BASE), adapter=qlora_run.model_dir / "adapter", model_dir=tmp_path, dtype="float32")
    exact, served = logits(tmp_path), logits(qlora_run.model_dir)
    assert AutoModelForCausalLM.from_pretrained(qlora_run.model_dir, dtype="auto").dtype == torch.bfloat16
    assert (exact - served).abs().max() < 0.03 * exact.abs().max()


def test_what_tgi_has_loads_it_and_gives_the_same_logits(qlora_run: Run, tmp_path: Path) -> None:
    assert TGI_LIBRARIES.is_dir(), f"{TGI_LIBRARIES} is missing: run `make test`, which installs it"
    conversation = chat_messages(TEXT)
    code = f"""
import json, sys, torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
assert transformers.__version__ == "4.51.0", transformers.__version__
tokenizer = AutoTokenizer.from_pretrained({str(qlora_run.model_dir)!r})
model = AutoModelForCausalLM.from_pretrained({str(qlora_run.model_dir)!r}, torch_dtype=torch.float32).eval()
ids = tokenizer({TEXT!r}, return_tensors="pt")["input_ids"]
torch.save({{
    "logits": model(ids).logits[0].detach(), "ids": ids, "theta": model.config.rope_theta,
    "chat": tokenizer.apply_chat_template(
        json.loads({json.dumps(conversation)!r}), add_generation_prompt=True, return_dict=False),
    "class": type(tokenizer).__name__, "pad": tokenizer.pad_token, "eos": tokenizer.eos_token,
}}, {str(tmp_path / "old.pt")!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(PYTHONPATH=str(TGI_LIBRARIES)),
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    old = torch.load(tmp_path / "old.pt")
    new_tokenizer = AutoTokenizer.from_pretrained(qlora_run.model_dir)
    theta = json.loads((BASE / "config.json").read_text())["rope_parameters"]["rope_theta"]
    assert theta != 10_000  # the value that 4.51 falls back to silently
    assert old["theta"] == theta
    assert old["ids"].tolist() == new_tokenizer(TEXT, return_tensors="pt")["input_ids"].tolist()
    new_chat = new_tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_dict=False)
    assert old["chat"] == new_chat
    assert (old["class"], old["pad"], old["eos"]) == (
        "PreTrainedTokenizerFast",
        "<|finetune_right_pad_id|>",
        "<|end_of_text|>",
    )
    assert torch.allclose(old["logits"], logits(qlora_run.model_dir), atol=1e-4)


def test_the_resolved_configuration_is_a_recipe_that_repeats_the_run(qlora_run: Run) -> None:
    path = qlora_run.model_dir / "resolved-config.yaml"
    assert arguments.check(["--config", str(path)]) == str(path)
    settings = yaml.safe_load(path.read_text())
    assert settings["lora_r"] == 32
    assert settings["load_in_4bit"] is True
    assert settings["learning_rate"] == 0.002
    assert not {"output_dir", "model_dir", "hub_token"} & set(settings)


def test_secrets_are_left_out_of_the_resolved_configuration() -> None:
    from tuning.arguments import _SECRET, _without_secrets

    nested = {"token": "hf_x", "revision": "main", "inner": {"api_key": "hf_x", "max_seq_tokens": 5}}
    assert _without_secrets(nested) == {"revision": "main", "inner": {"max_seq_tokens": 5}}
    assert _SECRET.search("hub_token")


def test_metrics_tell_steps_speed_memory_and_versions(qlora_run: Run) -> None:
    metrics = json.loads((qlora_run.model_dir / "metrics.json").read_text())
    assert metrics == qlora_run.lines("result")[0]
    assert metrics["num_steps"] == len(qlora_run.losses) == 6
    assert metrics["num_processes"] == 2
    assert metrics["train_loss"] == pytest.approx(qlora_run.losses[-1], rel=1e-4)
    assert metrics["tokens_per_s"] > 0
    assert set(metrics["phases"]) == {"imports_s", "data_s", "model_s", "steps_s", "save_s", "merge_s"}


def test_a_merge_without_its_adapter_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"without adapter_config\.json, adapter_model\.safetensors"):
        merge(base=None, adapter=tmp_path, model_dir=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_failed_write_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("old")

    def write(partial: Path) -> None:
        (partial / "model.safetensors").write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="the disk is full"):
        atomic_write(tmp_path, write, replaces=("*.safetensors",))
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    assert (tmp_path / "model.safetensors").read_text() == "old"
