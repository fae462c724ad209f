"""Evaluate a model as a processing job: does it summarise better than the version in production?

    python evaluate.py --model FOLDER --test FOLDER --production FOLDER --output FOLDER

The model of the training step summarises the test articles, and OUTPUT/evaluation.json says how well, against
the report of the version in production, or against lead-3 where there is none yet; report.py says what stands
in it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from processes.files import atomic_write
from workshop.errors import WorkshopError
from workshop.news.dataset import read_rows
from workshop.pipeline.generate import summarise
from workshop.pipeline.job import run_as_job
from workshop.pipeline.report import (
    EVALUATION,
    METRICS,
    check_same_articles,
    evaluation_report,
    read_production,
)

_MAX_NEW_TOKENS = 160  # as notebook 02


def evaluate(options: argparse.Namespace) -> str:
    """Summarise, score, compare and write the report; return a line with the verdict.

    Raises:
        WorkshopError: No test rows, no model, no report of production, or one on other articles.
    """
    production = read_production(options.production)
    rows = read_rows(options.test.parent, options.test.name)
    rows = rows[: options.num_articles or None]
    if len(rows) < 2:
        raise WorkshopError(
            found=f"{len(rows)} test articles in {options.test}",
            expected="two or more: from one nothing can be said",
            next_step="give the input `test` the folder that prepare.py has written for that split",
        )
    check_same_articles(rows, production)  # before anything takes minutes
    conversations = [row["messages"][:-1] for row in rows]
    summaries = summarise(options.model, conversations, max_new_tokens=options.max_new_tokens)
    report = evaluation_report(rows, summaries, production, metric=options.metric)
    options.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, ensure_ascii=False, allow_nan=False)
    atomic_write(options.output / EVALUATION, text + "\n")
    gain = report["gain"]
    mean, low, high = (100 * gain[part] for part in ("value", "low", "high"))
    return (
        f"{options.metric} {100 * report['score']['value']:.1f}, against {gain['over']} {gain['verdict']}: "
        f"{mean:+.1f} points [{low:+.1f}, {high:+.1f}] on {gain['num_articles']:,} articles"
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of the model")
    parser.add_argument("--test", type=Path, required=True, help="folder named test with test.jsonl")
    parser.add_argument("--production", type=Path, required=True, help="folder of a report, or of none")
    parser.add_argument("--output", type=Path, required=True, help="folder of the output")
    parser.add_argument("--metric", choices=METRICS, default=METRICS[0], help="that decides")
    parser.add_argument("--num_articles", type=int, default=0, help="first test articles; 0: all")
    parser.add_argument("--max_new_tokens", type=int, default=_MAX_NEW_TOKENS, help="of a summary")
    return parser.parse_args(arguments)


def main() -> int:
    """Run as a job."""
    options = parse()
    return run_as_job(lambda: evaluate(options), options.output)


if __name__ == "__main__":
    sys.exit(main())
