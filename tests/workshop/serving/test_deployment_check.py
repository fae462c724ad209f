"""What would go wrong on AWS is found in the files and the environment; what is right is left alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from safetensors import safe_open
from tests.serve.server_process import BASE
from tests.workshop.programs import program

from workshop.containers.images import own_serving_image
from workshop.errors import WorkshopError
from workshop.instance_types import CUDA_12_AMI, CUDA_13_AMI, INSTANCE_TYPES, num_gpus_of
from workshop.serving.deployment_check import check_deployment, problems_table
from workshop.serving.engines import ENGINES
from workshop.serving.environment import serving_environment
from workshop.serving.model_facts import ModelFacts
from workshop.serving.plan import serving_plan
from workshop.settings import load_settings

# meta-llama/Meta-Llama-3-8B, as transformers 4 wrote it.
LLAMA_3_8B = {
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 8192, "rope_theta": 500000.0,
}  # fmt: skip
FACTS = ModelFacts(config=LLAMA_3_8B, tokenizer_config={"tokenizer_class": "PreTrainedTokenizerFast"})
TGI = {"HF_MODEL_ID": "/opt/ml/model", "SM_NUM_GPUS": "4", "MAX_INPUT_TOKENS": "1792",
       "MAX_TOTAL_TOKENS": "2048"}  # fmt: skip
VLLM = {
    "SM_VLLM_MODEL": "/opt/ml/model",
    "SM_VLLM_TENSOR_PARALLEL_SIZE": "4",
    "SM_VLLM_MAX_MODEL_LEN": "2048",
}
CU130 = "763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker"


def found(engine: str, environment: dict, facts: ModelFacts = FACTS, **given) -> str:
    problems = check_deployment(engine, environment, facts, **({"instance_type": "ml.g5.12xlarge"} | given))
    return "\n".join(f"{one.found} | {one.expected} | {one.next_step}" for one in problems)


def with_(changes: dict) -> ModelFacts:
    return dataclasses.replace(FACTS, config=LLAMA_3_8B | changes)


@pytest.mark.parametrize("mode", ["debug", "full", "full-48xl"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_workshops_own_deployments_are_good(mode: str, engine: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_3_8B))
    settings = load_settings(environ={"WORKSHOP_MODE": mode, "WORKSHOP_SERVING_ENGINE": engine})
    plan = serving_plan(settings, tmp_path)
    environment = serving_environment(engine, num_gpus=settings.endpoint_num_gpus)
    problems = check_deployment(
        engine, environment, ModelFacts.of_folder(tmp_path), image=plan.image,
        ami_version=plan.ami_version, instance_type=settings.endpoint_instance_type, is_component=True,
    )  # fmt: skip
    assert problems == []
    assert list(problems_table(problems).columns) == ["found", "expected", "do next"]


@pytest.mark.parametrize("mode", ["debug", "full", "full-48xl"])
@pytest.mark.parametrize("engine", ENGINES)
def test_llama_3_8b_is_tried_on_one_gpu_of_24_gb(mode: str, engine: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_3_8B))
    settings = load_settings(environ={"WORKSHOP_MODE": mode, "WORKSHOP_SERVING_ENGINE": engine})
    plan, machine = serving_plan(settings, tmp_path), settings.container_instance_type
    known = INSTANCE_TYPES[machine]
    assert (machine, known.num_gpus, known.gpu.memory_gib) == ("ml.g5.4xlarge", 1, 24)
    given = {"instance_type": machine, "image": plan.image, "is_local": True}
    assert found(engine, dict(plan.environment), ModelFacts.of_folder(tmp_path), **given) == ""
    # 15.0 GiB of weights leave 5.1: 2 for 8 requests of 2,048 tokens, not 8 for as many of 8,192.
    longer = dict(plan.environment) | {ENGINES[engine].max_total: "8192"}
    assert "container_num_gpus" in found(engine, longer, ModelFacts.of_folder(tmp_path), **given)


@pytest.mark.parametrize(
    ("driver", "image", "is_good"),
    [("580.95.05", CU130, True), ("570.133.20", CU130, False), ("570.133.20", "vllm:0.19.1-gpu-cu129", True)],
)
def test_a_container_on_this_machine_is_compared_with_its_own_driver(
    programs: Path, driver: str, image: str, is_good: bool
) -> None:
    program(programs, "nvidia-smi", f"echo {driver}")
    one_gpu = VLLM | {"SM_VLLM_TENSOR_PARALLEL_SIZE": "1"}
    text = found("vllm", one_gpu, image=image, instance_type="ml.g5.4xlarge", is_local=True)
    assert text == "" if is_good else "NVIDIA driver 570 on this machine | driver 580 or newer" in text


@pytest.mark.parametrize("engine", ENGINES)
def test_an_image_for_cpus_is_compared_with_no_gpu_and_no_driver(engine: str, programs: Path) -> None:
    program(programs, "nvidia-smi", "echo 470.1")
    plan_environment = serving_environment(engine, num_gpus=64, max_total_tokens=8192)
    given = {"instance_type": "ml.g5.4xlarge", "image": own_serving_image(engine), "is_local": True}
    assert found(engine, plan_environment, FACTS, **given) == ""
    assert "container_num_gpus" in found(engine, plan_environment, FACTS, **(given | {"image": CU130}))
    assert "max_position_embeddings" in found(
        engine, plan_environment | {ENGINES[engine].max_total: "9000"}, FACTS, **given
    )


def test_weights_are_counted_as_the_file_has_them() -> None:
    facts = ModelFacts.of_folder(BASE)
    with safe_open(BASE / "model.safetensors", "numpy") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 - no mapping
    count = sum(shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in shapes)
    assert facts.num_linear_weights + facts.num_other_weights == count


def test_sizes_of_llama_3_8b_are_the_published_ones() -> None:
    assert FACTS.num_linear_weights + FACTS.num_other_weights == 8_030_261_248
    assert FACTS.weight_bytes("tgi") == 2 * 8_030_261_248
    assert FACTS.kv_cache_bytes(1) == 131_072  # 128 KiB a token
    sizes = {name: FACTS.weight_bytes("tgi", name) for name in ENGINES["tgi"].quantizations}
    assert sizes["bitsandbytes-nf4"] < sizes["fp8"] == sizes["bitsandbytes"] < FACTS.weight_bytes("tgi")
    assert FACTS.weight_bytes("vllm", "bitsandbytes") == sizes["bitsandbytes-nf4"]


def test_gpus_are_those_that_the_sdk_knows() -> None:
    from sagemaker.core.image_uris import config_for_framework

    known = config_for_framework("instance_gpu_info")["us-east-1"]
    checked = 0
    for instance_type, told in known.items():
        if instance_type not in INSTANCE_TYPES or instance_type == "ml.g5.48xlarge":  # 22.35 GiB a GPU there
            continue
        row = INSTANCE_TYPES[instance_type]
        assert row.num_gpus == num_gpus_of(instance_type) == told["Count"]
        assert row.gpu.memory_gib == told["TotalGpuMemoryInMiB"] / told["Count"] / 1024
        checked += 1
    assert checked >= 8
    assert num_gpus_of("ml.g5.48xlarge") == 8
    assert num_gpus_of("ml.m5.xlarge") is None


def test_every_type_of_a_known_family_is_known() -> None:
    """As far as botocore's model of SageMaker names it."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("sagemaker")
    names = {
        name
        for shape in ("TrainingInstanceType", "ProductionVariantInstanceType")
        for name in model.shape_for(shape).enum
    }
    families = {name.rpartition(".")[0] for name in INSTANCE_TYPES}
    assert len(families) >= 5
    assert {name for name in names if name.rpartition(".")[0] in families} <= set(INSTANCE_TYPES)


def test_lengths_beyond_the_model_or_without_an_answer() -> None:
    assert "MAX_TOTAL_TOKENS = 9000 | at most 8192" in found("tgi", TGI | {"MAX_TOTAL_TOKENS": "9000"})
    assert "room for an answer" in found("tgi", TGI | {"MAX_INPUT_TOKENS": "2048"})
    assert "SM_VLLM_MAX_MODEL_LEN = 9000" in found("vllm", VLLM | {"SM_VLLM_MAX_MODEL_LEN": "9000"})
    assert found("tgi", TGI | {"MAX_TOTAL_TOKENS": "8192"}) == ""


def test_memory_is_weights_and_cache_together() -> None:
    one_gpu = TGI | {"SM_NUM_GPUS": "1"}
    # 15.0 GiB of weights on one A10G: 2 GiB of cache fit, 8 GiB do not.
    assert found("tgi", one_gpu, instance_type="ml.g5.2xlarge") == ""
    too_much = found("tgi", one_gpu, instance_type="ml.g5.2xlarge", batch_size=32)
    assert "15.0 GiB of weights (none) + 8.0 GiB of KV cache (32 x 2,048 tokens)" in too_much
    assert "20.1 GiB on 1 x A10G" in too_much
    quantized = one_gpu | {"HF_MODEL_QUANTIZE": "bitsandbytes-nf4"}
    assert found("tgi", quantized, instance_type="ml.g5.2xlarge", batch_size=32) == ""
    assert found("tgi", one_gpu, instance_type="ml.p5.48xlarge", batch_size=32) == ""
    assert "not known here" in found("tgi", one_gpu, instance_type="ml.m5.xlarge")
    assert "one of bitsandbytes, fp8" in found("vllm", VLLM | {"SM_VLLM_QUANTIZATION": "bitsandbytes-nf4"})


def test_a_limit_left_out_is_the_models_own() -> None:
    without = {name: value for name, value in TGI.items() if name != "MAX_TOTAL_TOKENS"} | {
        "SM_NUM_GPUS": "1"
    }
    assert "8 x 8,192 tokens" in found("tgi", without, instance_type="ml.g5.2xlarge")


@pytest.mark.parametrize(
    ("engine", "num_gpus", "changes", "is_good"),
    [
        ("tgi", "4", {}, True),
        ("tgi", "3", {}, False),
        ("tgi", "8", {}, False),  # more than ml.g5.12xlarge has
        ("tgi", "4", {"num_key_value_heads": 2}, False),
        ("vllm", "4", {"num_key_value_heads": 2}, True),
        ("vllm", "4", {"num_attention_heads": 30, "num_key_value_heads": 4, "head_dim": 128}, False),
        ("vllm", "4", {"num_key_value_heads": 3}, False),
    ],
)
def test_heads_are_shared_out_evenly(engine: str, num_gpus: str, changes: dict, is_good: bool) -> None:
    name = ENGINES[engine].tensor_parallel
    environment = (TGI if engine == "tgi" else VLLM) | {name: num_gpus}
    assert (f"{name} = {num_gpus}" not in found(engine, environment, with_(changes))) is is_good


def test_heads_that_are_fewer_than_gpus_are_kept_several_times() -> None:
    facts = with_({"num_key_value_heads": 2})
    environment = VLLM | {"SM_VLLM_TENSOR_PARALLEL_SIZE": "8", "SM_VLLM_MAX_MODEL_LEN": "8192"}
    text = found("vllm", environment, facts, instance_type="ml.g5.48xlarge", batch_size=200)
    assert f"{facts.kv_cache_bytes(8192 * 200) * 4 / 2**30:.1f} GiB of KV cache" in text


def test_environments_are_counted() -> None:
    many = {f"MORE_{number}": "1" for number in range(13)} | TGI
    assert found("tgi", many) == ""
    assert "17 environment variables | at most 16 for an inference component" in found(
        "tgi", many, is_component=True
    )
    assert "at most 100 for a Model" in found("tgi", TGI | {f"MORE_{number}": "1" for number in range(97)})
    assert "bytes of environment variables" in found("tgi", TGI | {"LONG": "한" * 11_000})


@pytest.mark.parametrize(
    ("engine", "more", "rank", "text"),
    [
        ("vllm", {"SM_VLLM_ENABLE_LORA": "true"}, 64, "set SM_VLLM_MAX_LORA_RANK to 64"),
        ("vllm", {"SM_VLLM_ENABLE_LORA": "true"}, 20, "set SM_VLLM_MAX_LORA_RANK to 32"),
        ("vllm", {"SM_VLLM_LORA_MODULES": "news=/opt/ml/adapter"}, 64, "at most 16"),
        ("vllm", {"SM_VLLM_ENABLE_LORA": "true", "SM_VLLM_MAX_LORA_RANK": "64"}, 64, ""),
        ("vllm", {"SM_VLLM_ENABLE_LORA": "true"}, 16, ""),
        ("vllm", {"SM_VLLM_ENABLE_LORA": "false"}, 64, ""),
        ("vllm", {}, 64, ""),
        ("lmi", {"OPTION_ENABLE_LORA": "true"}, 64, "set OPTION_MAX_LORA_RANK to 64"),
        ("tgi", {"LORA_ADAPTERS": "news=/opt/ml/adapter"}, 64, ""),
    ],
)
def test_an_adapters_rank_is_compared_where_adapters_are_served(
    engine: str, more: dict, rank: int, text: str
) -> None:
    environment = {"OPTION_TENSOR_PARALLEL_DEGREE": "4", "OPTION_MAX_MODEL_LEN": "2048"}
    environment = {"tgi": TGI, "vllm": VLLM, "lmi": environment}[engine] | more
    told = found(engine, environment, dataclasses.replace(FACTS, adapter_config={"r": rank}))
    assert text in told
    assert bool(told) is bool(text)


def test_an_adapter_served_by_a_component_of_its_own_is_compared_too() -> None:
    facts = dataclasses.replace(FACTS, adapter_config={"r": 64})
    assert "an adapter of rank 64" in found("vllm", VLLM, facts, serves_adapter=True)


@pytest.mark.parametrize(
    ("image", "needed", "other"),
    [(CU130, CUDA_13_AMI, CUDA_12_AMI), (CU130.replace("cu130", "cu124"), CUDA_12_AMI, CUDA_13_AMI)],
)
def test_a_container_and_the_machine_image_have_one_generation_of_cuda(
    image: str, needed: str, other: str
) -> None:
    on_g6 = {"instance_type": "ml.g6.12xlarge", "image": image}
    assert f'InferenceAmiVersion="{needed}"' in found("vllm", VLLM, **on_g6)
    assert f"InferenceAmiVersion {other}" in found("vllm", VLLM, **on_g6, ami_version=other)
    assert found("vllm", VLLM, **on_g6, ami_version=needed) == ""


@pytest.mark.parametrize("ami_version", [None, CUDA_12_AMI, CUDA_13_AMI])
def test_a_gpu_without_a_machine_image_for_cuda_13_gets_an_older_container(ami_version: str | None) -> None:
    told = found("vllm", VLLM, image=CU130, ami_version=ami_version)
    assert "CUDA 13 on ml.g5.12xlarge" in told
    assert "ml.g6.12xlarge" in told
    assert ENGINES["vllm"].cuda_12_image in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HF_TOKEN", "hf_" + "a" * 20),
        ("NOTE", "my token is hf_" + "a" * 20),
        ("HUGGING_FACE_HUB_TOKEN", "something-long"),
        ("AWS_SECRET_ACCESS_KEY", "b" * 40),
        ("WHO", "AK" + "IA" + "B" * 16),
    ],
)
def test_a_secret_is_found_and_not_shown(name: str, value: str) -> None:
    told = found("tgi", TGI | {name: value})
    assert f"{name}, which holds a secret" in told
    assert value not in told


def test_a_folder_is_read_with_its_adapter(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match=r"no config\.json"):
        ModelFacts.of_folder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_3_8B))
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text('{"r": 8}')
    assert ModelFacts.of_folder(tmp_path).adapter_rank == 8
    assert ModelFacts.of_folder(tmp_path).tokenizer_config == {}
    (tmp_path / "tokenizer_config.json").write_text("{half")
    with pytest.raises(WorkshopError, match=r"tokenizer_config\.json, which is not JSON"):
        ModelFacts.of_folder(tmp_path)
