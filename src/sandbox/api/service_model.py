"""Check requests and answers against botocore's own description of SageMaker.

Source: botocore/data/sagemaker/2017-07-24/service-2.json. The messages are those of the service's validation
layer, as public issue threads quote them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from sandbox.api.errors import AwsError, validation_error

_PLAIN = {
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str),
    "blob": (str,),
    "structure": (dict,),
    "list": (list,),
    "map": (dict,),
}


@cache
def service_model(service: str = "sagemaker") -> Any:
    """Return botocore's model of a service."""
    import botocore.session

    return botocore.session.Session().get_service_model(service)


@cache
def operation_names() -> frozenset[str]:
    """Return the names of all SageMaker operations that botocore knows."""
    return frozenset(service_model().operation_names)


def check_request(operation: str, request: Any) -> dict[str, Any]:
    """Return the request if it fits the operation's input.

    Raises:
        AwsError: SerializationException for a wrong type, ValidationException (all offences in one message)
            for a missing member, a wrong length, range, pattern or enum value.
    """
    shape = service_model().operation_model(operation).input_shape
    if shape is None:
        return {}
    offences = list(_offences(shape, request, ""))
    if offences:
        count = f"{len(offences)} validation error{'s' if len(offences) > 1 else ''} detected"
        raise validation_error(f"{count}: {'; '.join(offences)}")
    return request


def check_answer(operation: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer without members that are None; members that AWS does not have are our mistake.

    Raises:
        AssertionError: The answer does not fit the operation's output.
    """
    shape = service_model().operation_model(operation).output_shape
    answer = _without_none(answer)
    if shape is None:
        assert not answer, f"{operation} answers nothing, not {answer}"
        return {}
    problems = [*_unknown_members(shape, answer, operation)]
    try:
        problems += _offences(shape, answer, "")
    except AwsError as error:
        problems.append(error.message)
    assert not problems, f"{operation}: {'; '.join(problems)}"
    return answer


def only_members(operation: str, record: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a record that the operation's answer has, for Describe calls over our records."""
    members = service_model().operation_model(operation).output_shape.members
    return {name: value for name, value in record.items() if name in members}


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
                yield f"{path}.{name} is no member"
            else:
                yield from _unknown_members(shape.members[name], item, f"{path}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from _unknown_members(shape.member, item, path)


def _offences(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Yield what is wrong with a value; path is in AWS's style: algorithmSpecification.trainingImage."""
    kind = shape.type_name
    if not isinstance(value, _PLAIN[kind]) or (isinstance(value, bool) and kind != "boolean"):
        raise AwsError(
            "SerializationException", f"{_type_name(value)} can not be converted to a {kind.capitalize()}"
        )
    if kind == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                where = _join(path, name)
                yield f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
        for name, item in value.items():
            if name in shape.members and item is not None:
                yield from _offences(shape.members[name], item, _join(path, name))
        return
    for constraint in _broken_constraints(shape, value):
        shown = value if not isinstance(value, list | dict) else f"[{len(value)} entries]"
        yield f"Value '{shown}' at '{path}' failed to satisfy constraint: {constraint}"
    if kind == "list":
        for index, item in enumerate(value, 1):
            yield from _offences(shape.member, item, f"{path}.{index}.member")
    elif kind == "map":
        for key, item in value.items():
            yield from _offences(shape.key, key, f"{path}.key")
            yield from _offences(shape.value, item, f"{path}.{key}.member")


def _broken_constraints(shape: Any, value: Any) -> Iterator[str]:
    limits = shape.metadata
    is_sized = isinstance(value, str | list | dict)
    size, what = (len(value), "have length") if is_sized else (value, "have value")
    if shape.type_name in ("string", "list", "map", "integer", "long", "float", "double"):
        if "min" in limits and size < float(limits["min"]):
            yield f"Member must {what} greater than or equal to {limits['min']}"
        if "max" in limits and size > float(limits["max"]):
            yield f"Member must {what} less than or equal to {limits['max']}"
    if limits.get("enum") and value not in limits["enum"]:
        yield f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
    if (
        isinstance(value, str)
        and (pattern := _compiled(limits.get("pattern")))
        and not pattern.fullmatch(value)
    ):
        yield f"Member must satisfy regular expression pattern: {limits['pattern']}"


@lru_cache(maxsize=1024)
def _compiled(pattern: str | None) -> Any:
    """Return a pattern of the model; they are Java's, with \\p{L} and its like, which `re` does not know."""
    import regex

    return regex.compile(pattern) if pattern else None


def _join(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return f"{str(value).upper()}_VALUE"
    names = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE", dict: "START_OBJECT"}
    return names.get(type(value), "START_ARRAY" if isinstance(value, list) else "NULL_VALUE")
