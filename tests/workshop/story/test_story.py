"""What the story reads is what other notebooks measured, and the requests are this repository's articles."""

from __future__ import annotations

from pathlib import Path

import pytest

from workshop.errors import WorkshopError
from workshop.story.measured import LADDER_PAGE, ladder_rungs, summary_scores
from workshop.story.requests import summary_requests

REPO_DIR = Path(__file__).parents[3]


def test_the_ladder_is_the_table_of_the_readme() -> None:
    rungs = ladder_rungs(REPO_DIR)
    assert len(rungs) == 9
    assert all(one.low <= one.mean <= one.high for one in rungs.values())
    page = (REPO_DIR / LADDER_PAGE).read_text(encoding="utf-8")
    for name, one in rungs.items():
        assert f"| {name} | {one.mean:.0f} [{one.low:.0f}, {one.high:.0f}]" in page


def test_a_page_without_the_table_is_named(tmp_path: Path) -> None:
    page = tmp_path / LADDER_PAGE
    page.parent.mkdir(parents=True)
    page.write_text("## Evaluation\n", encoding="utf-8")
    with pytest.raises(WorkshopError, match="no table of rungs"):
        ladder_rungs(tmp_path)


def test_scores_are_those_of_measured_yaml_in_percent() -> None:
    scores = summary_scores(REPO_DIR, "numbers_right")
    assert {"lead-3", "untuned", "tuned"} <= set(scores)
    assert scores["tuned"].mean > 1 > scores["lead-3"].high


def test_requests_have_a_prompt_and_an_answer_each_and_begin_alike() -> None:
    requests = summary_requests(REPO_DIR, 40, seed=1)
    assert len(requests.prompts) == len(requests.num_prompt) == len(requests.num_answer) == 40
    assert [len(one) for one in requests.prompts] == requests.num_prompt.tolist()
    assert requests.num_answer.min() > 1
    assert len({tuple(one[:20]) for one in requests.prompts}) == 1
    with pytest.raises(WorkshopError, match="0 articles"):
        summary_requests(REPO_DIR, 0, seed=1)
