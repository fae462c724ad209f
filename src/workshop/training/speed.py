"""How long a training takes on AWS: scaled from one published run, with a range where nobody knows better."""

from __future__ import annotations

import math

from workshop.instance_types import INSTANCE_TYPES

ANCHOR = "8 x A10G train Llama-3-8B on 22,194 rows x 3 epochs in 3.05 h (ours takes 1 to 1.5 times as long)"
"""Source: aws-samples/aws-ai-ml-workshop-kr, notebook 03-1 of July 2024: QLoRA on ml.g5.48xlarge, 10,969
billable seconds. It packs 16 rows and keeps the shards in the host's memory; ours sends 2 rows a gather over
PCIe. Everything else is scaled from it.
"""

MARGIN_S = (600, 1200)
"""Part of a job that does not grow with the data: loading the weights, merging, saving. Low and high.

Source: its notebook 03 on ml.g5.4xlarge: 758 billable seconds, 170 of which trained. Twice that is a guess.
"""

SLOWDOWN = (1.0, 1.5)
"""Of our recipe beside the anchor's. A guess."""

ROWS_PER_S_OF_A10G = 22_194 * 3 / (10_969 - MARGIN_S[0]) / 8
MANY_INSTANCES_SHARE = 0.8
"""Of the speed of one instance, for each of several: their network is slower. A guess, on the safe side."""

MAX_RUN_FACTOR, MAX_RUN_MARGIN_S = 1.5, 1800
MAX_RUN_LIMIT_S = 28 * 24 * 3600
"""Source: SageMaker API reference, StoppingCondition.MaxRuntimeInSeconds: "The maximum value is 28 days"."""


def training_s(
    instance_type: str, count: int, *, num_rows: int, num_epochs: float
) -> tuple[float, float] | None:
    """Return how long a job runs at best and at worst, in seconds; None for a type without a known speed."""
    speed = rows_per_s(instance_type, count)
    if speed is None:
        return None
    low_s, high_s = (
        num_rows * num_epochs * slowdown / speed + margin_s
        for slowdown, margin_s in zip(SLOWDOWN, MARGIN_S, strict=True)
    )
    return low_s, high_s


def longest_run_s(low_s: float) -> int:
    """Return the time limit for a job that is expected to take so long at best, in seconds."""
    return min(MAX_RUN_LIMIT_S, math.ceil(low_s * MAX_RUN_FACTOR + MAX_RUN_MARGIN_S))


def rows_per_s(instance_type: str, count: int = 1) -> float | None:
    """Return how many rows instances train a second at best; None for a type without a known speed."""
    known = INSTANCE_TYPES.get(instance_type)
    if known is None:
        return None
    share = 1.0 if count == 1 else MANY_INSTANCES_SHARE
    return ROWS_PER_S_OF_A10G * known.gpu.speed * known.num_gpus * count * share
