"""What becomes of every member of a request: it is done, refused, or without a counterpart on one machine.

fields.yaml says which. A member that stands nowhere in it is refused: nothing is accepted and then ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.service_model import service_model

TABLE = Path(__file__).with_name("fields.yaml")
UNKNOWN = "the botocore of this sandbox does not know it"
_UNDECIDED = "what it asks for was never looked at"


@dataclass(frozen=True, kw_only=True)
class Structure:
    """The members of one structure of a service's model, by what becomes of them.

    Args:
        done: Those that do what they do on AWS.
        only: Of those, the values that are done, where not all are.
        refused: Why, by member.
        accepts: A value of a refused member that changes nothing, AWS's default.
        without: Why there is no counterpart, by member.
    """

    done: frozenset[str] = frozenset()
    only: Mapping[str, tuple[str, ...]]
    refused: Mapping[str, str]
    accepts: Mapping[str, Any]
    without: Mapping[str, str]


def structure(service: str, name: str) -> Structure:
    """Return what becomes of the members of a structure; of none is known when the table does not name it."""
    return _table().get((service, name), Structure(only={}, refused={}, accepts={}, without={}))


def structures(service: str) -> list[str]:
    """Return the names of a service's structures in the table, in its order."""
    return [name for its_service, name in _table() if its_service == service]


def check(operation: str, request: Mapping[str, Any], service: str = "sagemaker") -> None:
    """Make sure that something is done with all that a request asks for.

    Args:
        operation: Whose request it is.
        request: Of the right types.
        service: botocore's name of the service.

    Raises:
        AwsError: ValidationException, which names every member that is refused, and why.
    """
    if problems := refused_members(operation, request, service):
        raise validation_error(refusal(problems))


def refused_members(operation: str, request: Mapping[str, Any], service: str) -> list[str]:
    """Return the members of a request that are refused, each as "name: why"."""
    shape = service_model(service).operation_model(operation).input_shape
    return list(_problems(service, shape, request, ""))


def is_accounted_for(service: str, operation: str) -> bool:
    """Return whether the members of an operation's request are in the table."""
    shape = service_model(service).operation_model(operation).input_shape
    return shape is not None and (service, shape.name) in _table()


def refusal(problems: list[str]) -> str:
    """Return the message of an error that refuses members, each given as "name: why"."""
    them = "it" if len(problems) == 1 else "them"
    return (
        f"The sandbox does not implement {'; '.join(problems)}. Leave {them} out, or use an AWS account (a"
        " mode other than sample). src/sandbox/FIELDS.md lists what becomes of every field."
    )


def refused_value(service: str, name: str, member: str, value: Any) -> str | None:
    """Return why a value of a structure's member is refused, None when it is not."""
    known = structure(service, name)
    if member in known.without or member in known.done:
        valid = known.only.get(member)
        values = value if isinstance(value, list) else [value]
        if not valid or all(each in valid for each in values):
            return None
        return f"of its values only {' and '.join(valid)}"
    if _asks_for_nothing(value) or (member in known.accepts and value == known.accepts[member]):
        return None
    return known.refused.get(member, _UNDECIDED)


def _problems(service: str, shape: Any, value: Any, path: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            for member, item in value.items():
                where = f"{path}.{member}" if path else member
                if item is None:
                    continue
                if member not in shape.members:
                    yield f"{where}: {UNKNOWN}"
                elif why := refused_value(service, shape.name, member, item):
                    yield f"{where}{_shown(item)}: {why}"
                elif member in structure(service, shape.name).done:
                    yield from _problems(service, shape.members[member], item, where)
        case "list":
            for item in value:
                yield from _problems(service, shape.member, item, path)
        case "map":
            for item in value.values():
                yield from _problems(service, shape.value, item, path)


def _shown(value: Any) -> str:
    return f" = {value}" if isinstance(value, str | int | float) else ""


def _asks_for_nothing(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_asks_for_nothing(item) for item in value.values())
    return not value


@cache
def _table() -> dict[tuple[str, str], Structure]:
    import yaml

    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {
        (service, name): Structure(
            done=frozenset(given.get("done", "").split()),
            only={member: tuple(values.split()) for member, values in given.get("only", {}).items()},
            refused=given.get("refused", {}),
            accepts=given.get("accepts", {}),
            without=given.get("without", {}),
        )
        for service, structures in table.items()
        for name, given in structures.items()
    }
