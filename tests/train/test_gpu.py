"""A GPU computes what a CPU computes, and a run on it resumes where it was. Skipped where there is no GPU.

On a CPU the loss is ours, attention and 4-bit products are other kernels, and the optimizer of the one-GPU
recipe does not exist: equal losses check all of them against each other.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.train.conftest import Run, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

# 64 rows of 16: four steps of the sample recipe, which turns FSDP off for one process.
GPU = ("--use_cpu", "false", "--tf32", "false")
FOUR_STEPS = ("--max_train_rows", "64", "--per_device_train_batch_size", "16", "--merge", "false")
FLOAT32 = (
    *("--dtype", "float32", "--bf16", "false", "--bnb_4bit_quant_storage", "float32"),
    *("--load_in_4bit", "false", *FOUR_STEPS),
)


@pytest.fixture(scope="module")
def gpu_run(tmp_path_factory: pytest.TempPathFactory, small_data: Path) -> Run:
    """Four steps in float32 on the GPU."""
    return train(tmp_path_factory.mktemp("gpu"), small_data, *FLOAT32, *GPU)


def adapter(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.model_dir / "adapter" / "adapter_model.safetensors")


def test_float32_losses_of_a_gpu_equal_those_of_a_cpu(tmp_path: Path, small_data: Path, gpu_run: Run) -> None:
    cpu = train(tmp_path, small_data, *FLOAT32)
    assert len(cpu.losses) == 4
    assert gpu_run.losses[:1] == pytest.approx(cpu.losses[:1], rel=1e-5)
    assert gpu_run.losses == pytest.approx(cpu.losses, rel=1e-3)
    assert gpu_run.losses[-1] < gpu_run.losses[0]


def test_losses_with_a_4_bit_base_equal_those_of_a_cpu(tmp_path: Path, small_data: Path) -> None:
    gpu = train(tmp_path / "gpu", small_data, *FOUR_STEPS, *GPU)
    cpu = train(tmp_path / "cpu", small_data, *FOUR_STEPS)
    assert len(cpu.losses) == 4
    assert gpu.losses == pytest.approx(cpu.losses, rel=2e-2)


def test_checkpointed_activations_with_dropout_change_no_loss(tmp_path: Path, small_data: Path) -> None:
    runs = [
        train(
            *(tmp_path / keeps, small_data, *FLOAT32, *GPU),
            *("--lora_dropout", "0.1", "--activation_checkpointing", keeps),
        )
        for keeps in ("true", "false")
    ]
    assert len(runs[0].losses) == 4
    assert runs[0].losses == pytest.approx(runs[1].losses, rel=1e-5)
    assert adapter(runs[0]).keys() == adapter(runs[1]).keys()


def test_flex_attention_gives_the_losses_of_sdpa_for_rows_of_unlike_length(
    tmp_path: Path, small_data: Path, gpu_run: Run
) -> None:
    flex = train(tmp_path, small_data, *FLOAT32, *GPU, "--attn_implementation", "flex_attention")
    assert flex.losses == pytest.approx(gpu_run.losses, rel=1e-3)


@pytest.mark.parametrize("attention", ["sdpa", "flex_attention"])
def test_packed_rows_give_the_losses_and_the_tokens_of_a_cpu(
    tmp_path: Path, small_data: Path, attention: str
) -> None:
    packed = (*FLOAT32, "--packing", "true", "--per_device_train_batch_size", "4", "--max_seq_tokens", "1024")
    cpu = train(tmp_path / "cpu", small_data, *packed)
    gpu = train(tmp_path / "gpu", small_data, *packed, *GPU, "--attn_implementation", attention)
    assert len(cpu.losses) >= 2
    assert gpu.losses == pytest.approx(cpu.losses, rel=1e-3)
    tokens = [[line["num_tokens"] for line in run.lines("progress")] for run in (gpu, cpu)]
    assert tokens[0] == tokens[1]


def test_the_one_gpu_recipes_optimizer_resumes_from_a_checkpoint_with_its_state(
    tmp_path: Path, small_data: Path
) -> None:
    settings = (
        *FOUR_STEPS,
        *GPU,
        # Without warm-up a lost state of the optimizer shows: 4 % in the last loss.
        *("--optim", "paged_adamw_8bit", "--warmup_steps", "0"),
        *("--save_strategy", "steps", "--save_steps", "2"),
        *("--keep_checkpoints", "true", "--resume_from_checkpoint", "last"),
    )
    whole = train(tmp_path / "whole", small_data, *settings)
    begun = tmp_path / "begun"
    begun.mkdir()
    shutil.copytree(tmp_path / "whole" / "checkpoint-2", begun / "checkpoint-2")
    rest = train(begun, small_data, *settings)
    assert "resuming from" in rest.output
    assert [line["step"] for line in rest.lines("progress") if "loss" in line] == [3, 4]
    assert rest.losses == pytest.approx(whole.losses[2:], rel=5e-3)
    # Single weights may differ by two steps of the optimizer: a GPU's sums are not equal in every digit, and
    # 8-bit moments make a step of whatever sign is left. So the losses are compared.
    assert adapter(rest).keys() == adapter(whole).keys()
