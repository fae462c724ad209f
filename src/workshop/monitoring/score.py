"""Score captured traffic as a processing job.

    python score.py --captures FOLDER --output FOLDER [--reference FOLDER | --reference_days 3]

reads every captured line below FOLDER and leaves OUTPUT/scores/scores.jsonl, a line for each request, and
OUTPUT/report/report.json: `scored.py` says what stands in them. The reference is other captures, or the first
days of these.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from processes.files import atomic_write
from workshop.errors import WorkshopError
from workshop.monitoring.captures import Record, read_captures
from workshop.monitoring.scored import as_row, report_of, score_all
from workshop.pipeline.job import run_as_job

SCORES, REPORT = "scores.jsonl", "report.json"


def score(options: argparse.Namespace) -> str:
    """Read, score, compare and write; return a line that says what was found.

    Raises:
        WorkshopError: No captured request, or no day beside the reference.
    """
    records, unread = _read(options.captures)
    scored = score_all(records)
    if options.reference is None:
        first_days = sorted({one.day for one in records})[: options.reference_days]
        reference = [one for one in scored if one.record.day in first_days]
    else:
        reference = score_all(_read(options.reference)[0])
    report = report_of(scored, reference, unread)
    rows = "".join(json.dumps(as_row(one), ensure_ascii=False, allow_nan=False) + "\n" for one in scored)
    _put(options.output / "scores" / SCORES, rows)
    _put(options.output / "report" / REPORT, json.dumps(report, ensure_ascii=False, allow_nan=False) + "\n")
    num_flagged = sum(bool(one.flags) for one in scored)
    onset = f"drift seen on {report['onset']}" if report["onset"] else "no drift seen"
    return f"{len(scored):,} requests of {len(report['days'])} days, {num_flagged:,} flagged, {onset}"


def _read(folder: Path) -> tuple[list[Record], list[str]]:
    records, unread = read_captures(folder)
    if not records:
        there = f"{len(unread):,} lines that cannot be read, the first: {unread[0]}" if unread else "no line"
        raise WorkshopError(
            found=f"no captured request below {folder}: {there}",
            expected="the .jsonl files that an endpoint's data capture writes",
            next_step="give the input the S3 prefix of its DataCaptureConfig, after requests were answered",
        )
    return records, unread


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, text)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--captures", type=Path, required=True, help="folder of captured lines")
    parser.add_argument("--reference", type=Path, help="folder of captured lines to compare with")
    parser.add_argument(
        "--reference_days", type=int, default=3, help="first days to compare with, without it"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the outputs")
    return parser.parse_args(arguments)


def main() -> int:
    """Run as a job."""
    options = parse()
    return run_as_job(lambda: score(options), options.output)


if __name__ == "__main__":
    sys.exit(main())
