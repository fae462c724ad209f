"""The environment of a container: one meaning, in the names of each engine."""

from __future__ import annotations

import pytest

from workshop.errors import WorkshopError
from workshop.instance_types import CUDA_12_AMI, CUDA_13_AMI, INSTANCE_TYPES
from workshop.serving.engines import ENGINES, ami_version, common_cuda, cuda_of, serving_image
from workshop.serving.environment import serving_environment


def test_each_engine_is_told_the_same_in_its_own_names() -> None:
    assert serving_environment("tgi", num_gpus=4, quantization="eetq") == {
        "HF_MODEL_ID": "/opt/ml/model", "SM_NUM_GPUS": "4", "MAX_INPUT_TOKENS": "1792",
        "MAX_TOTAL_TOKENS": "2048", "HF_MODEL_QUANTIZE": "eetq",
    }  # fmt: skip
    assert serving_environment("vllm", num_gpus=2, max_total_tokens=4096) == {
        "SM_VLLM_MODEL": "/opt/ml/model", "SM_VLLM_TENSOR_PARALLEL_SIZE": "2",
        "SM_VLLM_MAX_MODEL_LEN": "4096", "SM_VLLM_MAX_NUM_SEQS": "32",
    }  # fmt: skip
    assert serving_environment("lmi", num_gpus=1) == {
        "HF_MODEL_ID": "/opt/ml/model", "OPTION_TENSOR_PARALLEL_DEGREE": "1",
        "OPTION_MAX_MODEL_LEN": "2048", "OPTION_ROLLING_BATCH": "vllm",
        "OPTION_MAX_ROLLING_BATCH_SIZE": "32",
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
        ("vllm", "ml.g6.12xlarge", CUDA_13_AMI),
        ("lmi", "ml.g6.12xlarge", CUDA_13_AMI),
        ("tgi", "ml.g6.12xlarge", CUDA_12_AMI),
        ("tgi", "ml.g5.12xlarge", CUDA_12_AMI),
        ("vllm", "ml.p6-b200.48xlarge", None),
    ],
)
def test_the_machine_image_fits_the_cuda_of_the_container(
    engine: str, instance_type: str, expected: str | None
) -> None:
    image = serving_image(engine, region="us-east-1", instance_type=instance_type)
    assert ami_version(image, instance_type) == expected


@pytest.mark.parametrize(
    ("engines", "instance_type", "expected"),
    [
        (["vllm", "lmi"], "ml.g6.12xlarge", 13),
        (["tgi", "vllm", "lmi"], "ml.g6.12xlarge", 12),
        (["vllm"], "ml.g5.12xlarge", 12),
        (["vllm"], "ml.p6-b200.48xlarge", 13),
        (["tgi"], "ml.p6-b200.48xlarge", 12),
    ],
)
def test_containers_of_one_endpoint_have_one_generation_of_cuda(
    engines: list[str], instance_type: str, expected: int
) -> None:
    cuda = common_cuda(engines, instance_type)
    assert cuda == expected
    images = [
        serving_image(engine, region="us-east-1", instance_type=instance_type, cuda=cuda)
        for engine in engines
    ]
    assert {cuda_of(image) for image in images} == {expected}
    assert len({ami_version(image, instance_type) for image in images}) == 1


def test_a_region_with_a_registry_of_its_own_has_the_older_images_too() -> None:
    newest = serving_image("vllm", region="ap-east-1", instance_type="ml.g6.12xlarge")
    older = serving_image("vllm", region="ap-east-1", instance_type="ml.g6.12xlarge", cuda=12)
    assert older == f"{newest.partition('/')[0]}/{ENGINES['vllm'].cuda_12_image}"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("r/vllm:0.30.0-gpu-py312-cu130-ubuntu24.04", 13),
        ("r/djl-inference:0.36.0-lmi24.0.0-cu129", 12),
        ("r/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04", 12),
        ("r/focus1:latest", None),
        ("", None),
    ],
)
def test_the_cuda_of_an_image_is_read_from_its_tag(image: str, expected: int | None) -> None:
    assert cuda_of(image) == expected


def test_machine_images_are_names_that_sagemaker_has() -> None:
    from botocore.session import Session

    names = Session().get_service_model("sagemaker").shape_for("ProductionVariantInferenceAmiVersion").enum
    assert {CUDA_12_AMI, CUDA_13_AMI} <= set(names)
    assert not INSTANCE_TYPES["ml.g5.12xlarge"].gpu.has_cuda_13_ami
