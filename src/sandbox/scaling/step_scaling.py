"""Step scaling: which step an alarm's breach asks for, and what that makes of a capacity.

Source: Application Auto Scaling User Guide, "How step scaling works" (bounds, adjustment types and their
rounding). CloudWatch's data points are those that the alarm was evaluated with.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from sandbox.api.errors import validation_error

_AGGREGATIONS = {"Minimum": min, "Maximum": max, "Average": lambda values: sum(values) / len(values)}


def stepped(configuration: dict[str, Any], capacity: int, values: Sequence[float], threshold: float) -> int:
    """Return the capacity after the step whose bounds hold the breach; the same when there is no such step.

    Args:
        configuration: StepScalingPolicyConfiguration.
        capacity: Copies or instances.
        values: The data points of the alarm.
        threshold: Of the alarm; the bounds are relative to it.
    """
    breach = _AGGREGATIONS[configuration.get("MetricAggregationType", "Average")](values) - threshold
    step = next((step for step in configuration.get("StepAdjustments", []) if _holds(step, breach)), None)
    if step is None:
        return capacity
    adjustment = step["ScalingAdjustment"]
    match configuration["AdjustmentType"]:
        case "ChangeInCapacity":
            return max(capacity + adjustment, 0)
        case "ExactCapacity":
            return adjustment
        case _:
            return max(capacity + _percent(capacity, adjustment, configuration), 0)


def check_steps(configuration: dict[str, Any]) -> None:
    """Make sure that steps neither overlap nor leave a gap.

    Raises:
        AwsError: ValidationException; the messages are ours.
    """
    if "AdjustmentType" not in configuration:
        raise validation_error("AdjustmentType is required for a step scaling policy.")
    steps = configuration.get("StepAdjustments", [])
    for step in steps:
        lower, upper = _bounds(step)
        if (lower, upper) == (-math.inf, math.inf):
            raise validation_error("At least one bound is required in each step adjustment.")
        if lower >= upper:
            raise validation_error("The upper bound of a step adjustment must be above its lower bound.")
        if configuration["AdjustmentType"] == "ExactCapacity" and step["ScalingAdjustment"] < 0:
            raise validation_error("ScalingAdjustment must not be negative for ExactCapacity.")
    for (_, upper), (lower, _) in itertools.pairwise(sorted(_bounds(step) for step in steps)):
        if upper != lower:
            raise validation_error("Step adjustments must neither overlap nor leave a gap between them.")


def _bounds(step: dict[str, Any]) -> tuple[float, float]:
    return step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf)


def _holds(step: dict[str, Any], breach: float) -> bool:
    lower, upper = _bounds(step)
    if breach == 0:  # on the threshold: inside of steps on either side of it
        return lower <= 0 <= upper
    return lower <= breach < upper if breach > 0 else lower < breach <= upper


def _percent(capacity: int, percent: int, configuration: dict[str, Any]) -> int:
    exact = capacity * percent / 100
    change = int(exact) or (exact > 0) - (exact < 0)  # towards 0, but at least 1
    least = configuration.get("MinAdjustmentMagnitude", 0)
    return int(math.copysign(max(abs(change), least), percent)) if percent else 0
