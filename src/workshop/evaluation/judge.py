"""A language model as the judge of two answers, asked twice with the answers in both orders.

    judge = Judge.of(aws)                       # judge_model in workshop.yaml; "" is off
    report = judge.compare(new_runs, old_runs)
    print(report)                               # or: judge: off (judge_model in workshop.yaml)

Judges favour the answer that they read first (or last), so that one order alone says little. What both orders
say alike counts; how often that is, is reported. Where a check can decide, no judge is needed.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workshop.evaluation.answers import KeptAnswers
from workshop.evaluation.cases import Case, CaseRuns
from workshop.evaluation.judge_models import AskJudge, judge_model

if TYPE_CHECKING:
    from workshop.aws.session import Aws

INSTRUCTIONS = (
    "You compare two answers to a question about a Korean news article. Judge only whether an answer is "
    "right by the article, complete, and no longer than it needs to be; not its style. An answer that says "
    "that the article does not tell is right when the article does not tell. "
    "End with one line and nothing behind it: VERDICT: A, VERDICT: B, or VERDICT: TIE."
)
NUM_THREADS = 4
NEW, OLD, TIE, UNREADABLE = "new", "old", "tie", "unreadable"
_VERDICT = re.compile(r"VERDICT\W{1,6}(A|B|TIE)\b", re.IGNORECASE)
_ALONE = re.compile(r"\W*(A|B|TIE)\W*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class JudgeReport:
    """What a judge said of pairs of answers.

    Attributes:
        model: Who judged; "" when the judge is off.
        new_first: For each pair whom it preferred with the new answer shown first: NEW, OLD, TIE, UNREADABLE.
        old_first: With the old one shown first.
        by_checks: For each pair whom the checks prefer: NEW, OLD or TIE.
    """

    model: str
    new_first: tuple[str, ...] = ()
    old_first: tuple[str, ...] = ()
    by_checks: tuple[str, ...] = ()

    @property
    def agreement(self) -> float:
        """Share of the pairs of which both orders say the same; an unreadable verdict agrees with nothing."""
        return float(np.mean([one == other != UNREADABLE for one, other in self._both]))

    @property
    def kappa(self) -> float:
        """Agreement beyond chance of the two orders: 1 is always, 0 as by chance; NaN where that is certain.

        Source: Cohen, "A coefficient of agreement for nominal scales", 1960.
        """
        words = {*self.new_first, *self.old_first}
        shares = [
            [list(side).count(word) / len(side) for word in words] for side in zip(*self._both, strict=True)
        ]
        by_chance = float(np.dot(*shares))
        observed = float(np.mean([one == other for one, other in self._both]))
        return (observed - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")

    @property
    def first_shown(self) -> float:
        """Share of the decided verdicts for the answer shown first: 0.5 without a favourite place."""
        chosen = [word == NEW for word in self.new_first if word in (NEW, OLD)]
        chosen += [word == OLD for word in self.old_first if word in (NEW, OLD)]
        return float(np.mean(chosen)) if chosen else float("nan")

    @property
    def new_values(self) -> NDArray[np.float64]:
        """For each pair 1 when both orders prefer the new answer, 0 for the old one, else 0.5."""
        values = {(NEW, NEW): 1.0, (OLD, OLD): 0.0}
        return np.array([values.get(pair, 0.5) for pair in self._both])

    @property
    def old_values(self) -> NDArray[np.float64]:
        """The other side: `verdict(report.new_values, report.old_values)` judges the judgements."""
        return 1 - self.new_values

    @property
    def agreement_with_checks(self) -> float:
        """Share of the pairs that the checks decide in which both orders say the same as they."""
        decided = [
            pair == (wanted, wanted)
            for pair, wanted in zip(self._both, self.by_checks, strict=True)
            if wanted != TIE
        ]
        return float(np.mean(decided)) if decided else float("nan")

    @property
    def _both(self) -> list[tuple[str, str]]:
        return list(zip(self.new_first, self.old_first, strict=True))

    def __str__(self) -> str:
        if not self.model:
            return "judge: off (judge_model in workshop.yaml)"
        if not self._both:
            return f"judge: {self.model}, and no pair of answers that differ"
        values = self.new_values
        num_unreadable = (self.new_first + self.old_first).count(UNREADABLE)
        return "\n".join(
            [
                f"judge: {self.model}, {len(values)} pairs in both orders",
                f"  new {np.sum(values == 1)} · old {np.sum(values == 0)} · neither {np.sum(values == 0.5)}"
                f" · unreadable verdicts {num_unreadable} of {2 * len(values)}",
                f"  both orders say the same: {self.agreement:.0%}, kappa {self.kappa:.2f}",
                f"  for the answer shown first: {self.first_shown:.0%} (50% without a favourite place)",
                f"  as the checks, where they decide: {self.agreement_with_checks:.0%}",
            ]
        )


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Whoever judges.

    Attributes:
        model: Its name; "" when the judge is off.
        place: Where it is asked, for the answers that are kept.
        ask: Sends instructions and a question, and returns the answer.
        folder: Where its answers are kept: none is paid for twice.
    """

    model: str
    place: str
    ask: AskJudge
    folder: Path

    @classmethod
    def of(cls, aws: Aws) -> Judge:
        """Return the judge of the settings: any OpenAI-compatible server, Bedrock, or none.

        Raises:
            WorkshopError: It cannot be asked.
        """
        place, ask = judge_model(aws)
        settings = aws.settings
        return cls(model=settings.judge_model, place=place, ask=ask, folder=settings.home / "evaluation")

    def compare(self, new: CaseRuns, old: CaseRuns) -> JudgeReport:
        """Ask for the better of two prompts' first answers to each case in which they differ, in both orders.

        Raises:
            WorkshopError: The judge refuses or does not answer.
        """
        if not self.model:
            return JudgeReport(model="")
        kept = KeptAnswers(
            self.folder, "judge", {"judge": self.model, "place": self.place, "instructions": INSTRUCTIONS}
        )
        pairs = [
            (case, one[0], other[0], right, wrong)
            for case, one, other, right, wrong in zip(
                new.cases, new.answers, old.answers, new.is_right[:, 0], old.is_right[:, 0], strict=True
            )
            if one[0] != other[0]
        ]
        asked = [question(case, one, other) for case, one, other, *_ in pairs]
        asked += [question(case, other, one) for case, one, other, *_ in pairs]
        with ThreadPoolExecutor(max_workers=NUM_THREADS) as pool:
            told = list(pool.map(lambda text: kept.ask(text, lambda it: self.ask(INSTRUCTIONS, it)), asked))
        words = [read_verdict(row.answer) for row in told]
        return JudgeReport(
            model=self.model,
            new_first=tuple({"A": NEW, "B": OLD}.get(word, word) for word in words[: len(pairs)]),
            old_first=tuple({"A": OLD, "B": NEW}.get(word, word) for word in words[len(pairs) :]),
            by_checks=tuple(TIE if right == wrong else NEW if right else OLD for *_, right, wrong in pairs),
        )


def question(case: Case, first: str, second: str) -> str:
    """Return what a judge is asked of two answers to a case."""
    return (
        f"[Article]\n{case.article}\n\n[Question]\n{case.question}\n\n"
        f"[Answer A]\n{first or '(nothing)'}\n\n[Answer B]\n{second or '(nothing)'}"
    )


def read_verdict(answer: str) -> str:
    """Return "A", "B", TIE or UNREADABLE: the last verdict of an answer, or all of it."""
    found = _VERDICT.findall(answer) or [match[1] for match in [_ALONE.fullmatch(answer)] if match]
    if not found:
        return UNREADABLE
    word = found[-1].upper()
    return TIE if word == "TIE" else word
