"""Whether the conditions of a Condition step hold.

Source: sagemaker 3.27, core/workflow/conditions.py: the eight types, and what each is written as. Of which
types the values may be is decided here, as AWS does not say: numbers are compared whatever their kind, and
every other value with one of its own kind only.
"""

from __future__ import annotations

import json
import operator
from typing import Any

from sandbox.pipelines.values import StepError, Values, resolve

_ORDER = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_COMPARED = ("LeftValue", "RightValue")
# What each type of condition is written with.
MEMBERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Equals", *_ORDER), _COMPARED),
    "In": ("QueryValue", "Values"),
    "Not": ("Condition",),
    "Or": ("Conditions",),
}
_KINDS = {
    bool: "Boolean",
    int: "number",
    float: "number",
    str: "String",
    list: "list",
    dict: "object",
    type(None): "null",
}


def check_all(conditions: list[Any]) -> None:
    """Make sure that conditions are written as they must be.

    Raises:
        ValueError: One is not.
    """
    for condition in conditions:
        if not isinstance(condition, dict):
            raise ValueError("Expecting start of Json Object.")
        kind = condition.get("Type")
        if kind not in tuple(MEMBERS):
            raise ValueError(f"Condition of type {kind!r} is not known; it may be {', '.join(MEMBERS)}.")
        for unknown in sorted(condition.keys() - {"Type", *MEMBERS[kind]}):
            raise ValueError(f"Cannot parse object, unknown property '{unknown}'.")
        for missing in (name for name in MEMBERS[kind] if name not in condition):
            raise ValueError(f"A condition of type {kind} needs '{missing}'.")
        for name in {"Values", "Conditions"} & condition.keys():
            if not isinstance(condition[name], list):
                raise ValueError("Expecting start of Json Array.")
        if kind in ("Not", "Or"):
            check_all(condition["Conditions"] if kind == "Or" else [condition["Condition"]])


def holds(condition: dict[str, Any], values: Values) -> bool:
    """Return whether a condition holds.

    Raises:
        StepError: A value of it is not there, or cannot be compared with the other.
    """
    match condition["Type"]:
        case "Not":
            return not holds(condition["Condition"], values)
        case "Or":
            return any(holds(each, values) for each in condition["Conditions"])
        case "In":
            query = resolve(condition["QueryValue"], values)
            return any(_is_same(query, resolve(each, values)) for each in condition["Values"])
        case kind:
            left, right = (resolve(condition[side], values) for side in _COMPARED)
            return _compare(kind, left, right)


def all_hold(conditions: list[dict[str, Any]], values: Values) -> bool:
    """Return whether every condition holds: this is what a Condition step decides by.

    Raises:
        StepError: As holds.
    """
    return all(holds(each, values) for each in conditions)


def _compare(kind: str, left: Any, right: Any) -> bool:
    is_comparable = _kind(left) == _kind(right)
    if is_comparable and kind == "Equals":
        return left == right
    is_ordered = _kind(left) in ("number", "String")
    if is_comparable and is_ordered:
        return _ORDER[kind](left, right)
    raise StepError(f"Condition of type [{kind}] not supported between {_shown(left)} and {_shown(right)}.")


def _is_same(left: Any, right: Any) -> bool:
    return _kind(left) == _kind(right) and left == right


def _kind(value: Any) -> str:
    return _KINDS[type(value)]


def _shown(value: Any) -> str:
    return f"[{json.dumps(value, ensure_ascii=False)[:80]}] of type [{_kind(value)}]"
