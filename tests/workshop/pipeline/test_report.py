"""evaluation.json: what decides whether a version is better than the one in production."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sample.news import generator
from workshop.errors import WorkshopError
from workshop.evaluation.baselines import lead
from workshop.evaluation.confidence import mean_interval
from workshop.evaluation.scores import score_systems
from workshop.evaluation.verdict import verdict
from workshop.pipeline.inputs import NO_PRODUCTION
from workshop.pipeline.report import EVALUATION, METRICS, evaluation_report, read_production
from workshop.prompt import article_of, chat_messages, summary_of

ROWS = [
    {"id": f"{number:016x}", "messages": chat_messages(row["document"], row["summary"])}
    for number, row in enumerate(generator.rows(24, seed=5))
]
ARTICLES = [article_of(row["messages"]) for row in ROWS]
REFERENCES = [summary_of(row["messages"]) for row in ROWS]
HALF_RIGHT = [text if number % 2 else text[:20] for number, text in enumerate(REFERENCES)]


def report(summaries: list[str], production: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    options = {"metric": METRICS[0], "rows": ROWS, **changes}
    made = evaluation_report(options.pop("rows"), summaries, production, **options)
    return json.loads(json.dumps(made, allow_nan=False))  # as the next execution reads it


@pytest.mark.parametrize("metric", METRICS)
def test_the_first_version_is_compared_with_lead_3_by_the_workshops_own_verdict(metric: str) -> None:
    made = report(REFERENCES, metric=metric)
    systems = {"version": REFERENCES, "lead-3": [lead(article) for article in ARTICLES]}
    scores = score_systems(ARTICLES, REFERENCES, systems)
    expected = verdict(scores["version"][metric], scores["lead-3"][metric])
    assert made["gain"]["over"] == "lead-3"
    assert made["gain"]["verdict"] == expected.word == "better"
    bounds = [made["gain"][part] for part in ("value", "low", "high")]
    assert bounds == pytest.approx(list(expected.difference))
    assert made["gain"]["num_articles"] == len(ROWS)
    assert list(made["score"].values()) == pytest.approx(list(mean_interval(scores["version"][metric])))
    assert made["lead_3"][metric]["value"] == pytest.approx(scores["lead-3"][metric].mean())


def test_a_later_version_is_compared_with_production_article_by_article() -> None:
    production = report(HALF_RIGHT)
    made = report(REFERENCES, production)
    assert (made["gain"]["over"], made["gain"]["verdict"]) == ("production", "better")
    assert made["gain"]["low"] > 0
    assert report(HALF_RIGHT, made)["gain"]["verdict"] == "worse"


def test_the_version_in_production_is_not_better_than_itself() -> None:
    for summaries in (HALF_RIGHT, ["" for _ in ROWS], REFERENCES):
        gain = report(summaries, report(summaries))["gain"]
        assert (gain["verdict"], gain["low"], gain["high"]) == ("no difference seen", 0, 0)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (ROWS[:-1], "23 test articles, and 24 that production was asked: 23 of them the same"),
        (ROWS[::-1], "24 of them the same"),
        (
            [{**row, "messages": chat_messages(article[:-9], summary)} for row, article, summary in
             zip(ROWS, ARTICLES, REFERENCES, strict=True)],
            "of another wording",
        ),
    ],
    ids=["fewer", "another order", "shortened further"],
)  # fmt: skip
def test_other_articles_than_productions_are_refused(rows: list[dict[str, Any]], found: str) -> None:
    production = report(REFERENCES)
    with pytest.raises(WorkshopError) as error:
        report(REFERENCES[: len(rows)], production, rows=rows)
    assert found in error.value.found
    assert "the same articles in the same order" in error.value.expected


def test_a_folder_says_that_nothing_is_in_production(tmp_path: Path) -> None:
    (tmp_path / NO_PRODUCTION).write_text("{}")
    assert read_production(tmp_path) is None
    made = report(REFERENCES)
    (tmp_path / EVALUATION).write_text(json.dumps(made))
    assert read_production(tmp_path) == made


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "null",
        '{"articles": {"ids": ["a"], "asked_sha256": "x", "scores": {}}}',
        '{"articles": {"ids": [], "asked_sha256": "", "scores": {"word_rouge_l": [], "numbers_right": [1]}}}',
        '{"score": {"value": 1}}',
    ],
)
def test_what_is_no_report_of_production_is_refused(text: str | None, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    if text is not None:
        (tmp_path / EVALUATION).write_text(text)
    with pytest.raises(WorkshopError) as error:
        read_production(tmp_path)
    assert "the input `production`" in error.value.next_step
