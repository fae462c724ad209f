from __future__ import annotations

import pytest

from workshop.figures.record import Run

SCORES = {
    "lead-3": {
        "word_rouge_l": {"mean": 0.166, "low": 0.147, "high": 0.184},
        "numbers_right": {"mean": 0.01, "low": 0.0, "high": 0.025},
    },
    "tuned": {
        "word_rouge_l": {"mean": 0.9691, "low": 0.955, "high": 0.981},
        "numbers_right": {"mean": 0.96, "low": 0.93, "high": 0.985},
    },
}


def make_run(**changes) -> Run:
    return Run(
        **{
            "model": "AMD EPYC (family 26, model 2)",
            "num_cores": 2,
            "masked_by": {},
            "operating_system": "Debian GNU/Linux 12 (bookworm)",
            "measured_on": "2026-11-29",
            "load_before": 0.1,
            "versions": {"python": "3.11.2", "torch": "2.13.0+cpu", "transformers": "5.23.0"},
            "notebook_s": {"01-Prepare": 14.7, "02-Train-Local-KR-News": 52.4},
            "training_s": {"steps": 25.3, "all": 31.2},
            "num_scored_articles": 200,
            "scores": SCORES,
        }
        | changes
    )


@pytest.fixture
def both() -> dict[str, Run]:
    """A class by nature, and one that was only imitated."""
    masked = make_run(
        masked_by={"ONEDNN_MAX_CPU_ISA": "AVX2"},
        notebook_s={"01-Prepare": 26.0, "02-Train-Local-KR-News": 405.0},
        training_s={"all": 385.0},
    )
    return {"AVX512 + VNNI + bfloat16": make_run(), "AVX2": masked}


@pytest.fixture
def only() -> dict[str, Run]:
    return {"AVX512 + VNNI + bfloat16": make_run()}
