"""What a container's program sees of the sandbox's own environment: what belongs to the machine."""

from __future__ import annotations

import os

HANDED_ON = (
    # where a GPU's libraries are, and which GPUs
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "TZ",
    # which instructions of the processor the libraries may use: without them a walk that imitates an older
    # processor would train and serve on the one that is there
    "ONEDNN_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
    "CT2_FORCE_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
)


def handed_on() -> dict[str, str]:
    """Return the variables of the machine that are set."""
    return {name: os.environ[name] for name in HANDED_ON if name in os.environ}
