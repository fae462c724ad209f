"""Properties of a record by name: AlgorithmSpecification.TrainingImage, HyperParameters.epochs, Tags.KEY."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.api.errors import validation_error

TEXT, NUMBER, BOOLEAN, TIME = "text", "numeric", "Boolean", "timestamp"
# Text that is compared as a number where it is one.
HYPERPARAMETER = "hyperparameter"
GROUP = "structure"
_KINDS = {
    "string": TEXT,
    "integer": NUMBER,
    "long": NUMBER,
    "float": NUMBER,
    "double": NUMBER,
    "boolean": BOOLEAN,
    "timestamp": TIME,
}
# Names that pick one of a list by another member: property -> list, the member that is the key, the value.
_PICKED = {
    "Tags": ("Tags", "Key", "Value"),
    "Metrics": ("FinalMetricDataList", "MetricName", "Value"),
}


@dataclass(frozen=True, kw_only=True)
class Property:
    """A property that records of a kind may have.

    Args:
        name: As in the request.
        kind: TEXT, NUMBER and the like; GROUP for what has properties of its own and no value.
        steps: Members and keys on the way to it; a pair (key member, key) picks one of a list.
        shape: Of botocore's model, without the lists around it.
        is_list: It is a list of structures.
    """

    name: str
    kind: str
    steps: tuple[str | tuple[str, str], ...]
    shape: Any
    is_list: bool = False

    def values(self, record: dict[str, Any]) -> list[Any]:
        """Return the values that a record has of it; more than one where it lies in a list."""
        return list(_values(record, self.steps))


def find(shape: Any, name: str) -> Property:
    """Return the property of a structure that has a name.

    Args:
        shape: The structure, of botocore's model.
        name: Members with dots between; what follows HyperParameters, Tags or Metrics is one key.

    Raises:
        AwsError: ValidationException, there is none of this name; the message has the closest one.
    """
    steps: list[str | tuple[str, str]] = []
    kind, is_list, rest = "", False, name
    while rest:
        if shape.type_name == "map":
            steps.append(rest)
            kind = (
                HYPERPARAMETER if steps[-2] == "HyperParameters" else _KINDS.get(shape.value.type_name, GROUP)
            )
            shape, is_list, rest = shape.value, False, ""
            break
        members = shape.members if shape.type_name == "structure" else {}
        step, dot, rest = rest.partition(".")
        picked = _PICKED.get(step)
        if picked and rest and picked[0] in members:
            in_list, key, value = picked
            steps += [in_list, (key, rest), value]
            shape, is_list, rest = members[in_list].member.members[value], False, ""
        elif step not in members or (dot and not rest):
            raise _unknown(name, name.removesuffix(rest).rstrip("."), step, [*members, *_picks(members)])
        else:
            steps.append(step)
            shape, is_list = members[step], members[step].type_name == "list"
            while shape.type_name == "list":
                shape = shape.member
            is_list = is_list and shape.type_name == "structure"
    return Property(
        name=name,
        kind=kind or _KINDS.get(shape.type_name, GROUP),
        steps=tuple(steps),
        shape=shape,
        is_list=is_list,
    )


def _picks(members: dict[str, Any]) -> list[str]:
    return [name for name, (in_list, _, _) in _PICKED.items() if in_list in members]


def _unknown(name: str, until: str, step: str, known: list[str]) -> Exception:
    close = difflib.get_close_matches(step, known, n=1)
    before = until[: -len(step)] if step else until
    hint = (
        f" Did you mean {before}{close[0]}?"
        if close
        else f" There are: {', '.join(sorted(known)) or 'none'}."
    )
    return validation_error(f"Unknown property name: {name}.{hint}")


def _values(value: Any, steps: tuple[str | tuple[str, str], ...]) -> Iterator[Any]:
    if isinstance(value, list):
        if steps and isinstance(steps[0], tuple):
            member, key = steps[0]
            value, steps = [item for item in value if item.get(member) == key], steps[1:]
        for item in value:
            yield from _values(item, steps)
    elif not steps:
        if value is not None:
            yield value
    elif isinstance(value, dict):
        yield from _values(value.get(steps[0]), steps[1:])
