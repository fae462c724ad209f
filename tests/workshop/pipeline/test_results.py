"""What came of an execution is told in a line, in a table and as metrics."""

from __future__ import annotations

import pytest

from workshop.pipeline.execution import Execution, Step
from workshop.pipeline.results import evaluation_metrics, steps_table, verdict_text

EVALUATION = {
    "metric": "word_rouge_l",
    "score": {"value": 0.7, "low": 0.6, "high": 0.8},
    "gain": {
        "over": "production", "verdict": "worse", "num_articles": 32,
        "value": -0.1, "low": -0.2, "high": -0.05,
    },
    "metrics": {"word_rouge_l": {"value": 0.7, "low": 0.6, "high": 0.8}},
}  # fmt: skip


def test_a_verdict_says_score_gain_and_both_intervals() -> None:
    assert verdict_text(EVALUATION) == (
        "word_rouge_l 0.700 [0.600, 0.800], against production worse: -0.100 [-0.200, -0.050] on 32 articles"
    )


def test_a_gain_is_a_metric_beside_the_scores() -> None:
    found = evaluation_metrics(EVALUATION)
    assert found["word_rouge_l"] == 0.7
    assert found["word_rouge_l/high"] == 0.8
    assert (found["gain/low"], found["gain"]) == (-0.2, -0.1)


def test_a_table_of_steps_says_what_came_from_the_cache_and_why_a_step_failed() -> None:
    steps = (
        Step(name="Prepare", type="Processing", status="Succeeded", seconds=0.04, is_cached=True),
        Step(name="IsBetter", type="Condition", status="Succeeded", seconds=0.1, outcome="False"),
        Step(name="TooWeak", type="Fail", status="Failed", seconds=0.0, reason="not registered"),
        Step(name="Register", type="RegisterModel", status="Not run"),
    )
    one = Execution(arn="arn", pipeline="news", status="Failed", failure_reason="not registered", steps=steps)
    table = steps_table(one)
    assert list(table["result"]) == ["from the cache", "False", "not registered", ""]
    assert list(table["seconds"][:2]) == pytest.approx([0.0, 0.1])
