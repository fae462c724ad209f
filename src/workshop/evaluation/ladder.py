"""The rungs from a bare question to a tuned model: how right, how grounded, at what work, price and effort.

    rungs = [Rung(name="closed book", rows=rows, contexts=[[]] * len(rows), parts=("model endpoint",)), ...]
    scores = score_rungs(rungs, questions)          # for score_table, percent_table, gain_table
    work_table(rungs, count_tokens, usd_per_hour)

What is said about them is derived from these numbers (`finding`, `cheapest_as_good`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from workshop.evaluation.answering import Asked
from workshop.evaluation.answers import Row
from workshop.evaluation.confidence import LEVEL, mean_interval
from workshop.evaluation.grounded import is_grounded
from workshop.evaluation.right_answers import is_right_answer
from workshop.evaluation.scores import Scores, of_articles
from workshop.evaluation.verdict import BETTER, UNSEEN, WORSE, verdict

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One way to have questions answered.

    Args:
        name: As tables show it.
        rows: The kept answers, one for each question.
        contexts: The articles in front of each question, none or more.
        parts: What has to be built for it and kept up: effort, counted.
    """

    name: str
    rows: Sequence[Row]
    contexts: Sequence[Sequence[str]]
    parts: tuple[str, ...]


def score_rungs(rungs: Sequence[Rung], questions: Sequence[Asked]) -> Scores:
    """Score every rung on the same questions.

    Returns:
        For each rung `right` (right_answers.py) and `grounded` (grounded.py), 1 or 0 for each question.
    """
    return {
        rung.name: {
            "right": np.array(
                [
                    is_right_answer(row.answer, one.answers, question=one.model_text)
                    for row, one in zip(rung.rows, questions, strict=True)
                ],
                np.float64,
            ),
            "grounded": np.array(
                [
                    is_grounded(row.answer, "\n".join(articles))
                    for row, articles in zip(rung.rows, rung.contexts, strict=True)
                ],
                np.float64,
            ),
        }
        for rung in rungs
    }


def work_table(
    rungs: Sequence[Rung], count_tokens: Callable[[str], int], usd_per_hour: Mapping[str, float | None]
) -> DataFrame:
    """Say what an answer takes on each rung.

    Args:
        count_tokens: Tokens of a prompt, the begin token included, in the model's own tokenizer.
        usd_per_hour: Part -> what an hour of it costs, for those of the rungs' parts that are machines.

    Returns:
        One row a rung: `tokens read` and `tokens written` on average, `median ms`, `answers/s` with as many
        users as there were, `USD per 1,000` and `parts`. The price is NaN where one is not known.
    """
    from pandas import DataFrame

    table = {}
    for rung in rungs:
        answers_per_s = num_answers_per_s(rung.rows)
        prices = [usd_per_hour[part] for part in rung.parts if part in usd_per_hour]
        usd = sum(float("nan") if price is None else price for price in prices)
        table[rung.name] = {
            "tokens read": fmean(count_tokens(row.prompt) for row in rung.rows),
            "tokens written": fmean(_num_written(row, count_tokens) for row in rung.rows),
            "median ms": 1000 * median(row.latency_s for row in rung.rows),
            "answers/s": answers_per_s,
            "USD per 1,000": usd_per_1000_answers(usd, answers_per_s),
            "parts": len(rung.parts),
        }
    return DataFrame.from_dict(table, orient="index").rename_axis("rung")


def num_answers_per_s(rows: Sequence[Row]) -> float:
    """Return how many answers came in a second: users / mean latency, as each asks again when it is answered.

    Source: Little, "A Proof for the Queuing Formula L = λW", 1961.
    """
    return fmean(row.details.get("num_users", 1) for row in rows) / fmean(row.latency_s for row in rows)


def usd_per_1000_answers(usd_per_hour: float | None, answers_per_s: float) -> float:
    """Return what 1,000 answers cost on machines that are paid by the hour and answer all the time.

    With fewer questions than they could answer, `answers_per_s` is that of the questions: the hour costs the
    same. NaN where the price is not known.
    """
    usd_per_hour = float("nan") if usd_per_hour is None else usd_per_hour
    return 1000 * usd_per_hour / (3600 * answers_per_s)


def finding(
    scores: Scores,
    metric: str,
    new: str,
    old: str,
    *,
    better: str,
    worse: str,
    unseen: str,
    level: float = LEVEL,
) -> str:
    """Say in a sentence whether one rung is better than another on the same questions, and what follows.

    Args:
        metric: "right" or "grounded".
        new, old: Rungs that are compared, as `verdict` does it.
        better, worse, unseen: What follows from each word of the verdict.
        level: Of the verdict; of several at once a higher one.
    """
    found = verdict(scores[new][metric], scores[old][metric], level=level)
    means = [f"{name} {100 * scores[name][metric].mean():.1f} %" for name in (new, old)]
    follows = {BETTER: better, WORSE: worse, UNSEEN: unseen}[found.word]
    return f"{', '.join(means)} {metric}: {found}. {follows}"


def by_group(scores: Scores, metric: str, groups: Sequence[str]) -> DataFrame:
    """Return each rung's share by group of questions, in percent with its interval, as text.

    Args:
        metric: "right" or "grounded".
        groups: Of each question: its kind or its wording.
    """
    from pandas import DataFrame

    names = list(dict.fromkeys(groups))
    parts = {name: of_articles(scores, [group == name for group in groups]) for name in names}
    columns = {
        f"{name} (n = {list(groups).count(name)})": [
            "{:.0f} [{:.0f}, {:.0f}]".format(*(100 * value for value in mean_interval(one[metric])))
            for one in part.values()
        ]
        for name, part in parts.items()
    }
    return DataFrame(columns, index=list(scores)).rename_axis("rung")


def cheapest_as_good(scores: Scores, metric: str, costs: Mapping[str, float]) -> str:
    """Return the cheapest rung that is not seen to be worse than the best one; of equal cost the better one.

    Args:
        costs: Rung -> what it takes, in any unit.
    """
    best = max(costs, key=lambda name: scores[name][metric].mean())
    as_good = [name for name in costs if verdict(scores[name][metric], scores[best][metric]).word != WORSE]
    return min(as_good, key=lambda name: (costs[name], -scores[name][metric].mean()))


def _num_written(row: Row, count_tokens: Callable[[str], int]) -> int:
    told = row.details.get("num_generated_tokens")
    return count_tokens(row.answer) - count_tokens("") if told is None else told
