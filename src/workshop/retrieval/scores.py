"""How well a search finds the article that has the answer: recall@k and MRR, with intervals, by kind."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from workshop.evaluation.confidence import Interval, mean_interval
from workshop.retrieval.corpus import Question

if TYPE_CHECKING:
    import pandas as pd

DEPTH = 10
"""A right article behind this place counts as not found."""


class Found(NamedTuple):
    """What each question's search found: one value a question, in their order."""

    recall_at_5: list[float]
    reciprocal_ranks: list[float]


def rank_of(ranking: Sequence[str], article_id: str) -> int | None:
    """Return the place of the right article, 1 for the first; None when it is not among DEPTH."""
    return next((place for place, id in enumerate(ranking[:DEPTH], start=1) if id == article_id), None)


def score(questions: Sequence[Question], rankings: Sequence[Sequence[str]]) -> Found:
    """Return recall@5 and reciprocal rank of each question's ranking.

    Args:
        questions: Each with the one article that answers it, so that recall is 0 or 1.
        rankings: Ids of articles, best first, of each question.
    """
    ranks = [rank_of(ids, question.article_id) for question, ids in zip(questions, rankings, strict=True)]
    return Found(
        recall_at_5=[float(rank is not None and rank <= 5) for rank in ranks],
        reciprocal_ranks=[1 / rank if rank else 0.0 for rank in ranks],
    )


def by_group(values: Sequence[float], questions: Sequence[Question], attribute: str) -> dict[str, Interval]:
    """Return the mean and its interval for all questions and for each value of an attribute.

    Args:
        values: One a question.
        questions: In the same order.
        attribute: "wording" or "asks_for".
    """
    groups: dict[str, list[float]] = {"all": list(values)}
    for value, question in zip(values, questions, strict=True):
        groups.setdefault(getattr(question, attribute), []).append(value)
    return {name: mean_interval(one) for name, one in groups.items()}


def score_table(
    systems: Mapping[str, Found], questions: Sequence[Question], *, attribute: str = "wording"
) -> "pd.DataFrame":
    """Return recall@5 of each system by group, MRR of all beside it, each with its interval."""
    import pandas as pd

    rows = {}
    for name, found in systems.items():
        recall = by_group(found.recall_at_5, questions, attribute)
        rows[name] = {f"recall@5 {group}": interval_text(interval) for group, interval in recall.items()} | {
            "MRR all": interval_text(mean_interval(found.reciprocal_ranks))
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def gains(
    left: Sequence[float],
    right: Sequence[float],
    questions: Sequence[Question],
    *,
    attribute: str = "wording",
) -> dict[str, Interval]:
    """Return by how much the left values are above the right ones of the same questions, by group.

    Args:
        left: One a question.
        right: One a question.
        questions: In the same order.
        attribute: "wording" or "asks_for".
    """
    return by_group([one - other for one, other in zip(left, right, strict=True)], questions, attribute)


def gain_table(
    values: Mapping[str, Sequence[float]],
    base: str,
    questions: Sequence[Question],
    *,
    attribute: str = "wording",
) -> "pd.DataFrame":
    """Return by how much each search is above the base, by group, and what that shows.

    Args:
        values: Search to one value a question.
        base: The search that the others are compared with.
        questions: In the same order.
        attribute: "wording" or "asks_for".
    """
    import pandas as pd

    rows = {
        f"{search} - {base}": {
            group: f"{interval_text(gain)} {verdict_text(gain)}"
            for group, gain in gains(own, values[base], questions, attribute=attribute).items()
        }
        for search, own in values.items()
        if search != base
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def interval_text(interval: Interval) -> str:
    """Return an interval as tables show it: .84 [.79, .89]."""
    return f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def verdict_text(gain: Interval) -> str:
    """Say what an interval of gains shows: better, worse, or no difference seen."""
    if not gain.excludes_zero:
        return "no difference seen"
    return "better" if gain.mean > 0 else "worse"
