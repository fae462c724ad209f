"""Which events a pattern matches: moto's matching, of patterns that are checked first.

moto takes a filter that it does not know for one that matches everything, and does not look into lists of
objects, as the metrics of an alarm are.

Source: EventBridge User Guide, "Creating Amazon EventBridge event patterns" and "Comparison operators for use
in event patterns". AWS's reasons for refusing one are not all public.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sandbox.api.errors import AwsError
from sandbox.events.alarm_events import DETAIL_TYPE, SOURCE

_COMPARISONS = ("<", "<=", "=", ">=", ">")
_OF_AWS = "aws."


def read(text: str) -> dict[str, Any]:
    """Return the pattern that a text holds.

    Raises:
        AwsError: InvalidEventPatternException; it is none, or matches nothing that happens here.
    """
    try:
        pattern = json.loads(text)
    except (ValueError, RecursionError):
        raise _invalid("Invalid JSON") from None
    if not isinstance(pattern, dict) or not pattern:
        raise _invalid("Filter is not an object, or an empty one")
    _check(pattern)
    _check_source(pattern)
    return pattern


def matches(text: str, event: dict[str, Any]) -> bool:
    """Tell whether an event is one of those that a checked pattern describes."""
    from moto.events.models import EventPattern

    return EventPattern.load(text).matches_event(_spread(event))


def _check(pattern: dict[str, Any]) -> None:
    for name, value in pattern.items():
        if name == "$or":
            if not isinstance(value, list) or len(value) < 2 or not all(isinstance(it, dict) for it in value):
                raise _invalid("$or must be an array of at least two objects")
            for each in value:
                _check(each)
        elif isinstance(value, dict):
            if not value:
                raise _invalid(f"'{name}' is an empty object")
            _check(value)
        elif isinstance(value, list):
            if not value:
                raise _invalid("Empty arrays are not allowed")
            for each in value:
                _check_filter(name, each)
        else:
            raise _invalid(f"'{name}' must be an object or an array")


def _check_filter(name: str, value: Any) -> None:
    if isinstance(value, list):
        raise _invalid(f"'{name}' has an array in an array")
    if not isinstance(value, dict):
        return
    kind, given = next(iter(value.items()), ("", None))
    if len(value) != 1 or kind not in _FILTERS:
        raise _invalid(f"Unrecognized match type {', '.join(value) or '{}'}; known: {', '.join(_FILTERS)}")
    if not _FILTERS[kind](given):
        raise _invalid(f"{json.dumps(given)} is nothing that {kind} of '{name}' compares with")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_part(value: Any) -> bool:
    """Tell whether a value is what a prefix or a suffix may be: a text, in any case or as it is."""
    return _is_text(value.get("equals-ignore-case") if isinstance(value, dict) and len(value) == 1 else value)


def _is_numeric(value: Any) -> bool:
    is_pairs = isinstance(value, list) and len(value) in (2, 4)
    return is_pairs and all(each in _COMPARISONS for each in value[::2]) and all(map(_is_number, value[1::2]))


def _is_excluded(value: Any) -> bool:
    """Tell whether a value is what anything-but excludes: one, several of a kind, or a filter of texts."""
    if isinstance(value, dict):
        kind, given = next(iter(value.items()), ("", None))
        texts = given if isinstance(given, list) else [given]
        is_known = kind in ("prefix", "suffix", "equals-ignore-case", "wildcard")
        return len(value) == 1 and is_known and bool(texts) and all(map(_is_text, texts))
    several = value if isinstance(value, list) else [value]
    return bool(several) and (all(map(_is_text, several)) or all(map(_is_number, several)))


_FILTERS: dict[str, Callable[[Any], bool]] = {
    "prefix": _is_part,
    "suffix": _is_part,
    "equals-ignore-case": _is_text,
    "anything-but": _is_excluded,
    "numeric": _is_numeric,
    "exists": lambda value: isinstance(value, bool),
    "cidr": _is_text,
    "wildcard": _is_text,
}


def _check_source(pattern: dict[str, Any]) -> None:
    """Refuse a pattern of events that AWS's services send there and nothing sends here."""
    sources = pattern.get("source", [])
    is_named = bool(sources) and isinstance(sources, list) and all(map(_is_text, sources))
    if not is_named or any(not each.startswith(_OF_AWS) for each in sources):
        return
    types = pattern.get("detail-type", [DETAIL_TYPE])
    is_sent = not all(isinstance(each, str) and each != DETAIL_TYPE for each in types)
    if SOURCE not in sources or not is_sent:
        raise _invalid(
            f"the sandbox sends no such events; of AWS's own it has '{DETAIL_TYPE}' of {SOURCE}, besides"
            " those of PutEvents (src/sandbox/README.md)"
        )


def _spread(value: Any) -> Any:
    """Return an event whose lists of objects are objects of lists, which is what a pattern looks at."""
    if isinstance(value, dict):
        return {name: _spread(item) for name, item in value.items()}
    if not (isinstance(value, list) and value and all(isinstance(each, dict) for each in value)):
        return value
    together: dict[str, list[Any]] = {}
    for each in value:
        for name, item in each.items():
            together.setdefault(name, []).extend(item if isinstance(item, list) else [item])
    return {name: _spread(items) for name, items in together.items()}


def _invalid(reason: str) -> AwsError:
    return AwsError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {reason}")
