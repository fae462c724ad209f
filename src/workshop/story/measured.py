"""Figures that other notebooks measured, read from the pages where they are kept; none is written anew."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.figures.record import FILE_NAME, read_runs

LADDER_PAGE, LADDER_HEADING = "src/workshop/README.md", "What each rung brings"
_INTERVAL = re.compile(r"^(\d+) \[(\d+), (\d+)\]$")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A share in percent and its 95 % interval."""

    mean: float
    low: float
    high: float


def ladder_rungs(repo_dir: Path) -> dict[str, Measured]:
    """Return how often each rung of notebook 03-llmops/03 was right, from the table of the workshop's README.

    Raises:
        WorkshopError: The table is not there any more, or has another form.
    """
    page = (repo_dir / LADDER_PAGE).read_text(encoding="utf-8")
    section = page.partition(f"### {LADDER_HEADING}\n")[2].partition("\n## ")[0]
    rows = [
        [one.strip() for one in line.strip("|").split("|")] for line in section.splitlines() if "|" in line
    ]
    rungs = {row[0]: match for row in rows if (match := _INTERVAL.match(row[1]))}
    if not rungs:
        raise WorkshopError(
            found=f"no table of rungs under {LADDER_HEADING!r} in {LADDER_PAGE}",
            expected="rows like `| RAG, words | 60 [50, 70] |`",
            next_step="run the notebook 03-Prompt-RAG-FineTune and write what it measured there",
        )
    return {
        name: Measured(mean=float(match[1]), low=float(match[2]), high=float(match[3]))
        for name, match in rungs.items()
    }


def summary_scores(repo_dir: Path, metric: str) -> dict[str, Measured]:
    """Return a metric of every system that notebook 02 scored, in percent: of measured.yaml's first class."""
    run = next(iter(read_runs(repo_dir / "notebook" / FILE_NAME).values()))
    return {
        name: Measured(**{part: 100 * value for part, value in metrics[metric].items()})
        for name, metrics in run.scores.items()
    }
