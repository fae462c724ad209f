"""The values that an execution is started with, and what makes two runs of a step the same."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.pipelines.definitions import definition, fail, processing, training

from sandbox.api.errors import AwsError
from sandbox.pipelines.caching import cache_key, duration_s
from sandbox.pipelines.definition import parse
from sandbox.pipelines.parameters import given_values

PARAMETERS = [
    {"Name": "Text", "Type": "String", "DefaultValue": "a", "EnumValues": ["a", "b"]},
    {"Name": "Rows", "Type": "Integer", "DefaultValue": 3},
    {"Name": "Bar", "Type": "Float"},
    {"Name": "Is", "Type": "Boolean", "DefaultValue": False},
]
CHANNEL = {
    "ChannelName": "train",
    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://news/train"}},
}
DECLARED = parse(definition(fail(), parameters=PARAMETERS)).parameters


def given(**texts: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in texts.items()]


def test_values_come_as_text_and_become_their_type() -> None:
    assert given_values(DECLARED, given(Bar="1e-1")) == {"Text": "a", "Rows": 3, "Bar": 0.1, "Is": False}
    # The SDK writes a Boolean as Python does.
    assert given_values(DECLARED, given(Is="True", Rows="-7", Text="b", Bar="2")) == {
        "Text": "b",
        "Rows": -7,
        "Bar": 2.0,
        "Is": True,
    }


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({}, "Parameter 'Bar' is undefined."),
        ({"Bar": "1", "Row": "1"}, "Unknown parameter 'Row'"),
        ({"Bar": "nan"}, "Unexpected type for parameter 'Bar'. Expected Float but found 'nan'."),
        ({"Bar": "1e999"}, "Expected Float but found '1e999'."),
        ({"Bar": "1", "Rows": "1.5"}, "Expected Integer but found '1.5'."),
        ({"Bar": "1", "Is": "yes"}, "Expected Boolean but found 'yes'."),
        ({"Bar": "1", "Text": "c"}, "failed to satisfy enum value set: [a, b]"),
        ({"Bar": ""}, '[string "" is too short (length: 0, required minimum: 1)]'),
    ],
)
def test_a_value_that_does_not_fit_is_refused(texts: dict[str, str], reason: str) -> None:
    with pytest.raises(AwsError) as caught:
        given_values(DECLARED, given(**texts))
    assert caught.value.code == "ValidationException"
    assert reason in caught.value.message


def test_a_parameter_that_is_given_twice_is_refused() -> None:
    with pytest.raises(AwsError, match="is given twice"):
        given_values(DECLARED, [*given(Bar="1"), *given(Bar="2")])


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        ({"Name": "a b", "Type": "String"}, "Parameter name 'a b' does not match"),
        (
            {"Name": "A", "Type": "Text"},
            "Parameter 'A' has the type 'Text'; it may be String, Integer, Float, Boolean.",
        ),
        ({"Name": "A", "Type": "Integer", "DefaultValue": "3"}, "is not of its type, Integer"),
        ({"Name": "A", "Type": "Integer", "DefaultValue": True}, "is not of its type, Integer"),
        (
            {"Name": "A", "Type": "String", "DefaultValue": "c", "EnumValues": ["a"]},
            "is not one of its EnumValues",
        ),
        ({"Name": "A", "Type": "Integer", "EnumValues": [1]}, "'EnumValues' of parameter 'A'"),
        ({"Name": "A", "Size": 1}, "unknown property 'Size'"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(parameter: Any, reason: str) -> None:
    with pytest.raises(AwsError) as caught:
        parse(definition(fail(), parameters=[parameter]))
    assert reason in caught.value.message


def test_two_parameters_of_one_name_are_refused() -> None:
    with pytest.raises(AwsError, match="Parameter names must be unique, and 'Rows' is there twice"):
        parse(definition(fail(), parameters=[PARAMETERS[1], PARAMETERS[1]]))


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("30d", 720),
        ("p30d", 720),
        ("T16m", 16 / 60),
        ("30dT5h", 725),
        ("P4DT12H", 108),
        ("5y", 43800),
        ("2W", 336),
    ],
)
def test_the_durations_of_awss_examples(text: str, hours: float) -> None:
    assert duration_s(text) == hours * 3600


@pytest.mark.parametrize("text", ["", "P", "PT", "30", "1dT", "T3S", "30 days", "-1d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an ISO 8601 duration"):
        duration_s(text)


def key_of(step: dict[str, Any]) -> str:
    [parsed] = parse(definition(step)).steps.values()
    return cache_key(parsed, step["Arguments"])


@pytest.mark.parametrize(
    ("make", "counted", "not_counted"),
    [
        (
            processing,
            [{"Environment": {"A": "1"}}, {"ProcessingInputs": []}],
            [
                {"StoppingCondition": {"MaxRuntimeInSeconds": 60}},
                {"Tags": []},
                {"RoleArn": "arn:aws:iam::000000000000:role/other"},
            ],
        ),
        (
            training,
            [
                {"HyperParameters": {"a": "1"}},
                {"CheckpointConfig": {"S3Uri": "s3://a/b"}},
                {"InputDataConfig": [CHANNEL]},
            ],
            [
                {"OutputDataConfig": {"S3OutputPath": "s3://other"}},
                {
                    "ResourceConfig": {
                        "InstanceCount": 2,
                        "InstanceType": "ml.m5.xlarge",
                        "VolumeSizeInGB": 30,
                    }
                },
            ],
        ),
    ],
)
def test_only_the_arguments_that_aws_names_count_for_the_cache(
    make: Any, counted: Any, not_counted: Any
) -> None:
    assert len({key_of(make()), *(key_of(make(**more)) for more in counted)}) == 1 + len(counted)
    assert {key_of(make()), *(key_of(make(**more)) for more in not_counted)} == {key_of(make())}


def test_another_step_is_another_run_whatever_its_arguments() -> None:
    assert key_of(processing("A")) != key_of(processing("A") | {"Name": "B"})
