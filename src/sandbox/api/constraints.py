"""What a value must be to fit a shape of a service model, and how AWS says that it does not.

Source: the messages are those of the service's validation layer, as public issue threads quote them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from sandbox.api.errors import AwsError
from sandbox.api.patterns import compiled

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
_CONTAINERS = {"structure", "list", "map"}
_NUMBERS = {"integer", "long", "float", "double"}
_SIZED = _NUMBERS | {"string", "list", "map", "blob"}
_INTEGER_BITS = {"integer": 32, "long": 64}
_LAST_SECOND = 253_402_300_800  # of the year 9999


def violations(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Yield what is wrong with a value; path is in AWS's style: algorithmSpecification.trainingImage."""
    check_type(shape.type_name, value)
    match shape.type_name:
        case "structure":
            for name in shape.required_members:
                if value.get(name) is None:
                    where = _join(path, name)
                    yield f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
            for name, item in value.items():
                if name in shape.members and item is not None:
                    yield from violations(shape.members[name], item, _join(path, name))
            return
        case "list":
            yield from _violations_of_elements(shape.member, enumerate(value, 1), value, path, "Member")
        case "map":
            keys = ((key, key) for key in value)
            yield from _violations_of_elements(shape.key, keys, value, path, "Map keys")
            yield from _violations_of_elements(shape.value, value.items(), value, path, "Map value")
    for constraint in _constraints(shape, value):
        yield f"Value '{_shown(value)}' at '{path}' failed to satisfy constraint: {constraint}"


def _violations_of_elements(
    shape: Any, elements: Iterable[tuple[Any, Any]], whole: Any, path: str, subject: str
) -> Iterator[str]:
    """Yield what is wrong with the elements of a list or a map; plain ones AWS names all at once."""
    if shape.type_name in _CONTAINERS:
        for name, element in elements:
            yield from violations(shape, element, f"{path}.{name}.member")
        return
    is_broken = False
    for _, element in elements:
        check_type(shape.type_name, element)
        is_broken = is_broken or any(_constraints(shape, element))
    if is_broken:
        every = f"{subject} must satisfy constraint: [{', '.join(_constraints(shape))}]"
        yield f"Value '{_shown(whole)}' at '{path}' failed to satisfy constraint: {every}"


_EVERY = object()


def _constraints(shape: Any, value: Any = _EVERY) -> Iterator[str]:
    """Yield the constraints of a shape that a value breaks; all of them when no value is given."""
    limits, size = shape.metadata, _size(shape, value)
    what = "value" if shape.type_name in _NUMBERS else "length"
    if shape.type_name in _SIZED:
        if "max" in limits and (value is _EVERY or size > float(limits["max"])):
            yield f"Member must have {what} less than or equal to {limits['max']}"
        if "min" in limits and (value is _EVERY or size < float(limits["min"])):
            yield f"Member must have {what} greater than or equal to {limits['min']}"
    if limits.get("enum") and (value is _EVERY or value not in limits["enum"]):
        yield f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
    pattern = limits.get("pattern") if shape.type_name == "string" else None
    if pattern and (value is _EVERY or not compiled(pattern).fullmatch(value)):
        yield f"Member must satisfy regular expression pattern: {pattern}"


def _size(shape: Any, value: Any) -> float:
    if value is _EVERY or shape.type_name not in _SIZED:
        return 0
    if shape.type_name in _NUMBERS:
        return value
    return len(base64.b64decode(value)) if shape.type_name == "blob" else len(value)


def check_type(kind: str, value: Any) -> None:
    """Make sure that a value has the JSON type of its shape.

    Raises:
        AwsError: SerializationException.
    """
    is_right = isinstance(value, _PLAIN[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if is_right and kind in _INTEGER_BITS:
        is_right = -(1 << _INTEGER_BITS[kind] - 1) <= value < 1 << _INTEGER_BITS[kind] - 1
    elif is_right and kind == "timestamp":
        is_right = seconds(value) is not None
    elif is_right and kind == "blob":
        is_right = _is_base64(value)
    if not is_right:
        raise AwsError(
            "SerializationException", f"{_type_name(value)} can not be converted to a {kind.capitalize()}"
        )


def seconds(value: float | str) -> float | None:
    """Return a time as seconds since the epoch; it comes as such, or in ISO 8601."""
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    return float(value) if abs(value) < _LAST_SECOND else None


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except ValueError:
        return False
    return True


def _join(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


def _shown(value: Any) -> str:
    """Return a value as Java shows it."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={_shown(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(_shown(item) for item in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return f"{str(value).upper()}_VALUE"
    names = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE", dict: "START_OBJECT"}
    return names.get(type(value), "START_ARRAY" if isinstance(value, list) else "NULL_VALUE")
