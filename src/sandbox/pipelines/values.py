"""The values of a definition while it runs: each function is replaced by what it gives then.

Source: developer guide, "Pass Data Between Steps"; sagemaker 3.27, mlops/local/pipeline.py, whose messages
say what AWS's documentation leaves open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from sandbox.api.errors import AwsError
from sandbox.pipelines.references import (
    EXECUTION,
    GET,
    JOIN,
    PARAMETERS,
    function_of,
    path_parts,
    property_file_of,
    reference,
    refuse_constant,
)

if TYPE_CHECKING:
    from sandbox.pipelines.definition import Definition

# An element of these lists is reached by its name too: Outputs['train'], FinalMetricDataList['loss'].
_NAMES = ("OutputName", "InputName", "ChannelName", "MetricName", "VariantName", "ContainerHostname", "Name")
_MAX_PROPERTY_FILE_BYTES = 2 * 1024 * 1024


class StepError(Exception):
    """Why a step cannot go on: its FailureReason."""


@dataclass(frozen=True, kw_only=True)
class Values:
    """What a value of a definition can refer to.

    Args:
        definition: That the execution runs.
        parameters: By name, each in its own type.
        execution: The execution variables by name: PipelineName, StartDateTime and so on.
        properties: By a step's name: what its Describe call answers, as JSON has it.
        read: Returns the bytes of an object, given its S3 URI; raises AwsError.
    """

    definition: Definition
    parameters: Mapping[str, Any]
    execution: Mapping[str, str]
    properties: Mapping[str, Any]
    read: Callable[[str], bytes]


def resolve(value: Any, values: Values) -> Any:
    """Return a value with each function replaced by what it gives now.

    Raises:
        StepError: A function gives nothing.
    """
    if isinstance(value, list):
        return [resolve(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    match function_of(value):
        case None:
            return {name: resolve(item, values) for name, item in value.items()}
        case str() as name if name == GET:
            return _get(value[GET], values)
        case str() as name if name == JOIN:
            return _join(value[JOIN], values)
        case name:
            return _json_get(value[name], values)


def _get(operand: str, values: Values) -> Any:
    named = reference(operand)
    if named.root == PARAMETERS:
        return values.parameters[named.name]
    if named.root == EXECUTION:
        found = values.execution.get(named.name)
    else:
        found = _reached(values.properties.get(named.name), path_parts(named.path), is_by_name=True)
    return _undefined(operand) if found is None else found


def _join(operand: dict[str, Any], values: Values) -> str:
    return operand.get("On", "").join(_text(resolve(item, values)) for item in operand["Values"])


def _text(value: Any) -> str:
    """Return a value as a part of a text, as JSON writes it: true, 0.5."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict) or value is None:
        raise StepError(f"Std:Join joins texts, numbers and booleans, and not {json.dumps(value)[:80]}.")
    return json.dumps(value)


def _json_get(operand: dict[str, Any], values: Values) -> Any:
    if "PropertyFile" in operand:
        uri = _place_of_property_file(operand["PropertyFile"], values)
    else:
        uri = resolve(operand["S3Uri"], values)
    found = _reached(_json_at(uri, values), path_parts(operand["Path"]), is_by_name=False)
    if found is None:
        raise StepError(f"Invalid json path '{operand['Path']}': {uri} has no value there.")
    return found


def _place_of_property_file(operand: Any, values: Values) -> str:
    """Return the S3 URI of a property file: where the step's output went, and the file's path in it."""
    named = property_file_of(operand)
    file = values.definition.steps[named.name].property_files[named.path]
    path = ["ProcessingOutputConfig", "Outputs", file.output_name, "S3Output", "S3Uri"]
    folder = _reached(values.properties.get(named.name), path, is_by_name=True)
    if folder is None:
        raise StepError(f"Step '{named.name}' does not yet contain processing outputs.")
    return f"{folder.rstrip('/')}/{file.path}"


def _json_at(uri: Any, values: Values) -> Any:
    if not isinstance(uri, str) or not uri.startswith("s3://"):
        raise StepError(f"Std:JsonGet needs an S3 URI, and not {uri!r}.")
    try:
        content = values.read(uri)
    except AwsError as error:
        raise StepError(
            f"Received an error while reading file {uri} from S3: {error.code}: {error.message}"
        ) from error
    if len(content) > _MAX_PROPERTY_FILE_BYTES:
        raise StepError(f"{uri} has {len(content)} bytes; a property file may have 2 MB.")
    try:
        return json.loads(content, parse_constant=refuse_constant)
    except ValueError as error:
        raise StepError(f"Contents of file {uri} are not in valid JSON format.") from error


def _reached(value: Any, parts: list[str | int], *, is_by_name: bool) -> Any:
    """Return what lies at a path, or None.

    Args:
        value: To start from.
        parts: Of the path.
        is_by_name: Whether a name reaches an element of a list too.
    """
    for part in parts:
        if isinstance(value, dict):
            value = value.get(str(part))
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part] if part < len(value) else None
        elif isinstance(value, list) and is_by_name:
            value = next((item for item in value if part in (item.get(name) for name in _NAMES)), None)
        else:
            return None
    return value


def _undefined(operand: str) -> NoReturn:
    raise StepError(f"Property reference [{operand}] is undefined: it has no value when this step begins.")
