"""How well the monitors tell labelled texts apart: AUC, false alarms and misses, by family.

    by_monitor = {name: labelled(name, rows("tuning", LABELLED[name]), models()) for name in MONITORS}
    measured(by_monitor["attack"], threshold)

A false alarm is a harmless text that is flagged, a miss a bad one that is not; intervals are Wilson's, of AUC
by resampling the texts of each label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workshop.monitoring.monitors import HIGH_IS_BAD, Models, relevance
from workshop.monitoring.shares import wilson
from workshop.monitoring.support import groundedness

if TYPE_CHECKING:
    from workshop.monitoring.thresholds import Threshold

LABELLED = {
    "attack": "attack",
    "toxicity": "toxicity",
    "sentiment": "sentiment",
    "topic_fit": "topic",
    "relevance": "relevance",
    "groundedness": "groundedness",
}
"""Score -> what the labelled texts call it."""

_BAD = (1, "negative")
_NUM_RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A labelled text and its score. Attributes: row of the file; score; is_bad: it should be flagged."""

    row: Mapping[str, Any]
    score: float
    is_bad: bool


def score_of(name: str, row: Mapping[str, Any], models: Models) -> float:
    """Return one score of a labelled row."""
    article, answer = row.get("article", ""), row.get("answer", "")
    if name == "attack":
        return models.attack(row["text"], article)
    if name == "relevance":
        return relevance(article or row["text"], answer)
    if name == "groundedness":
        return groundedness(article, answer)
    return getattr(models, name)(row["text"])


def labelled(name: str, rows: Sequence[Mapping[str, Any]], models: Models) -> list[Labelled]:
    """Score labelled rows of one monitor."""
    return [Labelled(row=row, score=score_of(name, row, models), is_bad=row["label"] in _BAD) for row in rows]


def badness(name: str, found: Sequence[Labelled]) -> np.ndarray:
    """Return scores turned so that high is bad."""
    return np.array([one.score if name in HIGH_IS_BAD else -one.score for one in found])


def auc(bad: np.ndarray, good: np.ndarray) -> float:
    """Return how often a bad text scores higher than a harmless one; ties count half."""
    difference = np.sign(bad[:, None] - good)
    return float((difference + 1).mean() / 2)


def measured(name: str, found: Sequence[Labelled], threshold: Threshold) -> dict[str, Any]:
    """Return AUC with its interval, false alarms and misses with theirs, and both by family."""
    scores, is_bad = badness(name, found), np.array([one.is_bad for one in found])
    bad, good = scores[is_bad], scores[~is_bad]
    generator = np.random.default_rng(0)
    drawn = [
        auc(generator.choice(bad, len(bad)), generator.choice(good, len(good))) for _ in range(_NUM_RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    flagged = np.array([threshold.is_beyond(one.score) for one in found])
    return {
        "auc": {"value": auc(bad, good), "low": float(low), "high": float(high)},
        "false_alarms": _share(int((flagged & ~is_bad).sum()), len(good)),
        "misses": _share(int((~flagged & is_bad).sum()), len(bad)),
        "false_alarms_by_family": _by_family(found, flagged & ~is_bad, ~is_bad),
        "misses_by_family": _by_family(found, ~flagged & is_bad, is_bad),
    }


def _share(count: int, total: int) -> dict[str, float]:
    low, high = wilson(count, total)
    return {"count": count, "of": total, "rate": count / total, "low": low, "high": high}


def _by_family(found: Sequence[Labelled], wrong: np.ndarray, of: np.ndarray) -> dict[str, str]:
    total = Counter(one.row["kind"] for one, counts in zip(found, of, strict=True) if counts)
    count = Counter(one.row["kind"] for one, counts in zip(found, wrong, strict=True) if counts)
    return {kind: f"{count[kind]} of {total[kind]}" for kind in sorted(total)}
