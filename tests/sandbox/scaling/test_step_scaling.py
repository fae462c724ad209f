"""The examples of the user guide: steps are bounded and rounded."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.api.errors import AwsError
from sandbox.scaling.step_scaling import check_steps, stepped

# "Step scaling policies", "Step adjustments": an alarm at 50, steps out and in.
OUT = [(0, 10, 0), (10, 20, 10), (20, None, 30)]
IN = [(-10, 0, 0), (-20, -10, -10), (None, -20, -30)]


def configuration(
    steps: list[tuple[int | None, int | None, int]], kind: str, **members: Any
) -> dict[str, Any]:
    adjustments = []
    for lower, upper, adjustment in steps:
        bounds = {"MetricIntervalLowerBound": lower, "MetricIntervalUpperBound": upper}
        given = {name: float(value) for name, value in bounds.items() if value is not None}
        adjustments.append({**given, "ScalingAdjustment": adjustment})
    return {"AdjustmentType": kind, "StepAdjustments": adjustments, **members}


@pytest.mark.parametrize(
    ("steps", "capacity", "value", "wanted"),
    [
        (OUT, 10, 59, 10),
        (OUT, 10, 60, 11),
        (OUT, 11, 70, 14),
        (IN, 14, 41, 14),
        (IN, 14, 40, 13),
        (IN, 13, 30, 10),
    ],
)
def test_steps_are_those_of_the_guides_example(
    steps: list[tuple[int | None, int | None, int]], capacity: int, value: float, wanted: int
) -> None:
    assert stepped(configuration(steps, "PercentChangeInCapacity"), capacity, [value], 50) == wanted


@pytest.mark.parametrize(
    ("kind", "adjustment", "capacity", "members", "wanted"),
    [
        ("ChangeInCapacity", 5, 3, {}, 8),
        ("ChangeInCapacity", -5, 3, {}, 0),
        ("ExactCapacity", 5, 3, {}, 5),
        ("PercentChangeInCapacity", 10, 10, {}, 11),
        ("PercentChangeInCapacity", 10, 1, {}, 2),
        ("PercentChangeInCapacity", -10, 5, {}, 4),
        ("PercentChangeInCapacity", 25, 4, {"MinAdjustmentMagnitude": 2}, 6),
        ("PercentChangeInCapacity", -25, 4, {"MinAdjustmentMagnitude": 2}, 2),
    ],
)
def test_an_adjustment_is_of_its_type(
    kind: str, adjustment: int, capacity: int, members: dict[str, Any], wanted: int
) -> None:
    steps = [(0, None, adjustment)]
    assert stepped(configuration(steps, kind, **members), capacity, [1.0], 1.0) == wanted


@pytest.mark.parametrize(("aggregation", "wanted"), [("Minimum", 1), ("Average", 2), ("Maximum", 3)])
def test_the_data_points_are_aggregated_as_the_policy_says(aggregation: str, wanted: int) -> None:
    steps = [(0, 2, 1), (2, 4, 2), (4, None, 3)]
    given = configuration(steps, "ExactCapacity", MetricAggregationType=aggregation)
    assert stepped(given, 0, [1.0, 3.0, 5.0], 0.0) == wanted


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([(0, 10, 1), (5, None, 2)], "neither overlap nor leave a gap"),
        ([(0, 10, 1), (20, None, 2)], "neither overlap nor leave a gap"),
        ([(None, None, 1)], "At least one bound"),
        ([(10, 0, 1)], "above its lower bound"),
    ],
)
def test_steps_that_make_no_sense_are_refused(
    steps: list[tuple[int | None, int | None, int]], problem: str
) -> None:
    with pytest.raises(AwsError, match=problem):
        check_steps(configuration(steps, "ChangeInCapacity"))
