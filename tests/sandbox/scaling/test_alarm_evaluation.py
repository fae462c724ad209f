"""The tables of CloudWatch's user guide on missing data, and the words of the reasons."""

from __future__ import annotations

import pytest

from sandbox.scaling.alarm_evaluation import Rule, evaluate

TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
# "Configuring how CloudWatch alarms treat missing data": 0 does not breach, X does, - is missing; one state a
# treatment, in the order of TREATMENTS; "keep" is "Retain current state". Both editions of the guide.
THREE_OF_THREE = {
    "0 - X - X": ("OK", "OK", "OK", "OK"),
    "0 - - - -": ("OK", "OK", "OK", "OK"),
    "- - - - -": ("INSUFFICIENT_DATA", "keep", "ALARM", "OK"),
    "0 X X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "- - - - X": ("INSUFFICIENT_DATA", "keep", "ALARM", "OK"),
    "X - - - -": ("ALARM", "keep", "ALARM", "OK"),
    "- - X - -": ("ALARM", "keep", "ALARM", "OK"),
}
TWO_OF_THREE = {
    "0 - X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 0 X 0 X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 - X - -": ("OK", "OK", "ALARM", "OK"),
    "- - - - 0": ("OK", "OK", "ALARM", "OK"),
    "- - - - X": ("INSUFFICIENT_DATA", "keep", "ALARM", "OK"),
    "- - - X -": ("ALARM", "keep", "ALARM", "OK"),
}
VALUES = {"0": 0.0, "X": 1.0, "-": None}


def rule(**members: object) -> Rule:
    return Rule(
        **{
            "num_periods": 3,
            "num_to_alarm": 3,
            "comparison": "GreaterThanThreshold",
            "threshold": 0.5,
            **members,
        }
    )


def state(points: str, **members: object) -> str:
    found = evaluate(
        rule(**members), [VALUES[each] for each in points.split()], lambda age, value: str(value)
    )
    return found.state or "keep"


@pytest.mark.parametrize(("points", "states"), THREE_OF_THREE.items())
def test_three_of_three_is_as_the_guide_says(points: str, states: tuple[str, ...]) -> None:
    assert tuple(state(points, missing=each) for each in TREATMENTS) == states


@pytest.mark.parametrize(("points", "states"), TWO_OF_THREE.items())
def test_two_of_three_is_as_the_guide_says(points: str, states: tuple[str, ...]) -> None:
    assert tuple(state(points, num_to_alarm=2, missing=each) for each in TREATMENTS) == states


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    {
        "GreaterThanThreshold": [2.0],
        "GreaterThanOrEqualToThreshold": [1.0, 2.0],
        "LessThanThreshold": [0.0],
        "LessThanOrEqualToThreshold": [0.0, 1.0],
    }.items(),
)
def test_each_comparison_breaches_on_its_side(comparison: str, breaching: list[float]) -> None:
    compared = rule(comparison=comparison, threshold=1.0)
    assert [value for value in (0.0, 1.0, 2.0) if compared.breaches(value)] == breaching


@pytest.mark.parametrize(
    ("points", "members", "reason"),
    [
        (
            [None, 0.0, 2.0],
            {"num_periods": 1, "num_to_alarm": 1},
            "Threshold Crossed: 1 out of the last 1 datapoints [2.0 at 0] was greater than the threshold"
            " (0.5) (minimum 1 datapoint for OK -> ALARM transition).",
        ),
        (
            [0.0, 2.0, 0.0],
            {"num_to_alarm": 2},
            "Threshold Crossed: 2 out of the last 3 datapoints [0.0 at 0, 0.0 at 2] were not greater than the"
            " threshold (0.5) (minimum 2 datapoints for ALARM -> OK transition).",
        ),
        ([None] * 3, {}, "Insufficient Data: 3 datapoints were unknown."),
        (
            [None] * 3,
            {"num_periods": 1, "num_to_alarm": 1, "missing": "breaching"},
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated"
            " as [Breaching].",
        ),
        (
            [None, None, 2.0],
            {"missing": "notBreaching"},
            "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were"
            " treated as [NonBreaching].",
        ),
    ],
)
def test_the_reason_has_awss_words(
    points: list[float | None], members: dict[str, object], reason: str
) -> None:
    assert evaluate(rule(**members), points, lambda age, value: f"{value} at {age}").reason == reason
