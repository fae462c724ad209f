"""What a value of a definition refers to: Get, Std:Join and Std:JsonGet, and the paths that they name.

Source: sagemaker 3.27, core/workflow/functions.py and properties.py, which write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

GET, JOIN, JSON_GET = "Get", "Std:Join", "Std:JsonGet"
_MEMBERS = {JOIN: ({"On", "Values"}, {"Values"}), JSON_GET: ({"PropertyFile", "S3Uri", "Path"}, {"Path"})}
PARAMETERS, EXECUTION, STEPS, PROPERTY_FILES = "Parameters", "Execution", "Steps", "PropertyFiles"
_REFERENCE = re.compile(rf"({PARAMETERS}|{EXECUTION}|{STEPS})\.([A-Za-z0-9_-]+)(?:\.(.+))?", re.DOTALL)
# One part of a path: a name, a place in a list, or a name in brackets that may hold any sign.
_PART = re.compile(r"""\.?([^.\[\]'"*?@$]+)|\[([0-9]+)\]|\['([^']*)'\]|\["([^"]*)"\]""")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a Get names.

    Args:
        root: Parameters, Execution or Steps.
        name: Of the parameter, the variable or the step.
        path: Inside the step; "" for the others.
    """

    root: str
    name: str
    path: str = ""


def function_of(value: Any) -> str | None:
    """Return which function a value calls: Get, Std:Join or Std:JsonGet; None for a plain value."""
    if isinstance(value, dict) and len(value) == 1:
        [name] = value
        return name if name in (GET, JOIN, JSON_GET) else None
    return None


def functions(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every function in a value with its operand, those inside other functions too."""
    name = function_of(value)
    if name is not None:
        yield name, value[name]
    if isinstance(value, dict):
        for item in value.values():
            yield from functions(item)
    elif isinstance(value, list):
        for item in value:
            yield from functions(item)


def reference(operand: Any) -> Reference:
    """Return what the operand of a Get names.

    Raises:
        ValueError: It names nothing.
    """
    found = _REFERENCE.fullmatch(operand) if isinstance(operand, str) else None
    if found is None:
        raise ValueError(f"Cannot parse property reference [{operand}].")
    root, name, path = found.groups(default="")
    if (root == STEPS) != bool(path):
        raise ValueError(f"Cannot parse property reference [{operand}].")
    return Reference(root=root, name=name, path=path)


def property_file_of(operand: Any) -> Reference:
    """Return the step and the property file (its name is the path) that a JsonGet's PropertyFile names.

    Raises:
        ValueError: It names none.
    """
    named = reference(operand[GET]) if function_of(operand) == GET else None
    root, _, name = named.path.partition(".") if named else ("", "", "")
    if named is None or root != PROPERTY_FILES or not name:
        raise ValueError(f"Cannot parse property file reference [{operand}].")
    return Reference(root=PROPERTY_FILES, name=named.name, path=name)


def step_names(value: Any) -> Iterator[str]:
    """Yield the name of every step that a value refers to; what is no reference is left to check_function."""
    for name, operand in functions(value):
        found = _REFERENCE.fullmatch(operand) if name == GET and isinstance(operand, str) else None
        if found is not None and found[1] == STEPS:
            yield found[2]


def check_function(name: str, operand: Any) -> None:
    """Make sure that a function has the operands that it needs.

    Raises:
        ValueError: It has not.
    """
    if name == GET:
        reference(operand)
        return
    allowed, required = _MEMBERS[name]
    if not isinstance(operand, dict):
        raise ValueError("Expecting start of Json Object.")
    for unknown in sorted(operand.keys() - allowed):
        raise ValueError(f"Cannot parse object, unknown property '{unknown}'.")
    for missing in sorted(required - operand.keys()):
        raise ValueError(f"{name} needs '{missing}'.")
    if name == JOIN and not isinstance(operand["Values"], list):
        raise ValueError("Expecting start of Json Array.")
    if name == JOIN and not isinstance(operand.get("On", ""), str):
        raise ValueError(f"{name} needs a String as 'On'.")
    if name == JSON_GET:
        _check_json_get(operand)


def _check_json_get(operand: dict[str, Any]) -> None:
    if ("PropertyFile" in operand) == ("S3Uri" in operand):
        raise ValueError(f"{JSON_GET} needs either 'PropertyFile' or 'S3Uri', and not both.")
    if "PropertyFile" in operand:
        property_file_of(operand["PropertyFile"])
    if not isinstance(operand["Path"], str):
        raise ValueError(f"{JSON_GET} needs a String as 'Path'.")
    path_parts(operand["Path"])


def path_parts(path: str) -> list[str | int]:
    """Return the parts of a path: names as text, places in a list as numbers.

    Args:
        path: As in A.B[0]['a name'].C; the root of JsonPath, $, may stand before it.

    Raises:
        ValueError: It is no such path. What else JsonPath knows (wildcards, filters, slices) is not done.
    """
    rest = path[1:] if path.startswith("$") else path
    parts: list[str | int] = []
    position = 0
    while position < len(rest):
        found = _PART.match(rest, position)
        if found is None or (position == 0 and path == rest and rest.startswith(".")):
            raise ValueError(f"Invalid path '{path}'.")
        name, place, *quoted = found.groups()
        parts.append(int(place) if place is not None else name or next(q for q in quoted if q is not None))
        position = found.end()
    if not parts:
        raise ValueError(f"Invalid path '{path}'.")
    return parts


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not have.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"{name} is not a number of JSON")
