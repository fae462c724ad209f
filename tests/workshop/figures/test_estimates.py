"""A notebook that takes machines for several uses says which, and how long they take together."""

from __future__ import annotations

import pytest

from workshop.account.usage import Usage
from workshop.figures import estimates
from workshop.prices import ENDPOINT, PROCESSING_JOB, TRAINING_JOB
from workshop.settings import Settings

NAME = "06-A-Pipeline"


@pytest.fixture(autouse=True)
def _one_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline's jobs, and an endpoint beside another."""

    def row(kind: str, machine: str, low: float, limit_minutes: float | None = None) -> Usage:
        span = (low, 2 * low)
        return Usage(
            notebook=NAME, kind=kind, instance_type=machine, minutes=span, limit_minutes=limit_minutes
        )

    def usages(settings: Settings) -> list[Usage]:
        return [
            row(PROCESSING_JOB, "ml.m5.xlarge", 5, 60),
            row(TRAINING_JOB, "ml.g5.4xlarge", 10, 60),
            row(ENDPOINT, "ml.g6.12xlarge", 12),
            row(ENDPOINT, "ml.c6i.2xlarge", 6),
        ]

    monkeypatch.setattr(estimates, "usages", usages)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_each_use_has_its_quota_and_its_machine(language: str) -> None:
    (line,) = [line for line in estimates.usage_table(language).splitlines() if NAME in line]
    _, quotas, debug, *_ = line.split(" | ")
    assert quotas == "TYPE for processing job usage, TYPE for training job usage, TYPE for endpoint usage"
    assert debug.startswith("ml.m5.xlarge (processing job): ")
    assert "0.02" in debug
    assert "0.23 USD; ml.g5.4xlarge (training job): " in debug


def test_jobs_come_one_after_the_other_and_endpoints_stand_side_by_side() -> None:
    assert "27 to 54 min" in estimates.notebook_time(NAME)
