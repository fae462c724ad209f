"""The environment of a container: one meaning, in the names of each engine."""

from __future__ import annotations

import pytest

from workshop.errors import WorkshopError
from workshop.instance_types import CUDA_13_AMI
from workshop.serving.engines import ENGINES, ami_version, serving_image
from workshop.serving.environment import serving_environment


def test_each_engine_is_told_the_same_in_its_own_names() -> None:
    assert serving_environment("tgi", num_gpus=4, quantization="eetq") == {
        "HF_MODEL_ID": "/opt/ml/model", "SM_NUM_GPUS": "4", "MAX_INPUT_TOKENS": "1792",
        "MAX_TOTAL_TOKENS": "2048", "HF_MODEL_QUANTIZE": "eetq",
    }  # fmt: skip
    assert serving_environment("vllm", num_gpus=2, max_total_tokens=4096) == {
        "SM_VLLM_MODEL": "/opt/ml/model", "SM_VLLM_TENSOR_PARALLEL_SIZE": "2",
        "SM_VLLM_MAX_MODEL_LEN": "4096",
    }  # fmt: skip
    assert serving_environment("lmi", num_gpus=1) == {
        "HF_MODEL_ID": "/opt/ml/model", "OPTION_TENSOR_PARALLEL_DEGREE": "1",
        "OPTION_MAX_MODEL_LEN": "2048", "OPTION_ROLLING_BATCH": "vllm",
    }  # fmt: skip


@pytest.mark.parametrize(("rank", "told"), [(4, "8"), (8, "8"), (9, "16"), (16, "16"), (64, "64")])
def test_adapters_that_come_later_get_a_rank_that_vllm_takes(rank: int, told: str) -> None:
    lmi = serving_environment("lmi", num_gpus=1, adapter_rank=rank)
    assert (lmi["OPTION_ENABLE_LORA"], lmi["OPTION_MAX_LORA_RANK"]) == ("true", told)
    vllm = serving_environment("vllm", num_gpus=1, adapter_rank=rank)
    assert vllm["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == vllm["SM_VLLM_ENABLE_LORA"] == "true"
    assert vllm["SM_VLLM_MAX_LORA_RANK"] == told


def test_an_engine_without_later_adapters_names_those_that_have_them() -> None:
    with pytest.raises(WorkshopError, match=r"adapters for TGI[\s\S]*vllm or lmi"):
        serving_environment("tgi", num_gpus=1, adapter_rank=8)


def test_limits_leave_room_for_an_answer() -> None:
    with pytest.raises(WorkshopError, match="room for an answer"):
        serving_environment("vllm", num_gpus=1, max_input_tokens=2048)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_engine_needs_more_variables_than_a_component_may_have(engine: str) -> None:
    rank = 16 if ENGINES[engine].adapters_later else None
    assert len(serving_environment(engine, num_gpus=8, quantization="fp8", adapter_rank=rank)) <= 16


@pytest.mark.parametrize(
    ("engine", "instance_type", "expected"),
    [
        ("vllm", "ml.g5.12xlarge", CUDA_13_AMI),
        ("lmi", "ml.g6.12xlarge", CUDA_13_AMI),
        ("tgi", "ml.g5.12xlarge", None),
        ("vllm", "ml.p6-b200.48xlarge", None),
    ],
)
def test_the_machine_image_fits_the_cuda_of_the_container(
    engine: str, instance_type: str, expected: str | None
) -> None:
    image = serving_image(engine, region="us-east-1", instance_type=instance_type)
    assert ami_version(image, instance_type) == expected
