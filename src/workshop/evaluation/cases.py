"""Cases that a prompt has to answer right: read from a file, asked of a model several times, and checked.

    cases = load_cases(path)
    kept = KeptAnswers(settings.home / "evaluation", "prompts", {"model": ..., "temperature": 1.0})
    runs = run_cases(cases, "{{article}}\\n질문: {{question}} 답:", ask, kept, num_runs=3)
    runs.values                 # one share of right answers for each case: what verdict(...) compares

A model that samples answers the same prompt differently each time, so each case is asked several times.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workshop.errors import WorkshopError
from workshop.evaluation.answers import KeptAnswers
from workshop.evaluation.case_file import Case, load_cases
from workshop.evaluation.checks import CHECKS

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Case", "CaseRuns", "check_answer", "fill_template", "load_cases", "run_cases"]

PLACES = ("article", "question")
NUM_THREADS = 8
"""Requests at the same time: a server with continuous batching answers them together."""
MAX_SEED = 2**31
_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")

Ask = Callable[[str, int], str]
"""Asks a model: the whole prompt and a seed -> the answer."""


@dataclass(frozen=True, kw_only=True)
class CaseRuns:
    """All answers of one prompt to all cases.

    Attributes:
        template: The prompt, with its places.
        cases: In the order of the file.
        answers: (num_cases, num_runs).
        passed: Check -> whether each answer keeps it, (num_cases, num_runs); where a case does not ask for
            it, it is kept.
        latencies_s: Of each answer, in its order; of a kept one, those of when it was asked for.
    """

    template: str
    cases: tuple[Case, ...]
    answers: tuple[tuple[str, ...], ...]
    passed: Mapping[str, NDArray[np.bool_]]
    latencies_s: NDArray[np.float64]

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether an answer keeps all checks of its case, (num_cases, num_runs)."""
        return np.logical_and.reduce([*self.passed.values()])

    @property
    def values(self) -> NDArray[np.float64]:
        """The share of right answers of each case, (num_cases,)."""
        return self.is_right.mean(axis=1)

    @property
    def run_means(self) -> NDArray[np.float64]:
        """The share of right answers of each run, (num_runs,)."""
        return self.is_right.mean(axis=0)

    def of_kind(self, kind: str) -> NDArray[np.float64]:
        """Return the values of the cases of one kind."""
        return self.values[[case.kind == kind for case in self.cases]]

    def baseline(self, sampling: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a gate compares a changed prompt with, as JSON can hold it.

        Args:
            sampling: How the answers were sampled: parameters of the endpoint.
        """
        return {
            "template": self.template,
            "sampling": dict(sampling),
            "num_runs": self.is_right.shape[1],
            "values": {case.id: float(value) for case, value in zip(self.cases, self.values, strict=True)},
        }

    def first_wrong(self, num_shown: int) -> DataFrame:
        """Return a table of the first wrong answers, one a case, and the checks that each breaks."""
        from pandas import DataFrame

        rows = []
        for case, answers, is_right in zip(self.cases, self.answers, self.is_right, strict=True):
            for answer in (text for text, good in zip(answers, is_right, strict=True) if not good):
                broken = [name for name, good in check_answer(case, answer).items() if not good]
                rows.append(
                    {
                        "case": case.id,
                        "question": case.question,
                        "answer": answer,
                        "breaks": ", ".join(broken),
                    }
                )
                break
        return DataFrame(rows[:num_shown], columns=["case", "question", "answer", "breaks"]).set_index("case")


def run_cases(
    cases: Sequence[Case],
    template: str,
    ask: Ask,
    kept: KeptAnswers,
    *,
    num_runs: int,
    first_run: int = 0,
    num_threads: int = NUM_THREADS,
) -> CaseRuns:
    """Ask every case so many times, and check the answers; those that are kept are not asked for again.

    Args:
        template: With {{question}} and, mostly, {{article}}.
        ask: Called by several threads, with a seed that differs by prompt and run: with one seed for all
            cases of a run their luck would be the same, and the runs would scatter more than they do.
        kept: Of the model and the sampling's settings.
        num_runs: For each case, 1 or more.
        first_run: Number of the first: other runs of the same prompt are asked with other seeds.
        num_threads: Requests at the same time.

    Raises:
        WorkshopError: The template has a place that no case fills, or nowhere to put the question.
    """
    from tqdm.auto import tqdm

    prompts = [fill_template(template, case) for case in cases]
    asked = [(prompt, run) for prompt in prompts for run in range(first_run, first_run + num_runs)]
    # The same text once: a prompt without the article is the same for many cases.
    different = list(dict.fromkeys(asked))

    def one(request: tuple[str, int]) -> None:
        prompt, run = request
        kept.ask(prompt, lambda text: ask(text, seed_of(text, run)), repeat=run)

    with ThreadPoolExecutor(max_workers=num_threads) as pool:
        for _ in tqdm(pool.map(one, different), total=len(different), desc="answers", leave=False):
            pass
    runs = [kept.rows(prompts, repeat=run) for run in range(first_run, first_run + num_runs)]
    answers = tuple(tuple(row.answer for row in rows) for rows in zip(*runs, strict=True))
    return CaseRuns(
        template=template,
        cases=tuple(cases),
        answers=answers,
        passed=_passed(cases, answers),
        latencies_s=np.array([row.latency_s for rows in runs for row in rows]),
    )


def check_answer(case: Case, answer: str) -> dict[str, bool]:
    """Return for each check of a case whether an answer keeps it."""
    return {name: CHECKS[name].passes(answer, wanted) for name, wanted in case.checks.items()}


def fill_template(template: str, case: Case) -> str:
    """Return the prompt of a case: a template with {{article}} and {{question}} filled in.

    The places are written as MLflow's prompt registry writes them.

    Raises:
        WorkshopError: A place that no case fills, or none for the question.
    """
    places = _PLACE.findall(template)
    wrong = [place for place in places if place not in PLACES]
    if wrong or "question" not in places:
        raise WorkshopError(
            found=f"the place {{{{{wrong[0]}}}}} in a prompt" if wrong else "a prompt without {{question}}",
            expected="{{question}} and, mostly, {{article}}; no other places",
            next_step="correct the prompt; single braces are plain text",
        )
    return _PLACE.sub(lambda match: getattr(case, match[1]), template)


def seed_of(prompt: str, run: int) -> int:
    """Return the seed with which a prompt is asked in a run: always the same, and another for each."""
    digest = hashlib.sha256(f"{run} {prompt}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") % MAX_SEED


def case_table(runs: Mapping[str, CaseRuns]) -> DataFrame:
    """Return a table of several prompts: all cases, each kind, and the spread of the runs, in percent."""
    from pandas import DataFrame

    rows: dict[str, dict[str, Any]] = {}
    for name, one in runs.items():
        kinds = dict.fromkeys(case.kind for case in one.cases)
        rows[name] = {
            "all": _percent(one.values.mean()),
            **{kind: _percent(one.of_kind(kind).mean()) for kind in kinds},
            "lowest run": _percent(one.run_means.min()),
            "highest run": _percent(one.run_means.max()),
            "median ms": round(1000 * float(np.median(one.latencies_s))),
        }
    return DataFrame.from_dict(rows, orient="index").rename_axis("prompt")


def _percent(share: float) -> float:
    return round(100 * float(share), 1)


def _passed(cases: Sequence[Case], answers: Sequence[Sequence[str]]) -> dict[str, NDArray[np.bool_]]:
    asked_for = [name for name in CHECKS if any(name in case.checks for case in cases)]
    passed = {name: np.ones((len(cases), len(answers[0])), bool) for name in asked_for}
    for row, (case, texts) in enumerate(zip(cases, answers, strict=True)):
        for column, text in enumerate(texts):
            for name, is_kept in check_answer(case, text).items():
                passed[name][row, column] = is_kept
    return passed
