"""FSDP really shards on CPUs, and sharding changes no result."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from tests.train.conftest import BASE, Run, train
from tests.train.in_process import prepare, settings

from tuning.data import read_rows
from tuning.fsdp import require_sharded

BFLOAT16 = ("--dtype", "bfloat16", "--bnb_4bit_quant_storage", "bfloat16")
FLOAT32 = (
    *("--dtype", "float32", "--bf16", "false", "--bnb_4bit_quant_storage", "float32"),
    *("--load_in_4bit", "false", "--merge", "false"),
)


def test_every_parameter_is_sharded_when_fsdp_is_on(qlora_run: Run) -> None:
    (sharded,) = qlora_run.lines("sharded")
    # 2 layers x 7 linear layers x (4-bit weight, A, B) + 2 x 2 norms + last norm + embeddings (tied head)
    assert sharded["num_parameters"] == 2 * 7 * 3 + 2 * 2 + 1 + 1


def test_a_model_that_is_not_sharded_is_reported_by_name() -> None:
    with pytest.raises(RuntimeError, match=r"2 of 2 parameters are not sharded.*weight"):
        require_sharded(torch.nn.Linear(2, 2))


def test_two_processes_equal_one_in_float32(
    tmp_path: Path, small_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = train(
        tmp_path / "two",
        small_data,
        *(*FLOAT32, "--max_train_rows", "64", "--per_device_train_batch_size", "8"),
        num_processes=2,
    )
    one = losses_of_one_process(
        tmp_path / "one", small_data, *FLOAT32, "--per_device_train_batch_size", "16", num_rows=64
    )
    assert two.lines("sharded")
    reported = capsys.readouterr().out
    assert "FSDP is off" in reported
    assert "sharded {" not in reported
    assert len(two.losses) == len(one) == 4
    assert two.losses == pytest.approx(one, rel=1e-4)
    assert two.losses[-1] < two.losses[0]


def losses_of_one_process(output_dir: Path, data: Path, *words: str, num_rows: int) -> list[float]:
    """Return the training loss of every step of a run in this process."""
    trainer = prepare(
        *settings(output_dir, *words), list(read_rows(str(data), name="train_data", max_rows=num_rows))
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_two_processes_equal_one_with_a_4_bit_base(tmp_path: Path, small_data: Path, qlora_run: Run) -> None:
    one = losses_of_one_process(tmp_path, small_data, "--per_device_train_batch_size", "16", num_rows=96)
    assert len(one) == 6
    assert qlora_run.losses == pytest.approx(one, rel=1e-3)


def test_two_processes_equal_one_in_bfloat16_as_gpus_compute(tmp_path: Path, small_data: Path) -> None:
    few = ("--max_train_rows", "48", "--merge", "false")
    rows_of_two, rows_of_one = (("--per_device_train_batch_size", rows) for rows in ("4", "8"))
    two = train(tmp_path / "two", small_data, *BFLOAT16, *few, *rows_of_two, num_processes=2)
    assert two.lines("precision") == [{"base": "nf4", "compute": "bfloat16", "adapter": "bfloat16"}]
    one = losses_of_one_process(tmp_path / "one", small_data, *BFLOAT16, *rows_of_one, num_rows=48)
    assert len(one) == 6
    assert two.losses == pytest.approx(one, rel=2e-2)


def test_4_bit_weights_are_never_repacked_on_a_cpu() -> None:
    from trl import ModelConfig

    from tuning.model import load_model

    settings = ModelConfig(model_name_or_path=str(BASE), dtype="bfloat16", load_in_4bit=True)
    layers = [
        module for module in load_model(settings, on_cpu=True).modules() if isinstance(module, Linear4bit)
    ]
    assert len(layers) == 14
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)


def test_evaluation_with_a_4_bit_base_is_right_before_and_after_steps(
    tmp_path: Path, small_data: Path
) -> None:
    """bitsandbytes repacks 4-bit weights at the first evaluation on some CPUs; sharded, that ruins them.

    With a learning rate of nearly 0 the model does not change: every evaluation must give the same loss.
    """
    run = train(
        tmp_path,
        small_data,
        *("--validation_data", str(small_data), "--max_validation_rows", "16", "--max_train_rows", "48"),
        *("--eval_strategy", "steps", "--eval_steps", "1", "--learning_rate", "1e-12", "--merge", "false"),
        num_processes=2,
    )
    evaluations = [line["eval_loss"] for line in run.lines("progress") if "eval_loss" in line]
    assert len(evaluations) == 3
    assert evaluations == pytest.approx([evaluations[0]] * 3, rel=1e-3)
    assert evaluations[0] == pytest.approx(run.losses[0], rel=0.1)
