"""A file of prompt cases: articles, questions on them, and the checks that an answer has to pass.

- article: "..."
  cases:
  - id: number-01
    kind: number
    question: "투자금은?"
    checks: {number: "340억 원", length: [3, 20], language: 0.5}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from workshop.errors import WorkshopError
from workshop.evaluation.checks import CHECKS

_FIELDS = ("id", "kind", "question", "checks")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question on one article, and what its answer has to keep.

    Attributes:
        id: Of the case; no two are the same.
        kind: By which results are told apart.
        article: As it is.
        question: As somebody asks it.
        checks: Name of a check -> what it asks for; see CHECKS.
    """

    id: str
    kind: str
    article: str
    question: str
    checks: Mapping[str, Any]


def load_cases(path: Path) -> list[Case]:
    """Read a file of cases.

    Raises:
        WorkshopError: No file, no YAML, no case, two of one id, an unknown field or check, or a value that
            the check cannot use; the message names the case.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())
    except FileNotFoundError:
        raise _error(path, "no such file", "a file of prompt cases") from None
    except UnicodeDecodeError:
        raise _error(path, "text that is not UTF-8", "UTF-8") from None
    except yaml.YAMLError as problem:
        mark, what = getattr(problem, "problem_mark", None), getattr(problem, "problem", None)
        line = f" at line {mark.line + 1}" if mark else ""
        found = f"text that is not YAML{line} ({what or 'a character that YAML does not allow'})"
        raise _error(path, found, "a list of articles with their cases") from None
    if not isinstance(content, list) or not content:
        raise _error(path, "no list", "a list of articles with their cases")
    cases = [case for number, entry in enumerate(content, 1) for case in _of_entry(path, number, entry)]
    ids = [case.id for case in cases]
    twice = [name for name in dict.fromkeys(ids) if ids.count(name) > 1]
    if twice:
        raise _error(path, f"two cases with the id {twice[0]}", "an id of its own for each")
    return cases


def _of_entry(path: Path, number: int, entry: Any) -> list[Case]:
    where = f"article {number}"
    if not isinstance(entry, dict) or set(entry) != {"article", "cases"}:
        found = (
            f"{where} with {', '.join(map(str, entry))}" if isinstance(entry, dict) else f"{where}: {entry!r}"
        )
        raise _error(path, found, "the fields article and cases")
    article, cases = entry["article"], entry["cases"]
    if not isinstance(article, str) or not article.strip() or not isinstance(cases, list) or not cases:
        raise _error(path, f"{where} without a text or without cases", "a text and one case or more")
    return [_case(path, where, article, fields) for fields in cases]


def _case(path: Path, where: str, article: str, fields: Any) -> Case:
    if not isinstance(fields, dict):
        raise _error(path, f"{where}: a case {fields!r}", f"the fields {', '.join(_FIELDS)}")
    where = f"the case {fields.get('id', 'without an id')}"
    for name in fields:
        if name not in _FIELDS:
            raise _error(path, f"{where} with the field {name!r}", _nearest(name, _FIELDS, "fields"))
    for name in _FIELDS[:-1]:
        value = fields.get(name)
        if not isinstance(value, str) or not value.strip():
            raise _error(path, f"{where} with {name} = {value!r}", f"{name} as a text")
    checks = fields.get("checks")
    if not isinstance(checks, dict) or not checks:
        raise _error(path, f"{where} without checks", f"one or more of {', '.join(CHECKS)}")
    for name, wanted in checks.items():
        if name not in CHECKS:
            raise _error(path, f"{where} with the check {name!r}", _nearest(name, CHECKS, "checks"))
        if not CHECKS[name].is_usable(wanted):
            raise _error(path, f"{where} with {name} = {wanted!r}", CHECKS[name].expected)
    return Case(article=article, **fields)


def _nearest(name: Any, known: Any, what: str) -> str:
    close = get_close_matches(str(name), list(known), n=1, cutoff=0.4)
    return f"closest: {close[0]}" if close else f"one of the {what} {', '.join(known)}"


def _loader() -> Any:
    # The C loader reads the file eight times as fast; not every build of PyYAML has it.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _error(path: Path, found: str, expected: str) -> WorkshopError:
    return WorkshopError(
        found=f"{path.name}: {found}",
        expected=expected,
        next_step=f"correct {path} (its head says what each check means)",
    )
