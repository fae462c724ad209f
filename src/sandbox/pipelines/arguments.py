"""The arguments of a step, checked against its operation's request while functions stand in them.

Source: botocore's model of each operation. The words are AWS's where public threads quote them: "Unknown
Argument member", "Expecting start of Json Array", "failed to satisfy enum value set", "Cannot assign property
reference [...] to argument of type [String]".
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from sandbox.api.constraints import violations
from sandbox.api.errors import AwsError
from sandbox.api.service_model import service_model
from sandbox.pipelines.references import (
    EXECUTION,
    GET,
    JSON_GET,
    PARAMETERS,
    check_function,
    function_of,
    functions,
    path_parts,
    property_file_of,
    reference,
)

if TYPE_CHECKING:
    from sandbox.pipelines.definition import Definition
    from sandbox.pipelines.step_definition import Step

# What each type of step calls; its properties are what the Describe call of the same resource answers.
OPERATIONS = {
    "Processing": ("CreateProcessingJob", "DescribeProcessingJob"),
    "Training": ("CreateTrainingJob", "DescribeTrainingJob"),
    "Model": ("CreateModel", "DescribeModel"),
    "RegisterModel": ("CreateModelPackage", "DescribeModelPackage"),
}
VARIABLES = (
    "PipelineName",
    "PipelineArn",
    "PipelineExecutionId",
    "PipelineExecutionArn",
    "StartDateTime",
    "CurrentDateTime",
)
# The SDK has names for these too; AWS documents no value of them.
_NO_VARIABLES = ("TrainingJobName", "ProcessingJobName")
# What a pipeline gives its jobs and models itself.
_NAMED_BY_PIPELINES = ("TrainingJobName", "ProcessingJobName", "ModelName")
_NUMBERS = ("integer", "long", "float", "double")
_TARGETS = {
    "String": ("string", "timestamp"),
    "Boolean": ("boolean",),
    "Integer": _NUMBERS,
    "Float": _NUMBERS,
}
_SHOWN = {"string": "String", "boolean": "Boolean", "integer": "Integer", "long": "Integer"}


def check(step: Step, definition: Definition) -> None:
    """Make sure that a step's arguments can become its operation's request.

    Raises:
        ValueError: They cannot.
    """
    own = {name: value for name, value in step.arguments.items() if name not in ("IfSteps", "ElseSteps")}
    check_functions(own, definition)
    if step.type in OPERATIONS:
        shape = service_model().operation_model(OPERATIONS[step.type][0]).input_shape
        for unknown in sorted(step.arguments.keys() - shape.members.keys()):
            raise ValueError(f"Unknown Argument member '{unknown}'.")
        _check_value(shape, step.arguments, definition, "Arguments")


def check_functions(value: Any, definition: Definition) -> None:
    """Make sure that every function in a value is whole, and that what it refers to is there.

    Raises:
        ValueError: One is not.
    """
    for name, operand in functions(value):
        check_function(name, operand)
        if name == GET:
            _check_reference(operand, definition)
        if name == JSON_GET and "PropertyFile" in operand:
            _check_property_file(operand["PropertyFile"], definition)


def _check_reference(operand: str, definition: Definition) -> None:
    named = reference(operand)
    if named.root == PARAMETERS and named.name not in definition.parameters:
        raise ValueError(f"Parameter '{named.name}' is undefined.")
    if named.root == EXECUTION and named.name in _NO_VARIABLES:
        raise ValueError(f"Execution variable '{named.name}' is not done here: AWS documents no value of it.")
    if named.root == EXECUTION and named.name not in VARIABLES:
        raise ValueError(f"Execution variable '{named.name}' is undefined; known are {', '.join(VARIABLES)}.")


def _check_property_file(operand: Any, definition: Definition) -> None:
    named = property_file_of(operand)
    if named.path not in definition.steps[named.name].property_files:
        raise ValueError(f"Property file reference '{named.path}' is undefined in step '{named.name}'.")


def _check_value(shape: Any, value: Any, definition: Definition, path: str) -> None:
    """Make sure that a value, or what its function will give, has the kind that a shape wants."""
    called = function_of(value)
    match shape.type_name:
        case "structure":
            _check_members(shape, value, definition, path, called)
        case "map":
            if called or not isinstance(value, dict):
                raise ValueError(f"Expecting start of Json Object. ({path})")
            for name, item in value.items():
                _check_value(shape.value, item, definition, f"{path}.{name}")
        case "list":
            if called or not isinstance(value, list):
                raise ValueError(f"Expecting start of Json Array. ({path})")
            _check_count(shape, value, path)
            for place, item in enumerate(value):
                _check_value(shape.member, item, definition, f"{path}[{place}]")
        case kind if called == GET:
            _check_assigned(kind, value[GET], definition, path)
        case _ if called is None:
            _check_plain(shape, value, path)


def _check_members(shape: Any, value: Any, definition: Definition, path: str, called: str | None) -> None:
    if called or not isinstance(value, dict):
        raise ValueError(f"Expecting start of Json Object. ({path})")
    for missing in (name for name in shape.required_members if name not in {*value, *_NAMED_BY_PIPELINES}):
        raise ValueError(f"Model Validation failed: Member '{missing}' must not be null. ({path})")
    for name, item in value.items():
        if name not in shape.members:
            raise ValueError(f"Cannot parse object, unknown property '{name}'. ({path})")
        if item is not None:
            _check_value(shape.members[name], item, definition, f"{path}.{name}")


def _check_count(shape: Any, value: list[Any], path: str) -> None:
    for limit, is_broken in (("min", operator.lt), ("max", operator.gt)):
        if limit in shape.metadata and is_broken(len(value), int(shape.metadata[limit])):
            raise ValueError(
                f"Model Validation failed: {path} has {len(value)} members; the {limit}imum is "
                f"{shape.metadata[limit]}."
            )


def _check_assigned(kind: str, operand: str, definition: Definition, path: str) -> None:
    """Make sure that what a Get gives can be assigned to an argument of a kind."""
    named = reference(operand)
    if named.root == PARAMETERS:
        is_right = kind in _TARGETS[definition.parameters[named.name].type]
    elif named.root == EXECUTION:
        is_right = kind in _TARGETS["String"]
    else:
        given = _property_kind(named.name, named.path, operand, definition)
        is_right = given == kind or {given, kind} <= {*_NUMBERS} or {given, kind} <= {"string", "timestamp"}
    if not is_right:
        shown = _SHOWN.get(kind, "Float" if kind in _NUMBERS else kind.capitalize())
        raise ValueError(
            f"Cannot assign property reference [{operand}] to argument of type [{shown}]. ({path}; "
            "the SDK's to_string() makes a text of a number.)"
        )


def _property_kind(step_name: str, path: str, operand: str, definition: Definition) -> str:
    """Return the kind of a step's property."""
    step = definition.steps[step_name]
    if step.type not in OPERATIONS:
        if step.type == "Condition" and path == "Outcome":
            return "boolean"
        raise ValueError(f"Property reference [{operand}] is undefined: a {step.type} step has none such.")
    shape = service_model().operation_model(OPERATIONS[step.type][1]).output_shape
    for part in path_parts(path):
        members = getattr(shape, "members", {})
        if part in members:
            shape = members[part]
        elif shape.type_name == "list":
            shape = shape.member
        elif shape.type_name == "map":
            shape = shape.value
        else:
            raise ValueError(f"Property reference [{operand}] is undefined: there is no '{part}'.")
    return shape.type_name


def _check_plain(shape: Any, value: Any, path: str) -> None:
    """Make sure that a value without functions is one that the operation would take."""
    try:
        problems = [*violations(shape, value, path)]
    except AwsError as error:
        raise ValueError(f"Model Validation failed: {error.message}. ({path})") from error
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        raise ValueError(
            f"Model Validation failed: Value '{value}' for '{shape.name}' failed to satisfy enum value set: "
            f"[{', '.join(allowed)}]"
        )
    if problems:
        raise ValueError(f"Model Validation failed: {problems[0]}")
