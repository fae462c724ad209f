"""The Condition element of a policy, evaluated against what a request is said to carry.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Multivalued context keys".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

Context = dict[str, list[str]]
"""Values by the key's name in lower case: names of keys are compared without regard to case."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LITERALS = ("*", "?", "$")
_COMPARISONS = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


class UnsupportedOperatorError(ValueError):
    """A condition operator that IAM does not have."""


def matches(pattern: str, value: str, context: Context, *, any_case: bool = False) -> bool:
    """Tell whether a value fits a pattern with * and ?, its policy variables filled in from the context.

    A variable without a value fits nothing.
    """
    parts, end = [], 0
    for found in _VARIABLE.finditer(pattern):
        parts.append(_wildcards(pattern[end : found.start()]))
        name, _, default = found[1].partition(",")
        if name in _LITERALS:
            parts.append(re.escape(name))
        elif len(values := context.get(name.strip().lower(), [])) == 1:
            parts.append(re.escape(values[0]))
        elif default:
            parts.append(re.escape(default.strip().strip("'")))
        else:
            return False
        end = found.end()
    parts.append(_wildcards(pattern[end:]))
    flags = re.DOTALL | (re.IGNORECASE if any_case else 0)
    return re.fullmatch("".join(parts), value, flags) is not None


def holds(condition: dict[str, Any], context: Context) -> bool:
    """Tell whether every operator of a Condition element holds for every one of its keys.

    Raises:
        UnsupportedOperatorError: IAM has no such operator.
        ValueError: A value is none that its operator compares.
    """
    return all(
        _operator_holds(name, _strings(expected), context.get(key.lower(), []), context)
        for name, keys in condition.items()
        for key, expected in keys.items()
    )


def keys_of(statement: dict[str, Any]) -> set[str]:
    """Return the context keys that a statement asks for, in conditions and in policy variables."""
    asked = {key for keys in statement.get("Condition", {}).values() for key in keys}
    texts = [*_strings(statement.get("Resource", [])), *_strings(statement.get("NotResource", []))]
    texts += [
        text for keys in statement.get("Condition", {}).values() for each in keys.values()
        for text in _strings(each)
    ]  # fmt: skip
    variables = (found.partition(",")[0].strip() for text in texts for found in _VARIABLE.findall(text))
    return asked | {name for name in variables if name not in _LITERALS}


def _operator_holds(name: str, expected: list[str], actual: list[str], context: Context) -> bool:
    quantifier, _, rest = name.rpartition(":")
    base = rest.removesuffix("IfExists")
    if base == "Null":
        return (not actual) == (expected[-1:] == ["true"])
    is_negated, compare = _comparison(base, context)
    if not actual:
        return base != rest or (is_negated and quantifier != "ForAnyValue") or quantifier == "ForAllValues"
    fits = [any(compare(each, value) for each in expected) for value in actual]
    if is_negated:
        fits = [not each for each in fits]
        return any(fits) if quantifier == "ForAnyValue" else all(fits)
    return all(fits) if quantifier == "ForAllValues" else any(fits)


def _comparison(name: str, context: Context) -> tuple[bool, Callable[[str, str], bool]]:
    """Return whether an operator is the negation of a comparison, and the comparison."""
    is_negated = "Not" in name
    base = name.replace("Not", "", 1)
    family = re.match("String|Arn|Numeric|Date|Bool|Binary|Ip", base)
    kind = base[family.end() :] if family else ""
    match family and family[0], kind:
        case ("String", "Equals") | ("Binary", "Equals"):
            return is_negated, lambda each, value: matches(_escaped(each), value, context)
        case "String", "EqualsIgnoreCase":
            return is_negated, lambda each, value: matches(_escaped(each), value, context, any_case=True)
        case ("String", "Like") | ("Arn", "Like" | "Equals"):
            return is_negated, lambda each, value: matches(each, value, context)
        case "Bool", "":
            return is_negated, lambda each, value: each.lower() == value.lower()
        case "Ip", "Address":
            return is_negated, lambda each, value: ip_address(value) in ip_network(each, strict=False)
        case "Numeric", _ if kind in _COMPARISONS:
            return is_negated, lambda each, value: _COMPARISONS[kind](float(value), float(each))
        case "Date", _ if kind in _COMPARISONS:
            return is_negated, lambda each, value: _COMPARISONS[kind](_seconds(value), _seconds(each))
    raise UnsupportedOperatorError(f"Invalid condition operator: {name}")


def _strings(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(each).lower() if isinstance(each, bool) else str(each) for each in values]


def _wildcards(text: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(each) or re.escape(each) for each in text)


def _escaped(text: str) -> str:
    """Return a text as a pattern in which * and ? outside of variables stand for themselves."""
    parts: Iterable[str] = re.split(r"(\$\{[^}]*\})", text)
    return "".join(
        each if each.startswith("${") else re.sub(r"[*?]", lambda found: f"${{{found[0]}}}", each)
        for each in parts
    )


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
