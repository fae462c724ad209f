"""A reader's thumb down becomes a case of notebook 01's case file: what was wrong once is asked from then on.

    case = thumb_case(article=..., correction=..., case_id="thumb-3f2a")
    is_new = add_case(path, case)       # False: this article has that question already
    load_cases(path)                    # of workshop.evaluation: what the gate reads

What is written is what the service had stored: masked by the gateway before it was a trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from processes.files import atomic_write
from workshop.errors import WorkshopError
from workshop.evaluation.case_file import Case, load_cases
from workshop.evaluation.checks import CHECKS
from workshop.evaluation.facts import numbers
from workshop.monitoring.masking import mask

KIND = "thumb"
QUESTION = "이 기사를 요약해 줘"
_LENGTH = (10, 400)
_LEAST_HANGUL = 0.5


def thumb_case(*, article: str, correction: str, case_id: str, question: str = QUESTION) -> Case:
    """Return the case that a reader's correction makes.

    Args:
        article: What the answer was about.
        correction: The answer that the reader would have accepted: its numbers, and no others, are wanted.
        case_id: Of the case; no other one may have it.
        question: What was asked.

    Raises:
        WorkshopError: A correction without a number: no check could tell a right answer from a wrong one.
    """
    article, correction = mask(article).text, mask(correction).text
    if not numbers(correction):
        raise WorkshopError(
            found=f"a correction without a number: {correction[:80]!r}",
            expected="a summary with the numbers that it has to have",
            next_step="write the case by hand, with a check of another kind: " + ", ".join(CHECKS),
        )
    checks = {"number": correction, "length": list(_LENGTH), "language": _LEAST_HANGUL}
    return Case(id=case_id, kind=KIND, article=article, question=question, checks=checks)


def add_case(path: Path, case: Case) -> bool:
    """Append a case to a file of cases, unless its article has that question there already.

    Returns:
        Whether the file has grown.

    Raises:
        WorkshopError: The file is none of cases, or another case has this id; nothing is written then.
    """
    there = load_cases(path)
    if any((one.article, one.question) == (case.article, case.question) for one in there):
        return False
    if any(one.id == case.id for one in there):
        raise WorkshopError(
            found=f"two cases with the id {case.id}",
            expected="an id of its own for each",
            next_step="give the new case another id",
        )
    before = path.read_text(encoding="utf-8")
    atomic_write(path, before.rstrip("\n") + "\n" + _yaml(case))
    return True


def _yaml(case: Case) -> str:
    fields: Mapping[str, Any] = {
        "id": case.id, "kind": case.kind, "question": case.question, "checks": dict(case.checks),
    }  # fmt: skip
    entry = [{"article": case.article, "cases": [fields]}]
    return yaml.safe_dump(entry, allow_unicode=True, sort_keys=False, width=10_000)
