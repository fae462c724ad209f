"""The figure of the runs has a row for each prompt, a point for each run, and the interval of the cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from workshop.evaluation.answers import KeptAnswers
from workshop.evaluation.cases import CaseRuns, load_cases, run_cases
from workshop.evaluation.confidence import mean_interval
from workshop.plots import run_spread
from workshop.settings import find_repo_dir

CASES = load_cases(find_repo_dir() / "notebook" / "03-llmops" / "gate" / "cases.yaml")


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, CaseRuns]:
    """Two prompts: one whose answers are never right, one of which two of three runs are."""
    right = {f"{case.article}{case.question}": case.checks.get("number", "") for case in CASES}
    kept = KeptAnswers(tmp_path, "prompts", {})
    return {
        "기사 없이": run_cases(CASES, "{{question}}", lambda *_: "7", kept, num_runs=3),
        "plain": run_cases(
            CASES,
            "{{article}}{{question}}",
            lambda prompt, seed: f"{right[prompt]}입니다" if seed % 3 else "모름",
            kept,
            num_runs=3,
        ),
    }


def test_every_run_is_a_point_in_the_row_of_its_prompt(runs: dict[str, CaseRuns]) -> None:
    axes = run_spread(runs).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["기사 없이", "plain"]
    points = [line.get_xdata().tolist() for line in axes.lines]
    assert points == [(100 * one.run_means).tolist() for one in runs.values()]
    _, low, high = mean_interval(runs["plain"].values)
    bar = axes.patches[1]
    assert (bar.get_x(), bar.get_x() + bar.get_width()) == pytest.approx((100 * low, 100 * high))


def test_the_figure_shows_itself(runs: dict[str, CaseRuns]) -> None:
    assert run_spread(runs)._repr_png_().startswith(b"\x89PNG")
