"""Score several systems on the same articles."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from workshop.evaluation.facts import names_right, numbers_right
from workshop.evaluation.rouge import METRICS, rouge

Scores = dict[str, dict[str, NDArray[np.float64]]]
"""System -> metric -> one value per article, between 0 and 1."""


def score_systems(
    articles: Sequence[str],
    references: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    *,
    names: Sequence[Sequence[str]] | None = None,
) -> Scores:
    """Score the summaries of every system.

    Args:
        references: Their reference summaries, in the same order.
        systems: For each system's name its summaries, in the same order.
        names: For each article the names its summary must hold; without them names are not scored.

    Returns:
        For each system the F-measures of METRICS, `numbers_right` and, with names, `names_right`; one value
        per article, 1 or 0 for the last two.

    Raises:
        ValueError: When the lists are of different length.
    """
    lengths = {"articles": len(articles), "references": len(references)}
    lengths |= {} if names is None else {"names": len(names)}
    lengths |= {f"summaries of {system}": len(summaries) for system, summaries in systems.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{count} {what}" for what, count in lengths.items())
        raise ValueError(f"found {found}; expected as many of each")
    return {
        system: _score_system(articles, references, summaries, names) for system, summaries in systems.items()
    }


def metric_label(metric: str) -> str:
    """Return a metric's name as people write it: `word_rouge_l` is word ROUGE-L."""
    unit, _, kind = metric.partition("_rouge_")
    return f"{unit} ROUGE-{kind.upper()}" if kind else metric.replace("_", " ")


def _score_system(
    articles: Sequence[str],
    references: Sequence[str],
    summaries: Sequence[str],
    names: Sequence[Sequence[str]] | None,
) -> dict[str, NDArray[np.float64]]:
    rows = [rouge(reference, summary) for reference, summary in zip(references, summaries, strict=True)]
    scores = {metric: np.array([row[metric].fmeasure for row in rows], np.float64) for metric in METRICS}
    facts = map(numbers_right, articles, references, summaries)
    scores["numbers_right"] = np.array(list(facts), np.float64)
    if names is not None:
        scores["names_right"] = np.array(list(map(names_right, summaries, names)), np.float64)
    return scores
