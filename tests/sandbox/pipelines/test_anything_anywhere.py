"""A definition with anything in any place of it is refused or understood: it never breaks the sandbox."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from tests.sandbox.pipelines.definitions import (
    compare,
    condition,
    definition,
    fail,
    get,
    join,
    json_get,
    processing,
    training,
)

from sandbox.api.errors import AwsError
from sandbox.pipelines.caching import KEY_ARGUMENTS, cache_key
from sandbox.pipelines.conditions import all_hold
from sandbox.pipelines.definition import Definition, parse
from sandbox.pipelines.parameters import given_values
from sandbox.pipelines.values import StepError, Values, resolve

OUTPUT = "Steps.Prepare.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"
CHOICE = {"Type": "In", "QueryValue": get("Parameters.Text"), "Values": ["x", get("Parameters.Text")]}
WHOLE = definition(
    processing(
        PropertyFiles=[{"PropertyFileName": "Report", "OutputName": "train", "FilePath": "report.json"}],
        CacheConfig={"Enabled": True, "ExpireAfter": "P1D"},
        RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 2}],
        Environment={"A": join(get("Parameters.Text"), get("Execution.PipelineName"))},
    ),
    training(HyperParameters={"data": get(OUTPUT)}, DependsOn=["Prepare"]),
    condition(
        "Better",
        compare("LessThan", json_get("a.b[0]['c']"), get("Parameters.Bar")),
        {"Type": "Or", "Conditions": [{"Type": "Not", "Condition": CHOICE}]},
        then=[fail(message=join("a", get("Steps.Train.TrainingJobStatus")))],
        otherwise=[condition("Inner", compare("Equals", 1, 1))],
    ),
    parameters=[
        {"Name": "Text", "Type": "String", "DefaultValue": "a"},
        {"Name": "Bar", "Type": "Float", "DefaultValue": 1.5},
    ],
)
ANYTHING: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    10**400,
    "",
    "\ud800",
    [],
    {},
    [None],
    {"a": {}},
    get("Steps.Better.Outcome"),
    {"Get": None},
    {"Std:Join": {"Values": [[1]]}},
    {"Std:JsonGet": {"Path": "a", "S3Uri": 5}},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to everything in a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def run(parsed: Definition) -> None:
    """Do what an execution does with a definition."""
    prepared = json.loads(WHOLE)["Steps"][0]["Arguments"]
    given = [{"Name": name, "Value": "2"} for name in parsed.parameters]
    values = Values(
        definition=parsed,
        parameters=given_values(parsed.parameters, given),
        execution={"PipelineName": "news"},
        properties={
            "Prepare": prepared,
            "Train": {"TrainingJobStatus": "Completed"},
            "Better": {"Outcome": True},
        },
        read=lambda uri: b'{"a": {"b": [{"c": 1}]}}',
    )
    for step in parsed.steps.values():
        own = {key: item for key, item in step.arguments.items() if key not in ("IfSteps", "ElseSteps")}
        try:
            all_hold(step.conditions, values)
            arguments = resolve(own, values)
        except StepError:
            continue
        if step.type in KEY_ARGUMENTS:
            cache_key(step, arguments)


def test_anything_anywhere_is_refused_or_understood() -> None:
    run(parse(WHOLE))
    codes: list[str] = []
    for path in places(json.loads(WHOLE)):
        for anything in ANYTHING:
            content = json.loads(WHOLE)
            parent = content
            for key in path[:-1]:
                parent = parent[key]
            parent[path[-1]] = copy.deepcopy(anything)
            try:
                run(parse(json.dumps(content)))
            except AwsError as error:
                codes.append(error.code)
    assert len(codes) > 1000
    assert set(codes) == {"ValidationException"}
