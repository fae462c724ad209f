"""The parameters of a pipeline: what a definition declares, and the values that an execution is started with.

Source: API reference, StartPipelineExecution and Parameter; sagemaker 3.27, core/workflow/parameters.py, and
mlops/local/pipeline_entities.py for the messages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.api.errors import validation_error

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_MEMBERS = {"Name", "Type", "DefaultValue", "EnumValues", "Description"}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TYPES: dict[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter that a definition declares.

    Args:
        name: Of the parameter.
        type: String, Integer, Float or Boolean.
        default: Its value where an execution is given none; None: it must be given one.
        enum_values: The only values that a String may have; () for any.
    """

    name: str
    type: str
    default: Any = None
    enum_values: tuple[str, ...] = ()


def declared(entry: Any) -> Parameter:
    """Return a parameter of what a definition says of it.

    Raises:
        ValueError: It makes no sense.
    """
    if not isinstance(entry, dict):
        raise ValueError("Expecting start of Json Object.")
    for unknown in sorted(entry.keys() - _MEMBERS):
        raise ValueError(f"Cannot parse object, unknown property '{unknown}'.")
    name, kind = entry.get("Name"), entry.get("Type", "String")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"Parameter name {name!r} does not match {_NAME.pattern}.")
    if kind not in tuple(_TYPES):
        raise ValueError(f"Parameter '{name}' has the type {kind!r}; it may be {', '.join(_TYPES)}.")
    default, enum_values = entry.get("DefaultValue"), entry.get("EnumValues") or ()
    if default is not None and not _is_of(default, kind):
        raise ValueError(f"The default value of parameter '{name}' is not of its type, {kind}.")
    is_enum = isinstance(enum_values, list | tuple) and all(isinstance(each, str) for each in enum_values)
    if enum_values and not (kind == "String" and is_enum):
        raise ValueError(f"'EnumValues' of parameter '{name}' are texts, and of a String parameter only.")
    if enum_values and default is not None and default not in enum_values:
        raise ValueError(f"The default value of parameter '{name}' is not one of its EnumValues.")
    return Parameter(name=name, type=kind, default=default, enum_values=tuple(enum_values))


def given_values(parameters: Mapping[str, Parameter], given: Iterable[dict[str, str]]) -> dict[str, Any]:
    """Return every parameter's value for an execution, in its own type.

    Args:
        parameters: That the definition declares.
        given: Those of StartPipelineExecution: Name and Value, both text.

    Raises:
        AwsError: One is not declared, is of another type, is not in its enum, or has no value at all.
    """
    values: dict[str, Any] = {}
    for each in given:
        name, text = each["Name"], each["Value"]
        if name not in parameters:
            raise validation_error(f"Unknown parameter '{name}'")
        if name in values:
            raise validation_error(f"Parameter '{name}' is given twice.")
        if not text:
            raise validation_error('[string "" is too short (length: 0, required minimum: 1)]')
        values[name] = _typed(parameters[name], text)
    for name, parameter in parameters.items():
        if name not in values and parameter.default is None:
            raise validation_error(f"Parameter '{name}' is undefined.")
        values.setdefault(name, parameter.default)
    return {name: values[name] for name in parameters}


def _typed(parameter: Parameter, text: str) -> Any:
    if parameter.enum_values and text not in parameter.enum_values:
        allowed = ", ".join(parameter.enum_values)
        raise validation_error(
            f"Value '{text}' for parameter '{parameter.name}' failed to satisfy enum value set: [{allowed}]"
        )
    readers: dict[str, tuple[re.Pattern[str], Callable[[str], Any]]] = {
        "Integer": (_INTEGER, int),
        "Float": (_DECIMAL, float),
        "Boolean": (re.compile(r"true|false", re.IGNORECASE), lambda boolean: boolean.lower() == "true"),
    }
    if parameter.type not in readers:
        return text
    pattern, read = readers[parameter.type]
    if not pattern.fullmatch(text) or (parameter.type == "Float" and math.isinf(float(text))):
        raise validation_error(
            f"Unexpected type for parameter '{parameter.name}'. Expected {parameter.type} but found '{text}'."
        )
    return read(text)


def _is_of(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "Boolean" or not isinstance(value, bool))
