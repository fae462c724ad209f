"""One plan for Docker and for a process: the same environment, another command."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
from tests.serve.server_process import BASE

from serve.settings import read_settings
from workshop.containers.images import own_serving_image
from workshop.errors import WorkshopError
from workshop.instance_types import CUDA_12_AMI, num_gpus_of
from workshop.serving.compare import comparison_plans
from workshop.serving.container import memory_gib
from workshop.serving.engines import (
    CONTAINER_MODEL_DIR,
    ENGINES,
    REGISTRY_REGIONS,
    quantizations,
    serving_image,
)
from workshop.serving.plan import ServingPlan, serving_plan
from workshop.settings import Settings, load_settings

ENVIRONMENTS = {
    "tgi": {
        "HF_MODEL_ID": "/opt/ml/model",
        "SM_NUM_GPUS": "4",
        "MAX_INPUT_TOKENS": "1792",
        "MAX_TOTAL_TOKENS": "2048",
        "HF_MODEL_QUANTIZE": "bitsandbytes-nf4",
    },
    "vllm": {
        "SM_VLLM_MODEL": "/opt/ml/model",
        "SM_VLLM_TENSOR_PARALLEL_SIZE": "4",
        "SM_VLLM_MAX_MODEL_LEN": "2048",
        "SM_VLLM_MAX_NUM_SEQS": "32",
        "SM_VLLM_QUANTIZATION": "fp8",
    },
    "lmi": {
        "HF_MODEL_ID": "/opt/ml/model",
        "OPTION_TENSOR_PARALLEL_DEGREE": "4",
        "OPTION_MAX_MODEL_LEN": "2048",
        "OPTION_ROLLING_BATCH": "vllm",
        "OPTION_MAX_ROLLING_BATCH_SIZE": "32",
        "OPTION_QUANTIZE": "fp8",
    },
}
IMAGES = {
    "tgi": "huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04",
    "vllm": "vllm:0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker",
    "lmi": "djl-inference:0.38.0-lmi29.0.0-cu130",
}


def planned(settings: Settings, engine: str, **changes) -> ServingPlan:
    return serving_plan(dataclasses.replace(settings, serving_engine=engine, **changes), BASE, port=8123)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_container_gets_what_the_engine_calls_its_settings(settings: Settings, engine: str) -> None:
    quantization = {"tgi": "bitsandbytes-nf4"}.get(engine, "fp8")
    settings = dataclasses.replace(settings, serve_with="container", container_images="aws")
    plan = planned(settings, engine, container_num_gpus=4, serving_quantization=quantization)
    assert plan.environment == ENVIRONMENTS[engine]
    command = list(plan.command)
    assert command[:4] == ["docker", "run", "--rm", "--pull=never"]
    assert command[command.index("--gpus") + 1] == "4"  # LMI would start further copies on others
    assert command[command.index("-p") + 1] == "127.0.0.1:8123:8080"
    assert command[command.index("-v") + 1] == f"{BASE}:/opt/ml/model:ro"
    assert [command[i + 1] for i, part in enumerate(command) if part == "-e"] == [
        f"{name}={value}" for name, value in plan.environment.items()
    ]
    assert command[-2:] == [plan.image, "serve"]
    assert plan.command_environment == {}
    assert plan.url == "http://127.0.0.1:8123"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_own_image_gets_the_same_without_a_gpu_and_with_few_rights(
    settings: Settings, engine: str
) -> None:
    own = planned(settings, engine, serve_with="container")
    aws = planned(settings, engine, serve_with="container", container_images="aws")
    assert own.image == own_serving_image(engine)
    assert (own.environment, own.mounts) == (aws.environment, aws.mounts)
    assert "--gpus" in aws.command
    assert "--gpus" not in own.command
    limits = ("--memory=2g", "--memory-swap=2g", "--pids-limit=512", "--read-only", "--cap-drop=ALL")
    assert set(limits) <= set(own.command)
    assert not set(limits) & set(aws.command)
    for plan in (own, aws):
        assert "--security-opt=no-new-privileges" in plan.command
        assert plan.command[plan.command.index("--network") + 1] == plan.network_command[-1]
        label = plan.command[plan.command.index("--label") + 1]
        assert label in plan.network_command


def test_the_memory_of_a_cpu_grows_with_the_weights(tmp_path: Path) -> None:
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(16 * 2**30)  # of Llama-3-8B; a hole, which takes no disk
    assert memory_gib({tmp_path: CONTAINER_MODEL_DIR}) == 34
    assert memory_gib({BASE: CONTAINER_MODEL_DIR}) == 2


def test_one_gpu_is_enough_to_try_what_an_endpoint_spreads_over_more() -> None:
    settings = load_settings(environ={"WORKSHOP_MODE": "debug"})
    plan = serving_plan(settings, BASE)
    assert settings.endpoint_num_gpus == 4
    assert plan.environment["SM_NUM_GPUS"] == "1"
    assert plan.command[plan.command.index("--gpus") + 1] == "1"
    assert num_gpus_of(settings.container_instance_type) == 1


def test_the_image_is_the_one_that_the_endpoints_instances_can_run(settings: Settings) -> None:
    on_g5 = planned(settings, "vllm", endpoint_instance_type="ml.g5.12xlarge")
    assert on_g5.image.endswith(ENGINES["vllm"].cuda_12_image)
    assert on_g5.ami_version == CUDA_12_AMI


@pytest.mark.parametrize("engine", ENGINES)
def test_a_process_is_told_the_same_and_reads_it_so(settings: Settings, engine: str) -> None:
    plan = planned(settings, engine)
    assert plan.environment == planned(settings, engine, serve_with="container").environment
    assert plan.command[:4] == (sys.executable, "-m", "serve", "serve")
    read = read_settings(plan.command[3:], plan.command_environment)
    assert (read.model_dir, read.host, read.port) == (BASE, "127.0.0.1", 8123)
    assert (read.dialect, read.engine, read.quantize) == (engine, "transformers", "none")
    assert read.max_total_tokens == 2048
    assert (plan.mounts, plan.container_name) == ({}, "")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_cpu_engines_to_compare_are_what_the_server_understands(settings: Settings, engine: str) -> None:
    plans = comparison_plans(dataclasses.replace(settings, serving_engine=engine), BASE)
    read = [read_settings(plan.command[3:], plan.command_environment) for plan in plans.values()]
    assert [(one.engine, one.quantize) for one in read] == [
        ("transformers", "none"), ("ctranslate2", "none"), ("ctranslate2", "int8"),
    ]  # fmt: skip
    assert all(settings.home in one.cache_dir.parents for one in read[1:])


@pytest.mark.parametrize("engine", ENGINES)
def test_in_the_own_image_they_are_compared_too_and_convert_into_its_memory(
    settings: Settings, engine: str
) -> None:
    in_a_container = dataclasses.replace(settings, serving_engine=engine, serve_with="container")
    plans = comparison_plans(in_a_container, BASE).values()
    assert {plan.image for plan in plans} == {own_serving_image(engine)}
    read = [read_settings([], {**plan.environment, "SERVE_DIALECT": engine}) for plan in plans]
    assert [(one.engine, one.quantize) for one in read] == [
        ("transformers", "none"), ("ctranslate2", "none"), ("ctranslate2", "int8"),
    ]  # fmt: skip
    assert not any("SERVE_CACHE_DIR" in plan.environment for plan in plans)


@pytest.mark.parametrize("engine", ENGINES)
def test_images_are_the_known_ones_in_the_regions_that_the_sdk_knows(engine: str) -> None:
    from sagemaker.core import image_uris

    names = ENGINES[engine]
    for region in (*REGISTRY_REGIONS, "ap-east-1"):
        image = serving_image(engine, region=region, instance_type="ml.g5.12xlarge")
        assert image.endswith(f".dkr.ecr.{region}.amazonaws.com/{IMAGES[engine]}")
        assert image == image_uris.retrieve(
            framework=names.framework, version=names.version, region=region, image_scope="inference",
            instance_type="ml.g5.12xlarge",
        )  # fmt: skip


def test_a_cpu_has_quantizations_of_its_own() -> None:
    assert quantizations("tgi", on_cpu=True) == ("none",)
    assert "int8" not in quantizations("tgi", on_cpu=False)
    assert "none" in quantizations("vllm", on_cpu=False)


def test_everything_is_shown_and_no_secret(settings: Settings) -> None:
    secret = "hf_" + "x" * 12
    settings = dataclasses.replace(settings, serve_with="container", container_images="aws")
    plan = serving_plan(settings, BASE, extra_environment={"HF_TOKEN": secret})
    shown = plan.command_text + str(plan.rows()) + plan.table().to_string()
    assert secret not in shown
    assert "HF_TOKEN=***" in plan.command_text
    assert secret in " ".join(plan.command)
    for part in (plan.image, "MAX_TOTAL_TOKENS", f"{BASE} -> /opt/ml/model (read only)", plan.url, "TGI"):
        assert part in str(plan.rows())
    network, run = plan.command_text.split("\ndocker run")
    assert network.startswith("docker network create")
    assert plan.container_name in run


def test_a_process_is_named_as_what_it_is(plan: ServingPlan) -> None:
    assert "python -m serve, on the CPU" in plan.rows()[0][1]
    assert f"HF_MODEL_ID={BASE}" in plan.command_text


def test_containers_of_one_home_have_one_name_and_others_another(settings: Settings, tmp_path: Path) -> None:
    first, again = (planned(settings, "tgi", serve_with="container") for _ in range(2))
    other = planned(settings, "tgi", serve_with="container", workshop_home=tmp_path / "other")
    assert first.container_name == again.container_name != other.container_name
    assert first.container_name in first.command


def test_a_free_port_is_taken_each_time(settings: Settings) -> None:
    assert 1024 < serving_plan(settings, BASE).port < 65536


def test_what_cannot_be_served_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="03-SageMaker-Training"):
        serving_plan(settings, tmp_path)
    with pytest.raises(WorkshopError, match="room for an answer"):
        serving_plan(settings, BASE, max_input_tokens=2048)
