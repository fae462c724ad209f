"""REQUESTS.md: every field of every body, as the tables that read them have it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from serve.body_fields import Field, Table
from serve.dialects.registry import DIALECTS

PAGE = Path(__file__).with_name("REQUESTS.md")
_INTRODUCTION = """\
# Fields of requests

Written by `python -m serve.docs` from the tables that read the bodies; a test holds it to them. Read in the
sources: TGI 3.3.6 (3.3.7 has the same), djl-serving 0.36 (LMI;
its chat streams events as since June 2026), vLLM as of autumn 2026, TEI 1.8.2.

*done*: it does what it does there. *refused*: an error that names it, unless its value asks for nothing.
*ignored*: the engine's own server ignores it too; here the log says so. A field that is in no table is
ignored and logged, as in all of them. A type with `?` may be null. In lmi and vllm numbers and switches may
be texts ("5", "true") and whole numbers 5.0, in tgi and tei they may not.
"""


def page() -> str:
    """Return the page."""
    parts = [_INTRODUCTION]
    for name, dialect in DIALECTS.items():
        parts.append(f"\n## {name}\n")
        for title, table in dialect.bodies().items():
            parts.append(f"\n### {title}\n\n{_counts(table)}\n\n{_rows(table)}\n")
    return "".join(parts)


def _counts(table: Table) -> str:
    counts = Counter(row.status for row in table.values())
    return ", ".join(f"{number} {status}" for status, number in counts.items()) + "."


def _rows(table: Table) -> str:
    rows = [
        f"| {_names(name, row)} | {row.kind} | {row.status} | {_about(row)} |" for name, row in table.items()
    ]
    return "\n".join(["| field | type | | |", "|---|---|---|---|", *rows])


def _names(name: str, row: Field) -> str:
    return ", ".join(f"`{each}`" for each in (name, *row.aliases))


def _about(row: Field) -> str:
    harmless = ", ".join(f"`{json.dumps(value)}`" for value in row.harmless)
    return row.about + (f"; asks for nothing: {harmless}" if harmless else "")
