"""When memory runs out, the message names the settings to lower."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tests.train.conftest import BASE
from tests.train.in_process import prepare, settings
from tests.train.tiny_models import conversations
from transformers import TrainerCallback

from tuning.errors import UserError
from tuning.out_of_memory import explain_out_of_memory, is_out_of_memory, what_to_lower

TOO_MUCH = 2**50  # bytes: no machine has them, and asking takes none


class Greedy(TrainerCallback):
    """Ask for more than there is in the first step, as a batch that is too large does."""

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        torch.empty(TOO_MUCH, dtype=torch.uint8)


@pytest.fixture
def config():
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(BASE)


def test_a_cpu_without_memory_reports_what_to_lower(tmp_path: Path, config) -> None:
    script, training, model = settings(tmp_path, "--per_device_train_batch_size", "4")
    trainer = prepare(script, training, model, conversations(4, seed=1))
    trainer.add_callback(Greedy())
    with (
        pytest.raises(UserError) as refused,
        explain_out_of_memory(training, model, config, max_seq_tokens=2048),
    ):
        trainer.train()
    text = str(refused.value)
    assert (
        "this machine's memory is used up with per_device_train_batch_size: 4, max_seq_tokens: 2048" in text
    )
    assert "per_device_train_batch_size: 2, and gradient_accumulation_steps raised" in text
    assert "activation_checkpointing: true (saves about" in text
    assert "load_in_4bit" not in text  # it is on already
    assert "fsdp" not in text  # one process


def test_a_gpu_without_memory_is_reported_as_one(tmp_path: Path, config) -> None:
    _, training, model = settings(tmp_path, "--load_in_4bit", "false")
    with (
        pytest.raises(
            UserError, match=r"(?s)the GPU's memory.*CUDA out of memory. Tried.*load_in_4bit: true"
        ),
        explain_out_of_memory(training, model, config, max_seq_tokens=2048),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nmore")


def test_several_processes_are_advised_to_share_the_base_model(config) -> None:
    training = {"per_device_train_batch_size": 1, "optim": "adamw_torch", "fsdp": False, "world_size": 4}
    model = SimpleNamespace(load_in_4bit=True, dtype="bfloat16")
    text = what_to_lower(SimpleNamespace(**training), model, config, max_seq_tokens=2048)
    assert text.startswith("set fsdp: true (the base model is shared out over 4 processes); or")


@pytest.mark.skipif(sys.platform != "linux", reason="the limit that emulates a full memory is Linux's")
def test_a_merge_without_memory_says_where_the_adapter_is(tmp_path: Path) -> None:
    """The kernel gives this process no further memory for as long as the merge lasts."""
    import resource

    from merge import merge

    script, training, model = settings(tmp_path, "--max_steps", "1")
    trainer = prepare(script, training, model, conversations(4, seed=1))
    trainer.save_model(str(tmp_path / "adapter"))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used, before[1]))
    try:
        with pytest.raises(UserError) as refused:
            merge(base=str(BASE), adapter=tmp_path / "adapter", model_dir=tmp_path / "merged")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    text = str(refused.value)
    assert "memory is used up while merging" in text
    assert f"python merge.py --adapter {tmp_path / 'adapter'} --model_dir {tmp_path / 'merged'}" in text
    assert not (tmp_path / "merged").exists()


def test_other_errors_are_left_alone(tmp_path: Path, config) -> None:
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    _, training, model = settings(tmp_path)
    with (
        pytest.raises(RuntimeError, match="shape mismatch"),
        explain_out_of_memory(training, model, config, max_seq_tokens=1),
    ):
        raise RuntimeError("shape mismatch")
