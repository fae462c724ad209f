"""Captured requests with their scores, and report.json: what a day's traffic looked like.

records                 of each request: event_id, day, scores, flags, nearest attack, masked excerpt
report["days"]          of each day: number of requests, mean of each score, share of each flag with its
                        interval, what drifted and how surely
report["onset"]         the first day that differs from the reference; null when none does
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workshop.monitoring import drift
from workshop.monitoring.captures import Record
from workshop.monitoring.masking import mask
from workshop.monitoring.monitors import MONITORS, flags, nearest_attack, score_record
from workshop.monitoring.shares import wilson

ALPHA_PER_DAY = 0.01
"""False alarms of a day without drift, all tests of that day together: one in about three months."""

_NUM_EXCERPT_CHARS = 160


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A request and its scores."""

    record: Record
    scores: dict[str, float]
    flags: list[str]


def score_all(records: Sequence[Record]) -> list[Scored]:
    """Score requests; each of these takes about 1 ms."""
    found = []
    for one in records:
        scores = score_record(one.request, one.article, one.answer)
        found.append(Scored(record=one, scores=scores, flags=flags(scores)))
    return found


def as_row(one: Scored) -> dict[str, Any]:
    """Return what scores.jsonl says of a request: no text of it unless it was flagged, and then masked."""
    record = one.record
    row: dict[str, Any] = {
        "eventId": record.event_id,
        "inferenceId": record.inference_id,
        "day": record.day,
        "attributes": record.attributes,
        "scores": {name: _number(value) for name, value in one.scores.items()},
        "flags": one.flags,
    }
    if "attack" in one.flags and (nearest := nearest_attack(record.request, record.article)):
        row["nearest_attack"] = {
            "similarity": round(nearest.similarity, 4),
            "kind": nearest.kind,
            "attack": nearest.attack,
            "sentence": _excerpt(nearest.sentence),
        }
    if one.flags:
        row["excerpt"] = {
            "request": _excerpt(record.request or record.article),
            "answer": _excerpt(record.answer),
        }
    return row


def report_of(
    scored: Sequence[Scored], reference: Sequence[Scored], unread: Sequence[str] = ()
) -> dict[str, Any]:
    """Return report.json.

    Args:
        scored: Of all days.
        reference: Of the time that the days are compared with; those of `scored` that belong to it are shown
            without a comparison.
        unread: Lines that could not be read.
    """
    from workshop.monitoring.thresholds import load

    known = {one.record.event_id for one in reference}
    by_day: dict[str, list[Scored]] = {}
    for one in scored:
        by_day.setdefault(one.record.day, []).append(one)
    days = []
    for day, of_day in sorted(by_day.items()):
        row = _described(day, of_day)
        is_reference = all(one.record.event_id in known for one in of_day)
        if not is_reference:
            row["drift"] = drift_of_day(reference, of_day)
        days.append(row)
    drifted = [row["day"] for row in days if row.get("drift", {}).get("is_seen")]
    return {
        "num_records": len(scored),
        "num_unread": len(unread),
        "unread": list(unread[:10]),
        "thresholds": {name: one.value for name, one in load().items()},
        "reference": {"num_records": len(reference), "days": sorted({one.record.day for one in reference})},
        "alpha_per_day": ALPHA_PER_DAY,
        "days": days,
        "onset": drifted[0] if drifted else None,
    }


def drift_of_day(reference: Sequence[Scored], today: Sequence[Scored]) -> dict[str, Any]:
    """Compare a day with the reference by each score, by a domain classifier and by the share off the topic.

    Returns:
        p_values by test, domain_auc, alpha (of one test: ALPHA_PER_DAY divided by their number), is_seen,
        seen_by.
    """
    p_values = {
        name: drift.ks([one.scores[name] for one in reference], [one.scores[name] for one in today])
        for name in MONITORS
    }
    domain = drift.domain_classifier(
        [_text(one.record) for one in reference], [_text(one.record) for one in today]
    )
    outside = [sum("topic_fit" in one.flags for one in group) for group in (reference, today)]
    p_values["domain"] = domain.p_value
    p_values["topic_share"] = drift.share_p_value(outside[0], len(reference), outside[1], len(today))
    alpha = ALPHA_PER_DAY / len(p_values)
    seen_by = [name for name, p_value in p_values.items() if p_value < alpha]
    return {
        "p_values": p_values,
        "domain_auc": domain.auc,
        "alpha": alpha,
        "is_seen": bool(seen_by),
        "seen_by": seen_by,
    }


def _described(day: str, of_day: Sequence[Scored]) -> dict[str, Any]:
    flagged = Counter(flag for one in of_day for flag in one.flags)
    means = {}
    for name in MONITORS:
        judged = [one.scores[name] for one in of_day if not math.isnan(one.scores[name])]
        means[name] = math.fsum(judged) / len(judged) if judged else None
    shares = {}
    for name in MONITORS:
        low, high = wilson(flagged[name], len(of_day))
        shares[name] = {"count": flagged[name], "rate": flagged[name] / len(of_day), "low": low, "high": high}
    return {"day": day, "num_requests": len(of_day), "means": means, "flags": shares}


def _text(record: Record) -> str:
    return f"{record.request} {record.article}"


def _excerpt(text: str) -> str:
    masked = mask(text).text
    return masked if len(masked) <= _NUM_EXCERPT_CHARS else masked[: _NUM_EXCERPT_CHARS - 1] + "…"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
