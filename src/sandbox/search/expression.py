"""A SearchExpression as a function that says of a record whether it satisfies it.

Source: API reference, SearchExpression, Filter and NestedFilters. What it leaves open is decided here: a
record without the property satisfies NotEquals, text is compared with its case, and a property that lies in a
list (InputDataConfig.ChannelName) counts when one of its values does.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.api.constraints import seconds
from sandbox.api.errors import validation_error
from sandbox.search import properties
from sandbox.search.properties import BOOLEAN, GROUP, HYPERPARAMETER, NUMBER, TEXT, TIME, Property

Matches = Callable[[dict[str, Any]], bool]
MAX_CONDITIONS = 50
_ORDER = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_EQUALITY, _PRESENCE, _OF_TEXT = ("Equals", "NotEquals"), ("Exists", "NotExists"), ("Contains", "In")
_OPERATORS = {
    TEXT: (*_EQUALITY, *_OF_TEXT, *_PRESENCE),
    HYPERPARAMETER: (*_EQUALITY, *_ORDER, *_OF_TEXT, *_PRESENCE),
    NUMBER: (*_EQUALITY, *_ORDER, *_PRESENCE),
    TIME: (*_EQUALITY, *_ORDER, *_PRESENCE),
    BOOLEAN: (*_EQUALITY, *_PRESENCE),
    GROUP: _PRESENCE,
}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def matcher(expression: dict[str, Any], shape: Any, whole_name: Callable[[str], str] = str) -> Matches:
    """Return what tells whether a record satisfies an expression.

    Args:
        expression: A checked SearchExpression.
        shape: The record's, of botocore's model.
        whole_name: Makes the whole name of a property of a short one.

    Raises:
        AwsError: ValidationException: no condition, too many, a property that is not there, an operator that
            its type has not, a value that is not of its type.
    """
    conditions = list(_conditions(expression))
    if len(conditions) > MAX_CONDITIONS:
        raise validation_error(
            f"A SearchExpression can have {MAX_CONDITIONS} SubExpressions, NestedFilters and Filters in all,"
            f" not {len(conditions)}."
        )
    if sum(each.get("Operator") == "Contains" for each in conditions) > 1:
        raise validation_error("'CONTAINS' operator usage limit of 1 exceeded.")
    return _matcher(_Names(shape, whole_name), expression)


def _conditions(expression: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every filter, nested filter and expression below an expression."""
    yield from expression.get("Filters", ())
    for nested in expression.get("NestedFilters", ()):
        yield {"NestedPropertyName": nested["NestedPropertyName"]}
        yield from nested["Filters"]
    for each in expression.get("SubExpressions", ()):
        yield {}
        yield from _conditions(each)


@dataclass(frozen=True)
class _Names:
    shape: Any
    whole_name: Callable[[str], str]

    def find(self, name: str) -> Property:
        return properties.find(self.shape, self.whole_name(name))


def _matcher(names: _Names, expression: dict[str, Any]) -> Matches:
    found = [
        *(_filter(each, names.find(each["Name"])) for each in expression.get("Filters", ())),
        *(_nested(names, each) for each in expression.get("NestedFilters", ())),
        *(_matcher(names, each) for each in expression.get("SubExpressions", ())),
    ]
    if not found:
        raise validation_error(
            "A SearchExpression needs at least one of Filters, NestedFilters and SubExpressions."
        )
    combine = any if expression.get("Operator") == "Or" else all
    return lambda record: combine(matches(record) for matches in found)


def _nested(names: _Names, nested: dict[str, Any]) -> Matches:
    """Return what tells whether a single object of a list satisfies all filters."""
    name = nested["NestedPropertyName"]
    items = names.find(name)
    if not items.is_list:
        raise validation_error(
            f"NestedPropertyName must be a list of objects, as InputDataConfig is, not {name}."
        )
    found = []
    for each in nested["Filters"]:
        if not each["Name"].startswith(f"{name}."):
            raise validation_error(
                f"A nested filter of {name} must name a property of it, not {each['Name']}."
            )
        found.append(_filter(each, properties.find(items.shape, each["Name"].removeprefix(f"{name}."))))
    return lambda record: any(all(matches(item) for matches in found) for item in items.values(record))


def _filter(given: dict[str, Any], wanted: Property) -> Matches:
    name, value = given["Name"], given.get("Value")
    does = given.get("Operator", "Equals")
    if does not in _OPERATORS[wanted.kind]:
        raise validation_error(
            f"The operator {does} is not supported for the {wanted.kind} property {name}; supported:"
            f" {', '.join(_OPERATORS[wanted.kind])}."
        )
    if does in _PRESENCE:
        if value is not None:
            raise validation_error(f"The operator {does} of {name} takes no Value.")
        return lambda record: bool(wanted.values(record)) == (does == "Exists")
    if value is None:
        raise validation_error(f"The operator {does} of {name} needs a Value.")
    holds = _holds(does, wanted.kind, name, value)
    is_negated = does == "NotEquals"
    return lambda record: any(map(holds, wanted.values(record))) != is_negated


def _holds(does: str, kind: str, name: str, value: str) -> Callable[[Any], bool]:
    """Return what tells whether a single value satisfies a filter; NotEquals is told as Equals."""
    compare = _ORDER.get(does, operator.eq)
    if does == "Contains":
        return lambda found: value in found
    if does == "In":
        return value.split(",").__contains__
    if kind == TEXT:
        return value.__eq__
    if kind == HYPERPARAMETER:
        return _holds_of_hyperparameter(does, name, value)
    if kind == BOOLEAN:
        if value.lower() not in ("true", "false"):
            raise _no_value(name, value, "true or false")
        return (value.lower() == "true").__eq__
    if kind == NUMBER:
        number = as_number(value)
        if number is None:
            raise _no_value(name, value, "an integer or a decimal")
        return lambda found: compare(found, number)
    time_s = seconds(value)
    if time_s is None:
        raise _no_value(name, value, "a time as YYYY-mm-ddTHH:MM:SS")
    # What a client was told, and asks for again, has milliseconds that hold.
    return lambda found: compare(round(found, 3), round(time_s, 3))


def _holds_of_hyperparameter(does: str, name: str, value: str) -> Callable[[str], bool]:
    """Return what compares numbers, "treated as integers" when the value asked for is one, else text."""
    number = as_number(value)
    if number is None:
        if does in _ORDER:
            raise _no_value(name, value, "an integer or a decimal")
        return value.__eq__
    compare = _ORDER.get(does, operator.eq)
    is_integer = bool(_INTEGER.fullmatch(value))

    def holds(text: str) -> bool:
        found = as_number(text)
        if found is None:
            return False
        return compare(math.trunc(found) if is_integer and math.isfinite(found) else found, number)

    return holds


def as_number(text: str) -> float | None:
    """Return the number that a text is, as hyperparameters and filters write it, else None."""
    return float(text) if _DECIMAL.fullmatch(text) else None


def _no_value(name: str, value: str, expected: str) -> Exception:
    return validation_error(f"The Value of {name} must be {expected}, not {value}.")
