"""What a SearchExpression finds among a few training jobs, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.api.errors import AwsError
from sandbox.api.service_model import service_model
from sandbox.search.expression import matcher

JOBS = {
    "a": {
        "TrainingJobStatus": "Completed",
        "CreationTime": 1_800_000_000.2500005,  # 2027-01-15T08:00:00.25, with more digits than are asked for
        "TrainingTimeInSeconds": 90,
        "EnableManagedSpotTraining": True,
        "HyperParameters": {"epochs": "3", "learning_rate": "0.0002", "base.model": '"llama"'},
        "AlgorithmSpecification": {"TrainingImage": "tgi:1", "ContainerEntrypoint": ["python3", "train.py"]},
        "InputDataConfig": [
            {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://news/train"}}},
            {"ChannelName": "code", "DataSource": {"S3DataSource": {"S3Uri": "s3://code/train"}}},
        ],
        "FinalMetricDataList": [{"MetricName": "eval:loss", "Value": 1.5}],
        "Tags": [{"Key": "team", "Value": "한국어 뉴스"}, {"Key": "cost.center", "Value": "7"}],
    },
    "b": {
        "TrainingJobStatus": "Failed",
        "CreationTime": 1_800_000_060.0,
        "FailureReason": "AlgorithmError",
        "EnableManagedSpotTraining": False,
        "HyperParameters": {"epochs": "3.5", "learning_rate": "auto"},
        "InputDataConfig": [
            {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://code/train"}}},
        ],
        "FinalMetricDataList": [{"MetricName": "eval:loss", "Value": 0.5}],
    },
    "c": {"TrainingJobStatus": "Stopped", "CreationTime": 1_800_000_120.0},
}
SHAPE = service_model().shape_for("TrainingJob")
URI = "InputDataConfig.DataSource.S3DataSource.S3Uri"


def filter_of(name: str, does: str | None = None, value: str | None = None) -> dict[str, str]:
    given = {"Name": name, "Operator": does, "Value": value}
    return {member: each for member, each in given.items() if each is not None}


def found(expression: dict[str, Any]) -> str:
    """Return the names of the jobs that satisfy an expression."""
    matches = matcher(expression, SHAPE)
    return "".join(name for name, job in JOBS.items() if matches(job))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (("TrainingJobStatus", "Equals", "Completed"), "a"),
        (("TrainingJobStatus", None, "Completed"), "a"),  # a Value without an Operator: Equals
        (("TrainingJobStatus", "Equals", "completed"), ""),
        (("TrainingJobStatus", "NotEquals", "Completed"), "bc"),
        (("TrainingJobStatus", "In", "Completed,Stopped"), "ac"),
        (("TrainingJobStatus", "Contains", "ed"), "abc"),
        (("FailureReason", "Exists", None), "b"),
        (("FailureReason", "NotExists", None), "ac"),
        (("FailureReason", "NotEquals", "other"), "abc"),
        (("InputDataConfig", "Exists", None), "ab"),
        (("AlgorithmSpecification", "NotExists", None), "bc"),
        (("AlgorithmSpecification.TrainingImage", "Contains", "tgi"), "a"),
        (("AlgorithmSpecification.ContainerEntrypoint", "Equals", "train.py"), "a"),
        (("TrainingTimeInSeconds", "GreaterThan", "89.5"), "a"),
        (("TrainingTimeInSeconds", "GreaterThanOrEqualTo", "90"), "a"),
        (("TrainingTimeInSeconds", "LessThan", "90"), ""),
        (("TrainingTimeInSeconds", "Equals", "90.0"), "a"),
        (("EnableManagedSpotTraining", "Equals", "true"), "a"),
        (("EnableManagedSpotTraining", "NotEquals", "True"), "bc"),
        (("CreationTime", "GreaterThan", "2027-01-15T08:01:00"), "c"),
        (("CreationTime", "LessThanOrEqualTo", "2027-01-15T08:01:00Z"), "ab"),
        (("CreationTime", "Equals", "2027-01-15T17:00:00.250000+09:00"), "a"),
        (("Metrics.eval:loss", "LessThan", "1"), "b"),
        (("Metrics.eval:loss", "Exists", None), "ab"),
        (("Metrics.no-such", "Exists", None), ""),
        (("Tags.team", "Equals", "한국어 뉴스"), "a"),
        (("Tags.team", "Contains", "뉴스"), "a"),
        (("Tags.cost.center", "Equals", "7"), "a"),
        (("Tags.Team", "Exists", None), ""),
        (("HyperParameters.base.model", "Equals", '"llama"'), "a"),
        (("HyperParameters.learning_rate", "LessThan", "0.5"), "a"),
        (("HyperParameters.learning_rate", "Equals", "2e-4"), "a"),
        (("HyperParameters.learning_rate", "Equals", "auto"), "b"),
        # "If the specified Value is an integer, the decimal hyperparameter values are treated as integers."
        (("HyperParameters.epochs", "GreaterThan", "3"), ""),
        (("HyperParameters.epochs", "GreaterThan", "3.0"), "b"),
        (("HyperParameters.epochs", "Equals", "3"), "ab"),
        (("InputDataConfig.ChannelName", "Equals", "code"), "a"),
        ((URI, "Contains", "news"), "a"),
    ],
)
def test_a_filter_finds(given: tuple[str, str | None, str | None], names: str) -> None:
    assert found({"Filters": [filter_of(*given)]}) == names


FAILED = filter_of("TrainingJobStatus", "Equals", "Failed")
IS_SPOT = filter_of("EnableManagedSpotTraining", "Equals", "true")
IS_STOPPED = filter_of("TrainingJobStatus", "Equals", "Stopped")
TRAINED = filter_of("InputDataConfig", "Exists")


def test_conditions_hold_together_unless_or_is_said() -> None:
    assert found({"Filters": [TRAINED, FAILED]}) == "b"
    assert found({"Filters": [TRAINED, FAILED], "Operator": "And"}) == "b"
    assert found({"Filters": [IS_SPOT, FAILED], "Operator": "Or"}) == "ab"
    either = {"Filters": [IS_SPOT, IS_STOPPED], "Operator": "Or"}
    assert found({"SubExpressions": [either], "Filters": [TRAINED]}) == "a"
    assert found({"SubExpressions": [either, {"Filters": [FAILED]}], "Operator": "Or"}) == "abc"


def test_a_nested_filter_wants_everything_of_a_single_object() -> None:
    train = filter_of("InputDataConfig.ChannelName", "Equals", "train")
    code = filter_of(URI, "Contains", "code")
    assert found({"Filters": [train, code]}) == "ab", "one channel has the name, another one the place"
    nested = {"NestedPropertyName": "InputDataConfig", "Filters": [train, code]}
    assert found({"NestedFilters": [nested]}) == "b"
    assert found({"NestedFilters": [nested], "Filters": [IS_SPOT], "Operator": "Or"}) == "ab"


NESTED_ELSEWHERE = {"NestedPropertyName": "InputDataConfig", "Filters": [FAILED]}
NESTED_TEXT = {"NestedPropertyName": "FailureReason", "Filters": [FAILED]}
CONTAINS = filter_of("TrainingJobStatus", "Contains", "e")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ({}, "at least one of Filters, NestedFilters and SubExpressions"),
        ({"SubExpressions": [{"Operator": "Or"}]}, "at least one of"),
        (
            {"Filters": [filter_of("TrainingJobStat", "Exists")]},
            "Unknown property name: TrainingJobStat. Did you",
        ),
        (
            {"Filters": [filter_of("ResourceConfig.InstanceTyp", "Exists")]},
            "mean ResourceConfig.InstanceType?",
        ),
        ({"Filters": [filter_of("ModelArtifacts.", "Exists")]}, "Unknown property name: ModelArtifacts.."),
        ({"Filters": [filter_of("RoleArn.Name", "Exists")]}, "There are: none."),
        ({"Filters": [filter_of("Tag.team", "Exists")]}, "Did you mean Tags?"),
        (
            {"Filters": [filter_of("FailureReason", "GreaterThan", "a")]},
            "not supported for the text property",
        ),
        (
            {"Filters": [filter_of("CreationTime", "Contains", "2027")]},
            "not supported for the timestamp property",
        ),
        ({"Filters": [filter_of("TrainingTimeInSeconds", "In", "1,2")]}, "for the numeric property"),
        ({"Filters": [filter_of("InputDataConfig", "Equals", "x")]}, "supported: Exists, NotExists."),
        (
            {"Filters": [filter_of("TrainingTimeInSeconds", "Equals", "90s")]},
            "must be an integer or a decimal",
        ),
        (
            {"Filters": [filter_of("TrainingTimeInSeconds", "Equals", "1_0")]},
            "must be an integer or a decimal",
        ),
        (
            {"Filters": [filter_of("HyperParameters.epochs", "LessThan", "few")]},
            "must be an integer or a decimal",
        ),
        (
            {"Filters": [filter_of("CreationTime", "LessThan", "yesterday")]},
            "YYYY-mm-ddTHH:MM:SS, not yesterday",
        ),
        ({"Filters": [filter_of("EnableManagedSpotTraining", "Equals", "1")]}, "must be true or false"),
        ({"Filters": [filter_of("FailureReason", "Equals")]}, "needs a Value"),
        ({"Filters": [filter_of("FailureReason")]}, "needs a Value"),
        ({"Filters": [filter_of("FailureReason", "Exists", "true")]}, "takes no Value"),
        ({"NestedFilters": [NESTED_ELSEWHERE]}, "must name a property of it, not TrainingJobStatus"),
        ({"NestedFilters": [NESTED_TEXT]}, "must be a list of objects"),
        ({"Filters": [CONTAINS, CONTAINS]}, "'CONTAINS' operator usage limit of 1 exceeded."),
        (
            {"Filters": [CONTAINS], "SubExpressions": [{"Filters": [CONTAINS]}]},
            "'CONTAINS' operator usage limit of 1 exceeded.",
        ),
        (
            {"SubExpressions": [{"Filters": [FAILED] * 16}] * 3},
            "50 SubExpressions, NestedFilters and Filters",
        ),
    ],
)
def test_what_cannot_be_found_is_refused(expression: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError) as error:
        matcher(expression, SHAPE)
    assert error.value.code == "ValidationException"
    assert message in error.value.message


def test_fifty_conditions_are_few_enough() -> None:
    assert found({"SubExpressions": [{"Filters": [FAILED] * 15}] * 3, "Filters": [FAILED] * 2}) == "b"
