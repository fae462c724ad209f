"""evaluation.json: how good a version is, and whether it is better than the one in production.

    score      value, low, high                               of the metric that decides
    gain       over, verdict, value, low, high, p_value       over production, or lead-3 where there is none
    metrics    metric -> value, low, high                     of the version
    lead_3     metric -> value, low, high                     of the baseline on the same articles
    articles   ids, asked_sha256, scores: metric -> one value per article

A ConditionStep reads `gain.low` by JsonGet, a model package carries the file as its ModelQuality, and the
evaluation of a later version reads it as production.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workshop.errors import WorkshopError
from workshop.evaluation.baselines import lead
from workshop.evaluation.confidence import Interval, mean_interval
from workshop.evaluation.scores import score_systems
from workshop.evaluation.verdict import verdict
from workshop.prompt import article_of, summary_of

EVALUATION = "evaluation.json"
NO_PRODUCTION = "no-production.json"
"""Stands in the folder where no version is in production."""

BASELINE, PRODUCTION = "lead-3", "production"
METRICS = ("word_rouge_l", "numbers_right")
"""That may decide."""

_VERSION = "version"

Row = Mapping[str, Any]
Values = dict[str, NDArray[np.float64]]


def evaluation_report(
    rows: Sequence[Row], summaries: Sequence[str], production: Mapping[str, Any] | None, *, metric: str
) -> dict[str, Any]:
    """Score a version and compare it article by article.

    Args:
        rows: Of the test split: id and messages.
        summaries: The version's, in the same order.
        production: The report of the version in production; None to compare with lead-3.
        metric: That decides, one of METRICS.

    Raises:
        WorkshopError: Production was asked other articles.
    """
    articles = [article_of(row["messages"]) for row in rows]
    references = [summary_of(row["messages"]) for row in rows]
    check_same_articles(rows, production)
    systems = {_VERSION: summaries, BASELINE: [lead(article) for article in articles]}
    scores = score_systems(articles, references, systems)
    new = scores[_VERSION]
    old = scores[BASELINE] if production is None else production["articles"]["scores"]
    one = verdict(new[metric], old[metric])
    return {
        "metric": metric,
        "score": _json(mean_interval(new[metric])),
        "gain": {
            "over": BASELINE if production is None else PRODUCTION,
            "verdict": one.word,
            **_json(one.difference),
            "p_value": one.p_value,
            "num_articles": one.num_cases,
        },
        "metrics": _means(new),
        "lead_3": _means(scores[BASELINE]),
        "articles": {**_asked(rows), "scores": {name: values.tolist() for name, values in new.items()}},
    }


def read_production(folder: Path) -> dict[str, Any] | None:
    """Return the report of the version in production; None where the folder says that there is none.

    Raises:
        WorkshopError: Neither is there, or the report is not one.
    """
    path = folder / EVALUATION
    if not path.is_file():
        if (folder / NO_PRODUCTION).is_file():
            return None
        there = ", ".join(sorted(found.name for found in folder.glob("*"))[:5]) or "nothing"
        raise _not_a_report(f"{there} in {folder}")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        articles = report["articles"]
        num_articles = len(articles["ids"])
        is_whole = all(len(articles["scores"][metric]) == num_articles for metric in METRICS)
        is_whole = is_whole and isinstance(articles["asked_sha256"], str)
    except (ValueError, KeyError, TypeError) as error:
        raise _not_a_report(f"{path}, which has no scores ({type(error).__name__}: {error})") from None
    if not is_whole:
        raise _not_a_report(f"{path}, whose scores are not one for each article")
    return report


def _not_a_report(found: str) -> WorkshopError:
    return WorkshopError(
        found=found,
        expected=f"{EVALUATION} as an evaluation of this pipeline writes it, or {NO_PRODUCTION}",
        next_step="give the input `production` the folder of the version's report (versions.py finds it), or "
        "what upload_no_production returned",
    )


def check_same_articles(rows: Sequence[Row], production: Mapping[str, Any] | None) -> None:
    """Refuse to compare what was not asked the same.

    Raises:
        WorkshopError: Production was asked other articles, in another order, or of another wording.
    """
    if production is None:
        return
    asked, before = _asked(rows), production["articles"]
    if asked["ids"] == before["ids"] and asked["asked_sha256"] == before["asked_sha256"]:
        return
    new, old = set(asked["ids"]), set(before["ids"])
    same = f"{len(new & old):,} of them the same" if asked["ids"] != before["ids"] else "of another wording"
    raise WorkshopError(
        found=f"{len(new):,} test articles, and {len(old):,} that production was asked: {same}",
        expected="the same articles in the same order: only then can one be better than the other",
        next_step="evaluate with the rows and max_tokens that production had, or evaluate its model again on "
        "these articles",
    )


def _asked(rows: Sequence[Row]) -> dict[str, Any]:
    text = json.dumps([row["messages"] for row in rows]).encode()
    return {"ids": [row["id"] for row in rows], "asked_sha256": hashlib.sha256(text).hexdigest()}


def _means(scores: Values) -> dict[str, dict[str, float]]:
    return {name: _json(mean_interval(values)) for name, values in scores.items()}


def _json(interval: Interval) -> dict[str, float]:
    """Return an interval as JSON can hold it."""
    return {"value": interval.mean, "low": interval.low, "high": interval.high}
