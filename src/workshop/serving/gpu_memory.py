"""How many GPUs an instance type has, and how much memory each."""

from __future__ import annotations

from workshop.cost import NUM_GPUS_OF_FAMILY, NUM_GPUS_OF_SIZE

GIB = 1024**3
# Family -> GPU and its memory in GiB, as NVIDIA names it.
GPU_OF_FAMILY = {
    "g5": ("A10G", 24),
    "g6": ("L4", 24),
    "g6e": ("L40S", 48),
    "p4d": ("A100", 40),
    "p4de": ("A100", 80),
    "p5": ("H100", 80),
}
USABLE_SHARE = 0.9
"""vLLM's gpu_memory_utilization; the rest is for the driver, CUDA graphs and other programs."""

ACTIVATIONS_GIB = 1.5
"""On each GPU, for a prefill of some thousand tokens. A guess, on the safe side for 8B models."""


def family_of(instance_type: str) -> str:
    """Return the family of an instance type: "g5" of "ml.g5.12xlarge"."""
    return instance_type.removeprefix("ml.").partition(".")[0]


def num_gpus_of(instance_type: str) -> int | None:
    """Return how many GPUs an instance type has; None for a family that is not known here."""
    family, size = family_of(instance_type), instance_type.rpartition(".")[2]
    if family not in GPU_OF_FAMILY:
        return None
    return NUM_GPUS_OF_FAMILY.get(family) or NUM_GPUS_OF_SIZE.get(size, 1)


def usable_bytes(instance_type: str, num_gpus: int) -> float | None:
    """Return what weights and KV cache may take on so many GPUs; None for an unknown family."""
    gpu = GPU_OF_FAMILY.get(family_of(instance_type))
    return None if gpu is None else num_gpus * (gpu[1] * USABLE_SHARE - ACTIVATIONS_GIB) * GIB
