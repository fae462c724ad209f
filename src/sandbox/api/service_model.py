"""Check requests and answers against botocore's own description of a service, SageMaker if none is named.

Source: botocore/data/sagemaker/2017-07-24/service-2.json and its like.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from sandbox.api.constraints import check_type, seconds, violations
from sandbox.api.errors import AwsError, validation_error

# What the model requires and AWS leaves out: a version of a group has no name of its own (source: sagemaker
# 3.27, whose ModelPackage.refresh takes the ARN then); the targets that a request puts are one or more, and
# those of a rule may be none.
_LEFT_OUT = {
    "ListTargetsByRule": (
        "Value '[]' at 'targets' failed to satisfy constraint: Member must have length greater than or equal"
        " to 1"
    ),
    "DescribeModelPackage": (
        "Value null at 'modelPackageName' failed to satisfy constraint: Member must not be null"
    ),
}


@cache
def service_model(service: str = "sagemaker") -> Any:
    """Return botocore's model of a service."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@cache
def operation_names(service: str = "sagemaker") -> frozenset[str]:
    """Return the names of all of a service's operations that botocore knows."""
    return frozenset(service_model(service).operation_names)


def check_request(operation: str, request: Any, service: str = "sagemaker") -> dict[str, Any]:
    """Return the request if it fits the operation's input.

    Returns:
        The members AWS knows (fields.check refuses others), without nulls; times in seconds since the epoch.

    Raises:
        AwsError: SerializationException for a wrong type, ValidationException (all violations in one message)
            for a missing member, a wrong length, range, pattern or enum value.
    """
    shape = service_model(service).operation_model(operation).input_shape
    check_type("structure", request)
    if shape is None:
        return {}
    found = list(violations(shape, request))
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
        raise validation_error(f"{count}: {'; '.join(found)}")
    return _known(shape, request)


def check_answer(operation: str, answer: dict[str, Any], service: str = "sagemaker") -> dict[str, Any]:
    """Return the answer without members that are None; members that AWS does not have are our mistake.

    Raises:
        AssertionError: The answer does not fit the operation's output.
    """
    shape = service_model(service).operation_model(operation).output_shape
    answer = _without_none(answer)
    if shape is None:
        assert not answer, f"{operation} answers nothing, not {answer}"
        return {}
    problems = [*_unknown_members(shape, answer, operation)]
    try:
        problems += [each for each in violations(shape, answer) if each != _LEFT_OUT.get(operation)]
    except AwsError as error:
        problems.append(error.message)
    assert not problems, f"{operation}: {'; '.join(problems)}"
    return answer


def only_members(operation: str, record: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a record that the operation's answer has, for Describe calls over our records."""
    members = service_model().operation_model(operation).output_shape.members
    return {name: value for name, value in record.items() if name in members}


def _known(shape: Any, value: Any) -> Any:
    """Return a checked value with known members only, and times as numbers."""
    match shape.type_name:
        case "structure":
            return {
                name: _known(shape.members[name], item)
                for name, item in value.items()
                if name in shape.members and item is not None
            }
        case "list":
            return [_known(shape.member, item) for item in value]
        case "map":
            return {key: _known(shape.value, item) for key, item in value.items()}
        case "timestamp":
            return seconds(value)
        case _:
            return value


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def _unknown_members(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, item in value.items():
            if name not in shape.members:
                yield f"{path}.{name} is not a member"
            else:
                yield from _unknown_members(shape.members[name], item, f"{path}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from _unknown_members(shape.member, item, path)
    elif shape.type_name == "map" and isinstance(value, dict):
        for item in value.values():
            yield from _unknown_members(shape.value, item, path)
