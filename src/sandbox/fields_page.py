"""FIELDS.md: what becomes of every field of every operation's request, with counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.api import fields
from sandbox.api.service_model import service_model

DONE, REFUSED, WITHOUT = "done", "refused", "without a counterpart"
_TITLES = {
    "sagemaker": "SageMaker",
    "application-autoscaling": "Application Auto Scaling",
    "sagemaker-runtime": "SageMaker Runtime",
    "cloudwatch": "CloudWatch",
    "events": "EventBridge",
    "service-quotas": "Service Quotas",
    "pricing": "the price list",
}
_HEAD = """# What becomes of every field

Made by `python -m sandbox.docs` from [api/fields.yaml](api/fields.yaml) and botocore's models. A field is a
member of a request, or of a structure in it, with what is above it: `ResourceConfig.InstanceType` of
CreateTrainingJob is one. What is below a refused field is refused with it, and so on.

- **done**: read, and it does what it does on AWS; a test runs the operations and finds what nothing reads.
- **refused**: a `ValidationException` names it and says why. A value that asks for nothing (`false`, `0`,
  empty) is accepted.
- **without a counterpart** on one machine: accepted, and described back where AWS
  describes it; it changes no result.

A field that a newer SDK sends and this botocore does not know is refused by its name.
"""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a request.

    Args:
        path: With what is above it, for example ResourceConfig.InstanceType.
        structure: botocore's name of the structure that it is a member of.
        member: Its own name.
        fate: DONE, REFUSED or WITHOUT; None when nothing is known of it.
    """

    path: str
    structure: str
    member: str
    fate: str | None


def fields_of(service: str, operation: str) -> Iterator[Field]:
    """Yield every field of an operation's request."""
    yield from _below(service, service_model(service).operation_model(operation).input_shape, "", None, ())


def _below(service: str, shape: Any, path: str, fate: str | None, above: tuple[str, ...]) -> Iterator[Field]:
    match shape.type_name:
        case "structure" if shape.name not in above:
            for member, its_shape in shape.members.items():
                where = f"{path}.{member}" if path else member
                its_fate = fate or _fate(service, shape.name, member)
                yield Field(path=where, structure=shape.name, member=member, fate=its_fate)
                inherited = None if its_fate == DONE else its_fate
                yield from _below(service, its_shape, where, inherited, (*above, shape.name))
        case "list":
            yield from _below(service, shape.member, path, fate, above)
        case "map":
            yield from _below(service, shape.value, path, fate, above)


def _fate(service: str, structure: str, member: str) -> str | None:
    known = fields.structure(service, structure)
    for fate, members in ((DONE, known.done), (REFUSED, known.refused), (WITHOUT, known.without)):
        if member in members:
            return fate
    return None


def page(implemented: list[tuple[str, str]]) -> str:
    """Return the text of FIELDS.md.

    Args:
        implemented: Service and name of every operation.
    """
    counts = [
        (service, name, Counter(field.fate for field in fields_of(service, name)))
        for service, name in implemented
    ]
    total = sum((count for _, _, count in counts), Counter())
    lines = [
        _HEAD,
        f"{len(counts)} operations, {total.total()} fields: {total[DONE]} done, {total[REFUSED]} refused,"
        f" {total[WITHOUT]} without a counterpart, {total[None]} unaccounted for.",
        "",
        "| operation | fields | done | refused | without |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {count.total()} | {count[DONE]} | {count[REFUSED]} | {count[WITHOUT]} |"
            for _, name, count in counts
        ),
    ]
    for service in dict.fromkeys(service for service, _ in implemented):
        lines += ["", f"## {_TITLES[service]}", *_tables(service)]
    return "\n".join(lines) + "\n"


def _tables(service: str) -> Iterator[str]:
    known = {name: fields.structure(service, name) for name in fields.structures(service)}
    for fate in (REFUSED, WITHOUT):
        rows = [
            f"| `{name}.{member}` | {why}{_accepted(each, member)} |"
            for name, each in known.items()
            for member, why in (each.refused if fate == REFUSED else each.without).items()
        ]
        if rows:
            yield from ("", f"| {fate} | why |", "|---|---|", *rows)
    yield from ("", "| structure | done |", "|---|---|")
    for name, each in known.items():
        if each.done:
            yield f"| `{name}` | {', '.join(_done(each, member) for member in sorted(each.done))} |"


def _accepted(known: fields.Structure, member: str) -> str:
    return f"; accepted: {known.accepts[member]}" if member in known.accepts else ""


def _done(known: fields.Structure, member: str) -> str:
    values = known.only.get(member)
    return f"{member} (only {', '.join(values)})" if values else member
