"""A reader's thumb down becomes a case of notebook 01's case file: what was wrong once is asked from then on.

    case = thumb_case(article=..., answer=..., correction=..., case_id="thumb-3f2a")
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
from workshop.evaluation.cases import check_answer
from workshop.evaluation.checks import has_name
from workshop.evaluation.facts import numbers
from workshop.evaluation.grounded import forms_of, unsupported
from workshop.monitoring.masking import mask

KIND = "thumb"
QUESTION = "이 기사를 요약해 줘"
_LENGTH = (10, 400)
_LEAST_HANGUL = 0.5


def thumb_case(
    *, article: str, answer: str, correction: str, case_id: str, question: str = QUESTION
) -> Case | None:
    """Return the case that a reader's correction makes; None when the answer passes what it would ask for.

    Wanted are the correction's numbers, and no others, and the first of its words that the answer lacks.

    Args:
        article: What the answer was about.
        answer: That was marked down.
        correction: The answer that the reader would have accepted.
        case_id: Of the case; no other one may have it.
        question: What was asked.
    """
    article, answer, correction = (mask(text).text for text in (article, answer, correction))
    checks: dict[str, Any] = {"length": list(_LENGTH), "language": _LEAST_HANGUL}
    if numbers(correction):
        checks["number"] = correction
    if lacking := _lacking(answer, correction):
        checks["name"] = lacking
    case = Case(id=case_id, kind=KIND, article=article, question=question, checks=checks)
    return None if all(check_answer(case, answer).values()) else case


def _lacking(answer: str, correction: str) -> str:
    """Return the first word of a correction that an answer lacks, without its particle; "" for none."""
    for word in unsupported(correction, answer):
        if not numbers(word):
            shortest = min(forms_of(word), key=len)
            return word if has_name(answer, shortest) else shortest
    return ""


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
