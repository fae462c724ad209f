"""What functions give while a definition runs, and why a step fails when they give nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.sandbox.pipelines.definitions import compare, definition, get, join, json_get, processing, training

from sandbox.api.errors import AwsError
from sandbox.pipelines.conditions import all_hold, holds
from sandbox.pipelines.definition import parse
from sandbox.pipelines.values import StepError, Values, resolve

REPORT = {"PropertyFileName": "Report", "OutputName": "report", "FilePath": "scores/report.json"}
CONTENT = {
    "rouge": {"mean": 0.5, "by article": [{"f1": 0.25}, {"f1": 1}]},
    "name": "뉴스",
    "better": True,
    "nothing": None,
}


def values(content: bytes | None = None) -> Values:
    """Return values of an execution whose Prepare and Train have ended."""
    objects = {"s3://news/Prepare/report/scores/report.json": content or json.dumps(CONTENT).encode()}

    def read(uri: str) -> bytes:
        if uri not in objects:
            raise AwsError("NoSuchKey", "The specified key does not exist.", status=404)
        return objects[uri]

    step = processing(outputs=("train", "report"), PropertyFiles=[REPORT])
    return Values(
        definition=parse(definition(step, training())),
        parameters={"Rows": 480, "Bar": 0.5, "Is": False, "Name": "news"},
        execution={"PipelineName": "P", "StartDateTime": "2026-11-29T16:00:00Z"},
        properties={
            "Prepare": step["Arguments"],
            "Train": {
                "ModelArtifacts": {"S3ModelArtifacts": "s3://news/model.tar.gz"},
                "FinalMetricDataList": [
                    {"MetricName": "loss", "Value": 0.5},
                    {"MetricName": "f1", "Value": 1},
                ],
                "HyperParameters": {"a b": "3"},
            },
        },
        read=read,
    )


@pytest.mark.parametrize(
    ("value", "given"),
    [
        (get("Parameters.Rows"), 480),
        (get("Execution.PipelineName"), "P"),
        (
            join(get("Parameters.Rows"), get("Parameters.Bar"), get("Parameters.Is"), "x", on="/"),
            "480/0.5/false/x",
        ),
        (join("s3:/", join(get("Parameters.Name"), 1, on="-"), on="/"), "s3://news-1"),
        (join(), ""),
        ({"Std:Join": {"Values": ["a", "b"]}}, "ab"),
        (get("Steps.Train.ModelArtifacts.S3ModelArtifacts"), "s3://news/model.tar.gz"),
        (get("Steps.Train.FinalMetricDataList['f1'].Value"), 1),
        (get("Steps.Train.FinalMetricDataList[0].MetricName"), "loss"),
        (get("Steps.Train.HyperParameters['a b']"), "3"),
        (
            get("Steps.Prepare.ProcessingOutputConfig.Outputs['report'].S3Output.S3Uri"),
            "s3://news/Prepare/report",
        ),
        (json_get("rouge.mean"), 0.5),
        (json_get("$.rouge.mean"), 0.5),
        (json_get("rouge['by article'][1].f1"), 1),
        (json_get('["name"]'), "뉴스"),
        (join("better: ", json_get("better")), "better: true"),
        ({"a": [get("Parameters.Name"), {"Get": 1, "b": 2}]}, {"a": ["news", {"Get": 1, "b": 2}]}),
    ],
)
def test_a_function_gives_its_value(value: Any, given: Any) -> None:
    assert resolve(value, values()) == given


def test_a_json_file_anywhere_in_s3_can_be_read() -> None:
    uri = join(
        get("Steps.Prepare.ProcessingOutputConfig.Outputs[1].S3Output.S3Uri"), "scores/report.json", on="/"
    )
    assert resolve({"Std:JsonGet": {"S3Uri": uri, "Path": "name"}}, values()) == "뉴스"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            get("Steps.Train.BillableTimeInSeconds"),
            "Property reference [Steps.Train.BillableTimeInSeconds] is undef",
        ),
        (get("Steps.Train.FinalMetricDataList['recall'].Value"), "is undefined"),
        (get("Steps.Train.FinalMetricDataList[7].Value"), "is undefined"),
        (get("Steps.Later.TrainingJobName"), "is undefined"),
        (
            join("a", get("Steps.Train.FinalMetricDataList")),
            "Std:Join joins texts, numbers and booleans, and not [{",
        ),
        (
            json_get("rouge.median"),
            "Invalid json path 'rouge.median': s3://news/Prepare/report/scores/report.json has",
        ),
        (json_get("rouge.mean.value"), "Invalid json path"),
        (json_get("rouge['by article']['f1']"), "Invalid json path"),
        (json_get("nothing"), "Invalid json path"),
        (
            {"Std:JsonGet": {"S3Uri": "s3://news/none.json", "Path": "a"}},
            "Received an error while reading file s3://news/none.json from S3: NoSuchKey: The specified key",
        ),
        ({"Std:JsonGet": {"S3Uri": "/tmp/none.json", "Path": "a"}}, "Std:JsonGet needs an S3 URI"),
    ],
)
def test_a_function_that_gives_nothing_fails_its_step(value: Any, reason: str) -> None:
    with pytest.raises(StepError) as caught:
        resolve(value, values())
    assert reason in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b'{"rouge": NaN}'])
def test_a_property_file_that_is_no_json_fails_the_step(content: bytes) -> None:
    with pytest.raises(StepError, match="not in valid JSON format"):
        resolve(json_get("rouge"), values(content))


def test_a_property_file_has_2_mb_at_most() -> None:
    largest = b'{"rouge": 1}'.ljust(2 * 1024 * 1024)
    assert resolve(json_get("rouge"), values(largest)) == 1
    with pytest.raises(StepError, match="has 2097153 bytes; a property file may have 2 MB"):
        resolve(json_get("rouge"), values(largest + b" "))


@pytest.mark.parametrize(
    ("condition", "is_held"),
    [
        (compare("Equals", get("Parameters.Name"), "news"), True),
        (compare("Equals", get("Parameters.Bar"), json_get("rouge.mean")), True),
        (compare("Equals", 1, 1.0), True),
        (compare("Equals", get("Parameters.Is"), False), True),
        (compare("GreaterThan", json_get("rouge.mean"), get("Parameters.Bar")), False),
        (compare("GreaterThanOrEqualTo", json_get("rouge.mean"), get("Parameters.Bar")), True),
        (compare("LessThan", get("Parameters.Rows"), 480.5), True),
        (compare("LessThanOrEqualTo", "a", "b"), True),
        ({"Type": "In", "QueryValue": get("Parameters.Rows"), "Values": [1, 480]}, True),
        ({"Type": "In", "QueryValue": 1, "Values": [True, "1"]}, False),
        ({"Type": "Not", "Condition": compare("Equals", 1, 2)}, True),
        ({"Type": "Or", "Conditions": [compare("Equals", 1, 2), compare("Equals", 2, 2)]}, True),
        ({"Type": "Or", "Conditions": []}, False),
    ],
)
def test_a_condition_of_every_type_holds_or_not(condition: Any, is_held: bool) -> None:
    assert holds(condition, values()) is is_held


def test_a_condition_step_asks_that_all_hold() -> None:
    true, false = compare("Equals", 1, 1), compare("Equals", 1, 2)
    assert all_hold([], values())
    assert all_hold([true, true], values())
    assert not all_hold([true, false], values())


@pytest.mark.parametrize(
    ("kind", "left", "right", "shown"),
    [
        ("Equals", "1", 1, '["1"] of type [String] and [1] of type [number]'),
        ("Equals", True, 1, "[true] of type [Boolean] and [1] of type [number]"),
        ("GreaterThan", True, False, "[true] of type [Boolean] and [false] of type [Boolean]"),
        ("Equals", None, 1, "[null] of type [null] and [1] of type [number]"),
        ("LessThan", "0.4", 0.5, '["0.4"] of type [String] and [0.5] of type [number]'),
        ("LessThan", json_get("rouge"), 0.5, "of type [object] and [0.5] of type [number]"),
    ],
)
def test_values_of_different_kinds_fail_the_condition(kind: str, left: Any, right: Any, shown: str) -> None:
    with pytest.raises(StepError) as caught:
        holds(compare(kind, left, right), values())
    assert str(caught.value).startswith(f"Condition of type [{kind}] not supported between ")
    assert shown in str(caught.value)
