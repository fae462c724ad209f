"""The table of serving engines: images, names of settings, limits, errors, and what each does to weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from workshop.instance_types import CUDA_12_AMI, CUDA_13_AMI, INSTANCE_TYPES

CONTAINER_MODEL_DIR = "/opt/ml/model"
CONTAINER_PORT = 8080
PLACES = ("process", "container")
"""Where a model is served on this machine: `python -m serve` on the CPU, or an image in Docker."""

NO_QUANTIZATION = "none"
CPU_QUANTIZATIONS = (NO_QUANTIZATION,)
"""Of `python -m serve`; int8 is CTranslate2's, which is compared and not served: it takes no seed."""

REGISTRY_ACCOUNT = "763104351884"
REGISTRY_REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
    *("ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
)

MAX_BATCH_SIZE = 32
"""Sequences that vLLM, and so LMI, computes at once. Their default of 256 is captured in CUDA graphs, which
ran out of memory by 60 to 130 MiB for Llama-3-8B on four L4. Source: djl-serving issue 3055."""

Limit = Literal["total", "input", "requests"]
"""What an engine limits: prompt and answer together, the prompt alone, requests at once."""


@dataclass(frozen=True, kw_only=True)
class ServingEngine:
    """What one engine's image is called, what its settings are called, and what it answers beyond a limit.

    Args:
        title: For people.
        short_title: In the first line of an error.
        framework: In `sagemaker.core.image_uris.retrieve`.
        version: Of the image, there.
        image: Its repository and tag.
        cuda_12_image: The last one with CUDA 12; "" where `image` is that.
        model, tensor_parallel, max_total, quantize: Names of environment variables.
        max_input: Name of the variable for the longest prompt; "" where only the total is limited.
        max_requests: Name of the variable for the requests that it takes at once.
        over_limit: Limit -> what the engine answers beyond it. Groups: `limit`; where it says so `prompt` and
            `new`, the tokens asked for.
        info_path: GET route that tells what is served.
        fixed: Further variables.
        quantizations: What it can do to bf16 weights while it loads them.
        lora: Names of variables that switch LoRA adapters on.
        max_lora_rank: Name of the variable for the largest adapter; "" where there is no limit.
        adapters_later: Variables that let adapters come and go while it runs; empty where it cannot.
        reads_transformers_5: Whether it understands a model folder as transformers 5 writes it.
        bitsandbytes_bits: Of a weight, under its quantization "bitsandbytes".
        replicates_kv_heads: Whether a key-value head may be on several GPUs, where there are fewer heads than
            GPUs.
    """

    title: str
    short_title: str
    framework: str
    version: str
    image: str
    model: str
    tensor_parallel: str
    max_total: str
    max_requests: str
    quantize: str
    quantizations: tuple[str, ...]
    info_path: str
    cuda_12_image: str = ""
    max_input: str = ""
    fixed: tuple[tuple[str, str], ...] = ()
    lora: tuple[str, ...] = ()
    max_lora_rank: str = ""
    adapters_later: tuple[tuple[str, str], ...] = ()
    reads_transformers_5: bool = True
    over_limit: Mapping[Limit, re.Pattern[str]] = field(default_factory=dict)
    bitsandbytes_bits: int = 4
    replicates_kv_heads: bool = True

    def variable_of(self, limit: Limit) -> str:
        """Return the name of the variable that sets a limit."""
        by_limit = {
            "total": self.max_total,
            "input": self.max_input or self.max_total,
            "requests": self.max_requests,
        }
        return by_limit[limit]


# Quantizations that need weights prepared beforehand (awq, gptq, ...) are left out: training leaves bf16.
# Source: TGI 3.3.7 launcher; LMI vLLM user guide ("runtime quantization"); vLLM DLC (SM_VLLM_* become flags);
# adapters: LMI adapters guide, "LoRA Adapter Management" of AWS's model-hosting-container-standards; what is
# said beyond a limit: TGI 3.3.7, router/src/validation.rs; vLLM's words of several versions (issues 19464,
# 20409), which LMI passes on.
ENGINES = {
    "tgi": ServingEngine(
        title="TGI",
        short_title="TGI",
        framework="huggingface-llm",
        version="3.3.6",
        image="huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04",
        model="HF_MODEL_ID",
        tensor_parallel="SM_NUM_GPUS",
        max_input="MAX_INPUT_TOKENS",
        max_total="MAX_TOTAL_TOKENS",
        max_requests="MAX_CONCURRENT_REQUESTS",
        over_limit={
            "total": re.compile(
                r"`inputs` tokens \+ `max_new_tokens` must be <= (?P<limit>\d+)\. "
                r"Given: (?P<prompt>\d+) .* and (?P<new>\d+) `max_new_tokens`"
            ),
            "input": re.compile(
                r"`inputs` must have less than (?P<limit>\d+) tokens\. Given: (?P<prompt>\d+)"
            ),
        },
        quantize="HF_MODEL_QUANTIZE",
        info_path="/info",
        quantizations=("bitsandbytes", "bitsandbytes-nf4", "bitsandbytes-fp4", "eetq", "fp8"),
        lora=("LORA_ADAPTERS",),
        reads_transformers_5=False,  # its transformers is 4.51: family_rules.py
        bitsandbytes_bits=8,
        replicates_kv_heads=False,
    ),
    "vllm": ServingEngine(
        title="vLLM",
        short_title="vLLM",
        framework="vllm",
        version="0.30.0",
        image="vllm:0.30.0-gpu-py312-cu130-ubuntu24.04-sagemaker",
        cuda_12_image="vllm:0.19.1-gpu-py312-cu129-ubuntu22.04-sagemaker",
        model="SM_VLLM_MODEL",
        tensor_parallel="SM_VLLM_TENSOR_PARALLEL_SIZE",
        max_total="SM_VLLM_MAX_MODEL_LEN",
        max_requests="SM_VLLM_MAX_NUM_SEQS",
        over_limit={"total": re.compile(r"context length (?:is|of) (?:only )?(?P<limit>\d+)")},
        quantize="SM_VLLM_QUANTIZATION",
        fixed=(("SM_VLLM_MAX_NUM_SEQS", str(MAX_BATCH_SIZE)),),
        info_path="/v1/models",
        quantizations=("bitsandbytes", "fp8"),
        lora=("SM_VLLM_ENABLE_LORA", "SM_VLLM_LORA_MODULES"),
        max_lora_rank="SM_VLLM_MAX_LORA_RANK",
        adapters_later=(("SM_VLLM_ENABLE_LORA", "true"), ("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "true")),
    ),
    "lmi": ServingEngine(
        title="LMI (DJL Serving)",
        short_title="LMI",
        framework="djl-lmi",
        version="0.38.0",
        image="djl-inference:0.38.0-lmi29.0.0-cu130",
        cuda_12_image="djl-inference:0.36.0-lmi24.0.0-cu129",
        model="HF_MODEL_ID",
        tensor_parallel="OPTION_TENSOR_PARALLEL_DEGREE",
        max_total="OPTION_MAX_MODEL_LEN",
        max_requests="SERVING_JOB_QUEUE_SIZE",
        quantize="OPTION_QUANTIZE",
        # Without it another handler answers, which samples unless a request says not to (djl-serving 0.36).
        fixed=(("OPTION_ROLLING_BATCH", "vllm"), ("OPTION_MAX_ROLLING_BATCH_SIZE", str(MAX_BATCH_SIZE))),
        info_path="/models",
        quantizations=("bitsandbytes", "fp8"),
        lora=("OPTION_ENABLE_LORA",),
        max_lora_rank="OPTION_MAX_LORA_RANK",
        adapters_later=(("OPTION_ENABLE_LORA", "true"),),
    ),
}


def quantizations(engine: str, *, on_cpu: bool) -> tuple[str, ...]:
    """Return what may be chosen as serving_quantization."""
    if on_cpu:
        return CPU_QUANTIZATIONS
    return (NO_QUANTIZATION, *ENGINES[engine].quantizations)


def serving_image(engine: str, *, region: str, instance_type: str, cuda: int = 13) -> str:
    """Return the address of an engine's image in AWS's registry; no network is needed.

    The newest is the same as `sagemaker.core.image_uris.retrieve` gives, whose import takes 5 s of a CPU; it
    is asked for the regions that have a registry of their own.

    Args:
        engine: A name of ENGINES.
        region: Of the endpoint.
        instance_type: Of the endpoint.
        cuda: Its newest generation of CUDA: 13, or 12 for what runs beside a container with 12.
    """
    names = ENGINES[engine]
    image = names.cuda_12_image if cuda == 12 and names.cuda_12_image else names.image
    if region in REGISTRY_REGIONS:
        return f"{REGISTRY_ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{image}"
    from sagemaker.core import image_uris

    newest = image_uris.retrieve(
        framework=names.framework,
        region=region,
        version=names.version,
        instance_type=instance_type,
        image_scope="inference",
    )
    return f"{newest.partition('/')[0]}/{image}"


def common_cuda(engines: Iterable[str], instance_type: str) -> int:
    """Return the newest generation of CUDA, 12 or 13, that all containers on one endpoint can have.

    The driver is the machine image's, and all of an endpoint's instances have the same one. A container with
    the other generation was seen to stay in Creating without a log.

    Source: aws/deep-learning-containers, pull request 6187.
    """
    known = INSTANCE_TYPES.get(instance_type)
    newest = {cuda_of(ENGINES[engine].image) or 13 for engine in engines}
    return 12 if 12 in newest or (known and not known.gpu.has_cuda_13_ami) else 13


def cuda_of(image: str) -> int | None:
    """Return the generation of CUDA that an image's tag names, for example 12; None where it names none."""
    found = re.search(r"(?<![a-z0-9])cu(1\d)\d", image)
    return int(found[1]) if found else None


def ami_version(image: str, instance_type: str) -> str | None:
    """Return InferenceAmiVersion of a variant that runs an image; None where nothing is known of it."""
    return {12: CUDA_12_AMI, 13: CUDA_13_AMI}.get(cuda_of(image)) if instance_type in INSTANCE_TYPES else None
