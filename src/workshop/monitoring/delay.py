"""How late drift is seen, and how often without any: planted traffic, days compared as the job does it.

    python -m workshop.monitoring.delay --requests 50 --streams 200      # writes its rows into delay.yaml

A stream has REFERENCE_DAYS days of ordinary traffic (attacks, insults and personal data among it), then
WATCHED_DAYS days in which a share of the requests asks for something new; at 0 % whatever is seen is a false
alarm. Only what people ask is looked at: how a model answers a new topic is its own affair, and counts as not
judged.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from workshop.monitoring.captures import Record
from workshop.monitoring.monitors import OF_ANSWERS, flags, score_request
from workshop.monitoring.report import DELAY_PATH
from workshop.monitoring.scored import Scored, drift_of_day

if TYPE_CHECKING:
    from sample.monitoring.traffic import Request

REFERENCE_DAYS, WATCHED_DAYS, DAYS_OF_A_MONTH = 7, 14, 30
SHARES = (0.0, 0.10, 0.25)
NUM_STREAMS = 200
_HEAD = """\
# How late drift is seen. Written by `python -m workshop.monitoring.delay --requests N --streams M`; the test
# tests/benchmarks/bench_drift.py prints it anew.
"""


def days_seen(num_requests: int, share: float, seed: int) -> Iterator[tuple[int, list[str]]]:
    """Yield each watched day of a stream, from 1, and what has seen drift on it (nothing: an empty list).

    Args:
        num_requests: A day.
        share: Of them that ask for something new.
        seed: Of the stream.
    """
    from sample.monitoring.traffic import planted

    drift_from = REFERENCE_DAYS + 1 if share else None
    stream = planted(
        REFERENCE_DAYS + WATCHED_DAYS, num_requests, seed=seed, drift_from=drift_from, drift_share=share
    )
    by_day: dict[str, list[Scored]] = {}
    for request in stream:
        by_day.setdefault(request.day, []).append(_scored(request))
    days = [by_day[day] for day in sorted(by_day)]
    reference = [one for day in days[:REFERENCE_DAYS] for one in day]
    for number, today in enumerate(days[REFERENCE_DAYS:], start=1):
        yield number, drift_of_day(reference, today)["seen_by"]


def delay(num_requests: int, share: float, num_streams: int = NUM_STREAMS) -> dict[str, Any]:
    """Return how late drift of this size is seen.

    Returns:
        A row of delay.yaml. At a share of 0: false alarms a month. Else: days to the first alarm, of half the
        streams and of nine in ten (None: later than it was watched), and the share of streams in which it was
        never seen.
    """
    row: dict[str, Any] = {
        "requests a day": num_requests,
        "new topic": f"{share:.0%}",
        "streams": num_streams,
    }
    if not share:
        seen = [bool(by) for seed in range(num_streams) for _, by in days_seen(num_requests, share, seed)]
        return row | {"false alarms a month": round(DAYS_OF_A_MONTH * float(np.mean(seen)), 2)}
    first = [
        next((day for day, by in days_seen(num_requests, share, seed) if by), np.inf)
        for seed in range(num_streams)
    ]
    median, late = np.quantile(first, [0.5, 0.9], method="higher")
    return row | {
        "median days": None if np.isinf(median) else int(median),
        "90 % within": None if np.isinf(late) else int(late),
        "never in 14 days": round(float(np.mean(np.isinf(first))), 3),
    }


def _scored(request: Request) -> Scored:
    record = Record(
        event_id=request.request_id, day=request.day, request=request.text, article=request.article, answer=""
    )  # fmt: skip
    scores, found = _scores(record.request, record.article)
    return Scored(record=record, scores=scores, flags=found)


@lru_cache(maxsize=100_000)
def _scores(request: str, article: str) -> tuple[dict[str, float], list[str]]:
    scores = score_request(request, article) | dict.fromkeys(OF_ANSWERS, math.nan)
    return scores, flags(scores)


def main() -> None:
    """Measure, print, and put the rows into delay.yaml in the place of those for as many requests."""
    import yaml

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, required=True, help="a day")
    parser.add_argument("--streams", type=int, default=NUM_STREAMS)
    options = parser.parse_args()
    measured = [delay(options.requests, share, options.streams) for share in SHARES]
    print(*measured, sep="\n")
    kept = yaml.safe_load(DELAY_PATH.read_text(encoding="utf-8"))["rows"] if DELAY_PATH.is_file() else []
    rows = [row for row in kept if row["requests a day"] != options.requests] + measured
    rows.sort(key=lambda row: (row["requests a day"], float(row["new topic"].rstrip("%"))))
    text = yaml.safe_dump({"rows": rows}, sort_keys=False, allow_unicode=True)
    DELAY_PATH.write_text(_HEAD + text, encoding="utf-8")


if __name__ == "__main__":
    main()
