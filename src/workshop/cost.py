"""What a job or an endpoint costs, estimated before anything is started.

No figure here is a quote: AWS's bill is. Every text says where its price is from, and beside what is expected
stands the most that it can cost, where there is a most.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from workshop.instance_types import CPU_USD_PER_HOUR, INSTANCE_TYPES
from workshop.prices import ENDPOINT, NOTEBOOK_INSTANCE, SPOT_TRAINING_JOB, TRAINING_JOB, Price, price_of
from workshop.training.speed import ANCHOR, MAX_RUN_LIMIT_S, longest_run_s, rows_per_s, training_s

if TYPE_CHECKING:
    import boto3

    from workshop.settings import Settings

S3_USD_PER_GB_MONTH = 0.023
"""S3 Standard in PRICES_REGION, as of PRICES_DATE. Source: https://aws.amazon.com/s3/pricing/"""

METRIC_USD_PER_MONTH, ALARM_USD_PER_MONTH, DASHBOARD_USD_PER_MONTH = 0.30, 0.10, 3.00
"""CloudWatch in PRICES_REGION: a custom metric, an alarm on one metric whose period is a minute or more, a
dashboard. The first 10, 10 and 3 of an account are free. Source: copies of AWS's page of prices by others, of
April 2022 and May 2026; the price of an alarm and what is free stand in the newer one alone. The page itself
was not looked up."""

HOURS_PER_MONTH = 730

_HERE = "0.00 USD on this machine"
_ON_AWS, _BESIDE = "; on AWS ", " Beside it "
# What stands in a line of its own when an estimate is printed.
_NEXT_LINE = re.compile(r"(?:; |\. )(?=at most |Costs until |The time is |Estimated, scaled |May be longer )")

_UNTIL = {
    ENDPOINT: "Costs until it is deleted",
    NOTEBOOK_INSTANCE: "Costs until it is stopped",
}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Say what something costs.

    Attributes:
        usd: What will be paid at best, 0 in sample mode; None when the price is not known.
        aws_usd: What it costs on AWS at best; None when the price is not known.
        aws_usd_high: At worst, as far as we know; None as above.
        aws_usd_limit: The most that it can cost; None as above, and where nothing ends it.
        text: All of it in words, with where the price is from; printed, it is in lines that fit a page.
    """

    usd: float | None
    aws_usd: float | None
    aws_usd_high: float | None
    aws_usd_limit: float | None
    text: str

    def __str__(self) -> str:
        machines = self.text.split(_BESIDE)
        if len(machines) == 1:
            return _in_lines(self.text)
        lines = [_HERE] if self.text.startswith(_HERE) else []
        if self.aws_usd is not None and self.aws_usd_high is not None:
            lines.append(f"on AWS together about {_usd_text(self.aws_usd, self.aws_usd_high)}:")
        return "\n".join((*lines, *(_in_lines(f"- {one.removeprefix(_HERE + _ON_AWS)}") for one in machines)))


@dataclass(frozen=True, kw_only=True)
class TrainingEstimate:
    """Say how long a training takes on AWS, and what it costs.

    Attributes:
        hours: From the instance's start to the saved model, at best; None when its speed is not known.
        hours_high: At worst, as far as we know.
        max_run_s: Time limit for a job that leaves room for the estimate's error, in seconds.
        cost: Of these hours.
        text: Everything in words, with the source.
    """

    hours: float | None
    hours_high: float | None
    max_run_s: int
    cost: Estimate
    text: str

    def __str__(self) -> str:
        return _in_lines(self.text)


def estimate(
    settings: Settings,
    instance_type: str,
    *,
    count: int = 1,
    hours: float | tuple[float, float],
    kind: str = "",
    limit_hours: float | None = None,
    max_jobs: int = 1,
    session: boto3.Session | None = None,
) -> Estimate:
    """Estimate what instances cost.

    Args:
        settings: Of the mode; in sample mode nothing is paid, and the price on AWS is named.
        instance_type: For example ml.g5.12xlarge; one without a known price is never called free.
        count: Instances, 1 or more.
        hours: How long each runs, or at best and at worst.
        kind: What for, one of `workshop.prices.KINDS`; "" when that does not matter.
        limit_hours: After which AWS ends a job; None when nothing ends it.
        max_jobs: So many jobs in a row at most.
        session: boto3's, to ask AWS's price list with; None takes the dated table.
    """
    low, high = hours if isinstance(hours, tuple) else (hours, hours)
    what = f"{count} x {instance_type} for {_range_text(low, high)}"
    price = price_of(settings, instance_type, kind, session=session)
    if price.usd_per_hour is None:
        usd = usd_high = usd_limit = None
        text = f"{what}: price not known here{_closest(instance_type)}"
    else:
        per_hour = price.usd_per_hour * count
        usd, usd_high = per_hour * low, per_hour * high
        usd_limit = None if limit_hours is None else per_hour * limit_hours * max_jobs
        text = f"{what}: about {_usd_text(usd, usd_high)} ({price.usd_per_hour:.2f} USD/h: {price.source})"
    text += _limit_text(price, kind, count, limit_hours, max_jobs)
    return Estimate(
        usd=0.0 if settings.mode == "sample" else usd,
        aws_usd=usd,
        aws_usd_high=usd_high,
        aws_usd_limit=usd_limit,
        text=f"{_HERE}{_ON_AWS}{text}" if settings.mode == "sample" else text,
    )


def estimate_training(
    settings: Settings,
    num_rows: int,
    num_epochs: float,
    *,
    instance_type: str | None = None,
    count: int | None = None,
    max_jobs: int = 1,
    session: boto3.Session | None = None,
) -> TrainingEstimate:
    """Estimate time, time limit and cost of training an 8B model on AWS.

    Args:
        settings: Give the instance type and count when they are not given here.
        num_rows: Of the training split.
        num_epochs: Times each row is trained on.
        instance_type: Another one, to compare.
        count: Another number of instances.
        max_jobs: So many jobs in a row at most.
        session: As in `estimate`.

    Returns:
        In sample mode the time limit is the setting's own: this machine trains a small model.
    """
    instance_type = instance_type or settings.training_instance_type
    count = count or settings.training_instance_count
    of_jobs = {"kind": TRAINING_JOB, "max_jobs": max_jobs, "session": session}
    seconds = training_s(instance_type, count, num_rows=num_rows, num_epochs=num_epochs)
    if seconds is None:
        limit_hours = settings.max_run_s / 3600
        cost = estimate(settings, instance_type, count=count, hours=1, limit_hours=limit_hours, **of_jobs)
        text = f"{instance_type}: speed not known here; {cost.text}"
        return TrainingEstimate(
            hours=None, hours_high=None, max_run_s=settings.max_run_s, cost=cost, text=text
        )
    low, high = (each / 3600 for each in seconds)
    limit_s = longest_run_s(seconds[0])
    cost = estimate(
        settings, instance_type, count=count, hours=(low, high), limit_hours=limit_s / 3600, **of_jobs
    )
    speed = rows_per_s(instance_type, count)
    text = (
        f"{num_rows:,} rows x {num_epochs:g} epochs at {speed:.1f} rows/s at best: {cost.text}."
        f" Estimated, scaled from: {ANCHOR}."
    )
    if seconds[1] > MAX_RUN_LIMIT_S:
        text += " May be longer than the 28 days that AWS lets a job run: take more or larger instances."
    max_run_s = settings.max_run_s if settings.mode == "sample" else limit_s
    return TrainingEstimate(hours=low, hours_high=high, max_run_s=max_run_s, cost=cost, text=text)


def together(estimates: Sequence[Estimate]) -> Estimate:
    """Return what several machines of one notebook cost: sums, None where a part of one is not known."""
    if len(estimates) == 1:
        return estimates[0]

    def total(name: str) -> float | None:
        parts = [getattr(one, name) for one in estimates]
        return None if None in parts else sum(parts)

    return Estimate(
        usd=total("usd"),
        aws_usd=total("aws_usd"),
        aws_usd_high=total("aws_usd_high"),
        aws_usd_limit=total("aws_usd_limit"),
        text=_BESIDE.join(one.text for one in estimates),
    )


def _in_lines(text: str) -> str:
    return _NEXT_LINE.sub("\n    ", text.replace(_ON_AWS, "\non AWS "))


def _closest(instance_type: str) -> str:
    priced = {name: row.usd_per_hour for name, row in INSTANCE_TYPES.items() if row.usd_per_hour}
    priced |= CPU_USD_PER_HOUR
    close = get_close_matches(instance_type, priced, n=1, cutoff=0.6)
    hint = f" (closest known: {close[0]}, {priced[close[0]]:.2f} USD/h)" if close else ""
    return f"{hint}; see https://aws.amazon.com/sagemaker/ai/pricing/"


def _limit_text(price: Price, kind: str, count: int, limit_hours: float | None, max_jobs: int) -> str:
    """Return the most that it can cost, as the end of a sentence or as one of its own."""
    usd = price.usd_per_hour
    if limit_hours is not None:
        jobs = f"{max_jobs} job{'s' if max_jobs > 1 else ''} of {_hours_text(limit_hours)}"
        most = "" if usd is None else f" = {usd * count * limit_hours * max_jobs:,.2f} USD"
        text = f"; at most {jobs}{most}"
        return text + (", less by what spot saves" if kind == SPOT_TRAINING_JOB else "")
    if kind in _UNTIL and usd is not None:
        return f". {_UNTIL[kind]}: {usd * count * 24:,.2f} USD a day"
    return f". {_UNTIL[kind]}" if kind in _UNTIL else ""


def _usd_text(low: float, high: float) -> str:
    return f"{low:,.2f} USD" if high == low else f"{low:,.2f} to {high:,.2f} USD"


def _range_text(low: float, high: float) -> str:
    if high == low:
        return _hours_text(low)
    if high < 2:
        return f"{low * 60:.0f} to {high * 60:.0f} min"
    return f"{low:.1f} to {high:.1f} h"


def _hours_text(hours: float) -> str:
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.1f} h"
