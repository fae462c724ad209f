"""Every answer with who gave it, why, and what it cost: one JSON line each, and what they come to.

No text of a question or an answer is in it: a ledger is kept longer than what people wrote may be.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from processes.files import append_line
from workshop.entries import now_utc
from workshop.errors import WorkshopError
from workshop.fallback.answer import Attempt, FallbackAnswer
from workshop.fallback.failures import ANSWERED, NOT_SENT
from workshop.fallback.rungs import Rung

if TYPE_CHECKING:
    from pandas import DataFrame


class AnswerLedger:
    """Append answers to a file and read them; threads and processes may write to one file.

    Amounts stand as texts ("0.000123456"), multiples of a billionth of a dollar, so that sums are exact.

    Args:
        path: For instance `settings.home / "fallback" / "answers.jsonl"`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, answer: FallbackAnswer, **details: Any) -> None:
        """Write an answer; when this returns, a killed process does not lose it.

        Args:
            details: What else is to be known of it, as JSON: a user's number, a variant.

        Raises:
            WorkshopError: The file cannot be written.
        """
        row = {
            "id": uuid.uuid4().hex,
            "at": now_utc(),
            "rung": answer.rung,
            "why": answer.why,
            "model": answer.model,
            "attempts": [_written(attempt) for attempt in answer.attempts],
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
            "cost_usd": _text(answer.cost_usd),
            "latency_s": answer.latency_s,
            "budget_s": answer.budget_s,
            "quality": dict(answer.quality),
            "details": details,
        }
        try:
            append_line(self.path, json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace"))
        except OSError as problem:
            raise WorkshopError(
                found=f"{self.path} cannot be written: {problem.strerror}",
                expected="a ledger in a writable folder with free space",
                next_step="free some space or set WORKSHOP_HOME to another folder, then run the cell again",
            ) from None

    def rows(self) -> list[dict[str, Any]]:
        """Return the answers, amounts as Decimal; lines that are torn count for nothing, and it is said."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        read = [_read(line) for line in lines if line]
        rows = [row for row in read if row is not None]
        if len(rows) < len(read):
            print(f"{self.path}: unreadable lines, which count for nothing: {len(read) - len(rows)}")
        return rows

    def totals(self) -> dict[str, Any]:
        """Return what all answers come to: the sums of what each of them says."""
        rows = self.rows()
        costs = [row["cost_usd"] for row in rows]
        return {
            "answers": len(rows),
            "fell_back": sum(row["rung"] != row["attempts"][0]["rung"] for row in rows),
            "attempts": sum(len(row["attempts"]) for row in rows),
            "input_tokens": sum(row["input_tokens"] for row in rows),
            "output_tokens": sum(row["output_tokens"] for row in rows),
            "cost_usd": sum((cost for cost in costs if cost is not None), Decimal(0)),
            "unpriced": costs.count(None),
        }

    def table(self) -> DataFrame:
        """Return one row a rung: how often it answered and failed, tokens, dollars, latency, quality."""
        from pandas import DataFrame

        rows = self.rows()
        names = dict.fromkeys(attempt["rung"] for row in rows for attempt in row["attempts"])
        table = {}
        for name in names:
            own = [row for row in rows if row["rung"] == name]
            every = [one for row in rows for one in row["attempts"] if one["rung"] == name]
            tried = [one for one in every if one["why"] not in NOT_SENT]
            table[name] = {
                "answers": len(own),
                "attempts": len(tried),
                "failed": sum(one["why"] != ANSWERED for one in tried),
                "passed over": len(every) - len(tried),
                "input tokens": sum(one["input_tokens"] for one in tried),
                "output tokens": sum(one["output_tokens"] for one in tried),
                "USD": float(_sum(tried)),
                **_latencies([row["latency_s"] for row in own]),
                **_qualities(own),
            }
        return DataFrame.from_dict(table, orient="index").rename_axis("rung")

    def reasons(self) -> DataFrame:
        """Return how often each rung had which outcome: (rungs, whys)."""
        from pandas import DataFrame

        tried = [(one["rung"], one["why"]) for row in self.rows() for one in row["attempts"]]
        frame = DataFrame(tried, columns=["rung", "why"])
        return frame.groupby(["rung", "why"], sort=False).size().unstack(fill_value=0)

    def what_it_costs(self, rungs: Sequence[Rung] = ()) -> DataFrame:
        """Return what falling back costs and brings, beside the same questions to the first rung alone.

        Alone, a question has an answer when the first attempt at the first rung brought one.

        Args:
            rungs: Of the client. With them `USD an hour` says what their machines cost that stand by, each
                once; it is not part of `USD`, which is the time that they were busy for these questions.
        """
        from pandas import DataFrame

        rows = self.rows()
        alone = [row for row in rows if row["attempts"][0]["why"] == ANSWERED]
        first = [row["attempts"][0] for row in rows]
        standing = [_standing(some) for some in (rungs[:1], rungs)] if rungs else [{}, {}]
        seconds_alone = [row["attempts"][0]["seconds"] for row in alone]
        return DataFrame.from_dict(
            {
                "the first rung alone": {
                    "answers": len(alone),
                    "USD": float(_sum(first)),
                    **_latencies(seconds_alone),
                    **_qualities(alone),
                    **standing[0],
                },
                "with fallback": {
                    "answers": len(rows),
                    "USD": float(_sum([one for row in rows for one in row["attempts"]])),
                    **_latencies([row["latency_s"] for row in rows]),
                    **_qualities(rows),
                    **standing[1],
                },
            },
            orient="index",
        )


def _written(attempt: Attempt) -> dict[str, Any]:
    return {
        "rung": attempt.rung,
        "why": attempt.why,
        "seconds": attempt.seconds,
        "input_tokens": attempt.input_tokens,
        "output_tokens": attempt.output_tokens,
        "cost_usd": _text(attempt.cost_usd),
    }


def _text(usd: Decimal | None) -> str | None:
    return None if usd is None else f"{usd:f}"


def _read(line: bytes) -> dict[str, Any] | None:
    """Return an answer, or None for a line that holds none, or one that is not the sum of its attempts."""
    try:
        row = json.loads(line)
        for part in (row, *row["attempts"]):
            part["cost_usd"] = None if part["cost_usd"] is None else Decimal(part["cost_usd"])
        for name in ("cost_usd", "input_tokens", "output_tokens"):
            parts = [part[name] for part in row["attempts"]]
            if row[name] != (None if None in parts else sum(parts)):
                return None
        return row
    except (ValueError, TypeError, LookupError, InvalidOperation):
        return None


def _sum(parts: Sequence[Mapping[str, Any]]) -> Decimal:
    return sum((part["cost_usd"] for part in parts if part["cost_usd"] is not None), Decimal(0))


def _standing(rungs: Sequence[Rung]) -> dict[str, float]:
    by_machine = {rung.machine_name: rung.usd_per_hour for rung in rungs}
    prices = [float("nan") if price is None else price for price in by_machine.values()]
    return {"USD an hour": float(sum(prices))}


def _latencies(seconds: Sequence[float]) -> dict[str, float]:
    import numpy as np

    p50, p95 = np.percentile(seconds, [50, 95]) if seconds else (float("nan"), float("nan"))
    return {"p50 s": float(p50), "p95 s": float(p95)}


def _qualities(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row["quality"])
    return {
        name: fmean(row["quality"][name] for row in rows if name in row["quality"]) for name in names
    }  # of those that have it
