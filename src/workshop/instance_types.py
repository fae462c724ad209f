"""Every instance type that the workshop knows: its GPUs, its price, how fast it trains. A new one is one row.

What is not here may still be used: its price, speed and memory are then called unknown, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1024**3
PRICES_DATE, PRICES_REGION = "2026-11", "us-east-1"

USABLE_SHARE = 0.9
"""vLLM's gpu_memory_utilization; the rest is for the driver, CUDA graphs and other programs."""

ACTIVATIONS_GIB = 1.5
"""On each GPU, for a prefill of some thousand tokens. A guess, on the safe side for 8B models."""

CUDA_12_AMI = "al2-ami-sagemaker-inference-gpu-3-1"
CUDA_13_AMI = "al2023-ami-sagemaker-inference-gpu-4-1"
"""Machine images of endpoints, by the CUDA of their containers: driver 550 and driver 580.

Source: aws/deep-learning-containers, test/test_utils/constants.py (2026-08).
"""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One kind of GPU.

    Args:
        name: NVIDIA's.
        memory_gib: In GiB, as its name says; nvidia-smi shows a little less.
        speed: How fast it trains, an A10G being 1.
        has_cuda_13_ami: Whether endpoints with it take CUDA_13_AMI, and so containers with CUDA 13.
    """

    name: str
    memory_gib: int
    speed: float
    has_cuda_13_ami: bool = True


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """One instance type of SageMaker.

    Args:
        gpu: All of its GPUs are of this kind.
        num_gpus: 1 or more.
        usd_per_hour: On demand in PRICES_REGION, as of PRICES_DATE; None when the price is not known here.
    """

    gpu: Gpu
    num_gpus: int
    usd_per_hour: float | None


# Speed: memory bandwidth over that of an A10G (600 GB/s); of the ratios on NVIDIA's data sheets the smallest,
# so that an estimate is rather too long. L4 300, L40S 864, A100 40 GB 1,555, A100 80 GB 2,039, H100 3,350.
# AWS's own tests were refused CUDA_13_AMI on ml.g5.12xlarge ("Invalid combination"): commit 2ec0bc190f of
# aws/deep-learning-containers, 2026-07-15.
_A10G = Gpu(name="A10G", memory_gib=24, speed=1.0, has_cuda_13_ami=False)
_L4 = Gpu(name="L4", memory_gib=24, speed=0.5)
_L40S = Gpu(name="L40S", memory_gib=48, speed=1.44)
_A100 = Gpu(name="A100", memory_gib=40, speed=2.59)
_A100_80 = Gpu(name="A100", memory_gib=80, speed=3.4)
_H100 = Gpu(name="H100", memory_gib=80, speed=5.58)

# Source of the prices: public copies of the AWS price list. The list itself is the authority:
# https://aws.amazon.com/sagemaker/ai/pricing/
INSTANCE_TYPES: dict[str, InstanceType] = {
    name: InstanceType(gpu=gpu, num_gpus=num_gpus, usd_per_hour=usd_per_hour)
    for name, gpu, num_gpus, usd_per_hour in (
        ("ml.g5.xlarge", _A10G, 1, None),
        ("ml.g5.2xlarge", _A10G, 1, 1.52),
        ("ml.g5.4xlarge", _A10G, 1, 2.03),
        ("ml.g5.8xlarge", _A10G, 1, None),
        ("ml.g5.12xlarge", _A10G, 4, 7.09),
        ("ml.g5.16xlarge", _A10G, 1, None),
        ("ml.g5.24xlarge", _A10G, 4, 10.18),
        ("ml.g5.48xlarge", _A10G, 8, 20.36),
        ("ml.g6.xlarge", _L4, 1, None),
        ("ml.g6.2xlarge", _L4, 1, 1.22),
        ("ml.g6.4xlarge", _L4, 1, None),
        ("ml.g6.8xlarge", _L4, 1, None),
        ("ml.g6.12xlarge", _L4, 4, 5.75),
        ("ml.g6.16xlarge", _L4, 1, None),
        ("ml.g6.24xlarge", _L4, 4, None),
        ("ml.g6.48xlarge", _L4, 8, None),
        ("ml.g6e.xlarge", _L40S, 1, None),
        ("ml.g6e.2xlarge", _L40S, 1, 2.80),
        ("ml.g6e.4xlarge", _L40S, 1, 3.76),
        ("ml.g6e.8xlarge", _L40S, 1, None),
        ("ml.g6e.12xlarge", _L40S, 4, 13.10),
        ("ml.g6e.16xlarge", _L40S, 1, None),
        ("ml.g6e.24xlarge", _L40S, 4, None),
        ("ml.g6e.48xlarge", _L40S, 8, None),
        ("ml.p4d.24xlarge", _A100, 8, 25.25),
        ("ml.p4de.24xlarge", _A100_80, 8, None),
        ("ml.p5.4xlarge", _H100, 1, None),
        ("ml.p5.48xlarge", _H100, 8, 63.30),
    )
}


# Without a GPU: dollars an hour as above, November 2026. Source of ml.c6i.2xlarge, of endpoints: twice the
# 0.204 of ml.c6i.xlarge in a public copy of the price list; its predecessor ml.c5.2xlarge costs the same. Of
# ml.m5.xlarge, of processing jobs: what GetProducts answered two others (USE1-Processing:ml.m5.xlarge).
CPU_USD_PER_HOUR: dict[str, float] = {"ml.c6i.2xlarge": 0.41, "ml.m5.xlarge": 0.23}


def usd_per_hour_of(instance_type: str) -> float | None:
    """Return what an hour of an instance type costs; None when that is not known here."""
    known = INSTANCE_TYPES.get(instance_type)
    return known.usd_per_hour if known else CPU_USD_PER_HOUR.get(instance_type)


def num_gpus_of(instance_type: str) -> int | None:
    """Return how many GPUs an instance type has; None for one that is not known here."""
    known = INSTANCE_TYPES.get(instance_type)
    return known.num_gpus if known else None


def usable_bytes(instance_type: str, num_gpus: int) -> float | None:
    """Return what weights and KV cache may take on so many GPUs; None for an unknown instance type."""
    known = INSTANCE_TYPES.get(instance_type)
    return num_gpus * (known.gpu.memory_gib * USABLE_SHARE - ACTIVATIONS_GIB) * GIB if known else None
