"""What a job or an endpoint costs and how long a training takes, estimated before anything is started.

Prices and speeds are dated copies of published ones (instance_types.py); every text says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from workshop.instance_types import INSTANCE_TYPES, PRICES_DATE, PRICES_REGION

if TYPE_CHECKING:
    from workshop.settings import Settings

ANCHOR = (
    "8 x A10G train Llama-3-8B on 22,194 rows x 3 epochs in 3.05 h (its recipe; ours takes 1 to 1.5 times)"
)
"""Source: aws-samples/aws-ai-ml-workshop-kr, notebook 03-1 of July 2024: QLoRA on ml.g5.48xlarge, 10,969
billable seconds. It packs 16 rows and keeps the shards in the host's memory; ours sends 2 rows a gather over
PCIe. Everything else is scaled from it.
"""

S3_USD_PER_GB_MONTH = 0.023
"""S3 Standard in PRICES_REGION, as of PRICES_DATE. Source: https://aws.amazon.com/s3/pricing/"""

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


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Say what something costs.

    Attributes:
        usd: What will be paid, 0 in sample mode; None when the price is not known.
        aws_usd: What it costs on AWS; None when the price is not known.
        text: Both in words, with the date of the price.
    """

    usd: float | None
    aws_usd: float | None
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class TrainingEstimate:
    """Say how long a training takes on AWS, and what it costs.

    Attributes:
        hours: From the instance's start to the saved model; None when its speed is not known.
        max_run_s: Time limit for the job that leaves room for the estimate's error, in seconds.
        cost: Of these hours.
        text: Everything in words, with the source.
    """

    hours: float | None
    max_run_s: int
    cost: Estimate
    text: str

    def __str__(self) -> str:
        return self.text


def estimate(settings: Settings, instance_type: str, *, count: int = 1, hours: float) -> Estimate:
    """Estimate what instances cost.

    Args:
        settings: Of the mode; in sample mode nothing is paid, and the price on AWS is named.
        instance_type: For example ml.g5.12xlarge; one without a known price is never called free.
        count: Instances, 1 or more.
        hours: How long each runs.
    """
    what = f"{count} x {instance_type} for {_hours_text(hours)}"
    priced = {name: row.usd_per_hour for name, row in INSTANCE_TYPES.items() if row.usd_per_hour}
    price = priced.get(instance_type)
    usd = None if price is None else price * count * hours
    if usd is None:
        close = get_close_matches(instance_type, priced, n=1, cutoff=0.6)
        hint = f" (closest known: {close[0]}, {priced[close[0]]:.2f} USD/h)" if close else ""
        on_aws = f"{what}: price not known here{hint}; see https://aws.amazon.com/sagemaker/ai/pricing/"
    else:
        on_aws = (
            f"{what}: about {usd:,.2f} USD ({price:.2f} USD/h, {PRICES_REGION}, {PRICES_DATE}; "
            "other regions differ)"
        )
    if settings.mode == "sample":
        return Estimate(usd=0.0, aws_usd=usd, text=f"0.00 USD on this machine; on AWS {on_aws}")
    return Estimate(usd=usd, aws_usd=usd, text=on_aws)


def estimate_training(
    settings: Settings,
    num_rows: int,
    num_epochs: float,
    *,
    instance_type: str | None = None,
    count: int | None = None,
) -> TrainingEstimate:
    """Estimate time, time limit and cost of training an 8B model on AWS.

    Args:
        settings: Give the instance type and count when they are not given here.
        num_rows: Of the training split.
        num_epochs: Times each row is trained on.
        instance_type: Another one, to compare.
        count: Another number of instances.

    Returns:
        In sample mode the time limit is the setting's own: this machine trains a small model.
    """
    instance_type = instance_type or settings.training_instance_type
    count = count or settings.training_instance_count
    seconds = training_s(instance_type, count, num_rows=num_rows, num_epochs=num_epochs)
    if seconds is None:
        cost = estimate(settings, instance_type, count=count, hours=1)
        text = f"{instance_type}: speed not known here; {cost.text}"
        return TrainingEstimate(hours=None, max_run_s=settings.max_run_s, cost=cost, text=text)
    speed = rows_per_s(instance_type, count)
    run_s, _ = seconds
    max_run_s = longest_run_s(run_s)
    if settings.mode == "sample":
        max_run_s = settings.max_run_s
    cost = estimate(settings, instance_type, count=count, hours=run_s / 3600)
    text = (
        f"{num_rows:,} rows x {num_epochs:g} epochs at {speed:.1f} rows/s: {cost.text}. "
        f"Estimated, scaled from: {ANCHOR}."
    )
    if run_s > MAX_RUN_LIMIT_S:
        text += " Longer than the 28 days that AWS lets a job run: take more or larger instances."
    return TrainingEstimate(hours=run_s / 3600, max_run_s=max_run_s, cost=cost, text=text)


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
    """Return how many rows instances train a second; None for a type without a known speed."""
    known = INSTANCE_TYPES.get(instance_type)
    if known is None:
        return None
    share = 1.0 if count == 1 else MANY_INSTANCES_SHARE
    return ROWS_PER_S_OF_A10G * known.gpu.speed * known.num_gpus * count * share


def _hours_text(hours: float) -> str:
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.1f} h"
