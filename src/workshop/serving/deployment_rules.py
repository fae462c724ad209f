"""The single checks of a deployment. Each returns the problems that it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from processes.secret_values import hider
from workshop.containers.engine import gpu_driver
from workshop.containers.images import is_own
from workshop.instance_types import GIB, INSTANCE_TYPES, num_gpus_of, usable_bytes
from workshop.serving.engines import ENGINES, NO_QUANTIZATION, ServingEngine, ami_version, cuda_of
from workshop.serving.model_facts import ModelFacts

# Source: SageMaker API reference, ContainerDefinition and InferenceComponentContainerSpecification.
MAX_COMPONENT_VARIABLES = 16
MAX_MODEL_VARIABLES = 100
MAX_MODEL_VARIABLE_BYTES = 32 * 1024
CUDA_13_DRIVER = 580
"""The oldest NVIDIA driver for CUDA 13. Source: CUDA Toolkit release notes, table of driver versions."""

DEFAULT_MAX_LORA_RANK = 16
"""vLLM's, and so LMI's."""

_ON = ("1", "true", "yes", "on")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that would go wrong.

    Args:
        found: What is there.
        expected: What should be there.
        next_step: What to do.
    """

    found: str
    expected: str
    next_step: str


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What is looked at; see `workshop.serving.deployment_check.check_deployment`."""

    engine: str
    environment: Mapping[str, str]
    facts: ModelFacts
    instance_type: str
    image: str
    batch_size: int
    ami_version: str | None
    is_component: bool
    serves_adapter: bool
    is_local: bool

    @property
    def names(self) -> ServingEngine:
        return ENGINES[self.engine]

    def number(self, name: str) -> int | None:
        """Return a variable that is a whole number; None when it is not set or no number."""
        value = self.environment.get(name, "") if name else ""
        return int(value) if value.isdigit() else None

    @property
    def is_on_cpu(self) -> bool:
        """The container starts on this machine, in an image that needs no GPU: none is looked at."""
        return self.is_local and is_own(self.image)

    @property
    def num_gpus(self) -> int:
        """GPUs that the model is spread over; where that is left to the engine, all of the machine."""
        return self.number(self.names.tensor_parallel) or num_gpus_of(self.instance_type) or 1

    @property
    def num_gpus_setting(self) -> str:
        """The line of workshop.yaml that says how many."""
        if self.is_local:
            return "container_num_gpus"
        return "component_num_gpus" if self.is_component else "endpoint_num_gpus"

    @property
    def max_total(self) -> int:
        return self.number(self.names.max_total) or self.facts.max_positions


def _lengths(given: Deployment) -> list[Problem]:
    names, problems = given.names, []
    if given.max_total > given.facts.max_positions:
        problems.append(
            Problem(
                found=f"{names.max_total} = {given.max_total}",
                expected=f"at most {given.facts.max_positions}, the model's max_position_embeddings",
                next_step=f"lower {names.max_total}",
            )
        )
    max_input = given.number(names.max_input)
    if max_input is not None and max_input >= given.max_total:
        problems.append(
            Problem(
                found=f"{names.max_input} = {max_input} and {names.max_total} = {given.max_total}",
                expected="room for an answer: the first less than the second",
                next_step=f"lower {names.max_input} or raise {names.max_total}",
            )
        )
    return problems


def _memory(given: Deployment) -> list[Problem]:
    if given.is_on_cpu:
        return []
    usable = usable_bytes(given.instance_type, given.num_gpus)
    if usable is None:
        return [
            Problem(
                found=f"{given.instance_type}, whose GPUs are not known here",
                expected=f"one of {', '.join(INSTANCE_TYPES)}",
                next_step="compare weights and KV cache with its memory by hand",
            )
        ]
    quantization = given.environment.get(given.names.quantize, NO_QUANTIZATION)
    if quantization not in (NO_QUANTIZATION, *given.names.quantizations):
        return [
            Problem(
                found=f"{given.names.quantize} = {quantization!r}",
                expected=f"nothing, or one of {', '.join(given.names.quantizations)}",
                next_step="correct serving_quantization in workshop.yaml",
            )
        ]
    weights = given.facts.weight_bytes(given.engine, quantization)
    # Heads that are fewer than the GPUs are kept on several of them.
    copies = max(1, given.num_gpus // given.facts.num_kv_heads)
    cache = given.facts.kv_cache_bytes(given.max_total * given.batch_size) * copies
    if weights + cache <= usable:
        return []
    gpu = INSTANCE_TYPES[given.instance_type].gpu.name
    return [
        Problem(
            found=f"{weights / GIB:.1f} GiB of weights ({quantization}) + {cache / GIB:.1f} GiB of KV cache "
            f"({given.batch_size} x {given.max_total:,} tokens)",
            expected=f"at most {usable / GIB:.1f} GiB on {given.num_gpus} x {gpu} of {given.instance_type}",
            next_step="quantize the weights (serving_quantization), spread them over more GPUs "
            f"({given.num_gpus_setting}), lower {given.names.max_total}, or take a larger instance",
        )
    ]


def _tensor_parallel(given: Deployment) -> list[Problem]:
    if given.is_on_cpu:
        return []
    name, num_gpus, facts = given.names.tensor_parallel, given.num_gpus, given.facts
    problems = []
    available = num_gpus_of(given.instance_type)
    if available is not None and num_gpus > available:
        problems.append(
            Problem(
                found=f"{name} = {num_gpus}",
                expected=f"at most {available}, the GPUs of {given.instance_type}",
                next_step=f"lower {given.num_gpus_setting} in workshop.yaml, or take a larger instance",
            )
        )
    fits = facts.num_kv_heads % num_gpus == 0 or (
        given.names.replicates_kv_heads and num_gpus % facts.num_kv_heads == 0
    )
    if facts.num_heads % num_gpus or not fits:
        problems.append(
            Problem(
                found=f"{name} = {num_gpus}",
                expected=f"a number that divides the model's {facts.num_heads} attention heads and "
                f"{facts.num_kv_heads} key-value heads",
                next_step=f"set {given.num_gpus_setting} in workshop.yaml to 1, 2, 4 or 8",
            )
        )
    return problems


def _num_variables(given: Deployment) -> list[Problem]:
    environment = given.environment
    limit = MAX_COMPONENT_VARIABLES if given.is_component else MAX_MODEL_VARIABLES
    what = "an inference component" if given.is_component else "a Model"
    problems = []
    if len(environment) > limit:
        problems.append(
            Problem(
                found=f"{len(environment)} environment variables",
                expected=f"at most {limit} for {what}",
                next_step="leave out those that repeat a default"
                + (", or set them on a Model and name it in the component" if given.is_component else ""),
            )
        )
    size = sum(len(name.encode()) + len(value.encode()) for name, value in environment.items())
    if size > MAX_MODEL_VARIABLE_BYTES:
        problems.append(
            Problem(
                found=f"{size:,} bytes of environment variables",
                expected=f"at most {MAX_MODEL_VARIABLE_BYTES:,}",
                next_step="put long values into a file beside the model",
            )
        )
    return problems


def _adapter_rank(given: Deployment) -> list[Problem]:
    name, rank = given.names.max_lora_rank, given.facts.adapter_rank
    switched_on = any(
        given.environment.get(variable, "").lower() in _ON or "=" in given.environment.get(variable, "")
        for variable in given.names.lora
    )
    if not name or rank is None or not (switched_on or given.serves_adapter):
        return []
    highest = given.number(name) or DEFAULT_MAX_LORA_RANK
    if rank <= highest:
        return []
    return [
        Problem(
            found=f"an adapter of rank {rank}",
            expected=f"at most {highest} ({name}, {DEFAULT_MAX_LORA_RANK} when it is not set)",
            next_step=f"set {name} to {max(8, 1 << (rank - 1).bit_length())}",
        )
    ]


def _cuda(given: Deployment) -> list[Problem]:
    """Compare the CUDA of the image with the driver of the machine image, and that with the GPU.

    An older driver does not start the container, and a container with CUDA 12 was seen to hang on the newer
    one without a log, while the endpoint costs. Source: aws/deep-learning-containers, pull request 6187.
    """
    cuda, needed = cuda_of(given.image), ami_version(given.image, given.instance_type)
    if needed is None or given.is_local:
        return []
    if cuda == 13 and not INSTANCE_TYPES[given.instance_type].gpu.has_cuda_13_ami:
        older = given.names.cuda_12_image
        return [
            Problem(
                found=f"an image with CUDA 13 on {given.instance_type}",
                expected=f"CUDA 12 there, or an instance that takes {needed}: ml.g6.12xlarge",
                next_step="set endpoint_instance_type to such a one in workshop.yaml"
                + (f", or take the image {older}" if older else ""),
            )
        ]
    if given.ami_version == needed:
        return []
    return [
        Problem(
            found=f"an image with CUDA {cuda}, InferenceAmiVersion {given.ami_version or 'not set'}",
            expected=f"InferenceAmiVersion = {needed}, whose driver is made for CUDA {cuda}",
            next_step=f'set InferenceAmiVersion="{needed}" in the variant of the endpoint configuration; '
            "containers of one endpoint all have the same generation of CUDA (common_cuda, serving_image)",
        )
    ]


def _driver(given: Deployment) -> list[Problem]:
    """Compare the CUDA of the image with the driver of this machine, where the container starts on it.

    LMI's image brings a newer driver library along where it needs one, vLLM's does not. Source: djl-serving's
    dockerd-entrypoint-with-cuda-compat.sh; aws/deep-learning-containers, scripts/docker/vllm (2026-08).
    """
    driver = gpu_driver() if given.is_local else None
    if driver is None or cuda_of(given.image) != 13 or driver >= CUDA_13_DRIVER:
        return []
    return [
        Problem(
            found=f"an image with CUDA 13 and NVIDIA driver {driver} on this machine",
            expected=f"driver {CUDA_13_DRIVER} or newer",
            next_step="update the driver; or set endpoint_instance_type: ml.g5.12xlarge, whose images have "
            "CUDA 12; LMI's image may run as it is",
        )
    ]


def _secrets(given: Deployment) -> list[Problem]:
    return [
        Problem(
            found=f"{name}, which holds a secret",
            expected="no token, key or password: everybody who may describe the model can read it",
            next_step="remove it: the model is read from S3 and needs none; revoke it if it was deployed",
        )
        for name, value in given.environment.items()
        if hider({name: value})(value) != value
    ]


CHECKS: tuple[Callable[[Deployment], list[Problem]], ...] = (
    _lengths,
    _memory,
    _tensor_parallel,
    _num_variables,
    _adapter_rank,
    _cuda,
    _driver,
    _secrets,
)
