"""The map of the story names every topic of the documents, and every place that it names is there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from workshop.errors import WorkshopError
from workshop.story.topics import MAP_NAME, counts, load_topics, map_table, today_table

REPO_DIR = Path(__file__).parents[2]
NOTEBOOK_DIR = REPO_DIR / "notebook"
# As many as the documents have: lists, sections and links, read line by line.
NUM_TOPICS = {"000": 48, "001": 30, "002": 14, "003": 74, "004": 52}
# What has a date in 2023 and is known to have changed: the map says what became of it.
# `[04](04-Monitoring.ipynb) 5~6절` in the story: sections 5 to 6 of that notebook.
SECTIONS = re.compile(r"\]\(([^)]+\.ipynb)\)(?:의)? ?(\d+)(?:~(\d+))?절")
CHANGED = ("Debugger", "Model Monitor", "Experiments", "Autopilot", "Projects", "Domain", "Studio", "Bedrock")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A notebook folder with one notebook of two headings, and a map of its own."""
    folder = tmp_path / "notebook"
    (folder / MAP_NAME).parent.mkdir(parents=True)
    shutil.copy(NOTEBOOK_DIR / "03-llmops/07-Own-Image.ipynb", folder / "03-llmops/07-Own-Image.ipynb")
    return folder


def written(folder: Path, **row: object) -> Path:
    (folder / MAP_NAME).write_text(
        yaml.safe_dump({"000": {"list": [row]}}, allow_unicode=True), encoding="utf-8"
    )
    return folder


def test_every_topic_has_a_place_that_is_there_or_a_reason() -> None:
    topics = load_topics(NOTEBOOK_DIR)
    assert all(bool(one.places) != bool(one.absent) for one in topics)
    assert all(place.path.is_file() for one in topics for place in one.places)
    assert counts(topics).drop("all")["topics"].to_dict() == NUM_TOPICS
    assert counts(topics).loc["all", "shown"] > 0.9 * len(topics)


def test_no_topic_stands_twice_in_a_list() -> None:
    names = [(one.document, one.part, one.topic) for one in load_topics(NOTEBOOK_DIR)]
    assert len(set(names)) == len(names)


def test_what_aws_has_changed_says_what_became_of_it_and_where_that_was_read() -> None:
    topics = load_topics(NOTEBOOK_DIR)
    for word in CHANGED:
        found = [one for one in topics if word in one.topic and one.document == "000"]
        assert found, word
        assert all(one.today and one.source for one in found), found
    assert all(bool(one.today) == bool(one.source) for one in topics)
    assert all(bool(one.en) == bool(one.today or one.absent) for one in topics)
    table = today_table(topics, "1부 MLOps")
    assert len(table) == sum(bool(one.today) for one in topics if one.part == "1부 MLOps")


def test_the_sections_that_the_story_names_by_number_are_there() -> None:
    story = NOTEBOOK_DIR / "03-llmops" / "00-LLMOps-Story.ipynb"
    named = SECTIONS.findall(_markdown(story))
    assert len(named) > 15
    for link, first, last in named:
        numbers = set(re.findall(r"^## (\d+)\.", _markdown(story.parent / link), re.MULTILINE))
        wanted = {str(number) for number in range(int(first), int(last or first) + 1)}
        assert wanted <= numbers, (link, first, last)


def _markdown(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(one["source"]) for one in cells if one["cell_type"] == "markdown")


def test_the_table_links_every_place_and_gives_every_reason() -> None:
    topics = load_topics(NOTEBOOK_DIR)
    table = map_table(topics)
    assert table.count("<a href=") == sum(len(one.places) for one in topics)
    assert table.count("<i>") == sum(bool(one.absent) for one in topics)
    place = next(place for one in topics for place in one.places if "07-Own-Image" in place.link)
    assert place.link.startswith("07-Own-Image.ipynb#5.-")


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("03-llmops/08-None", "no 03-llmops/08-None"),
        ("03-llmops/07-Own-Image#없는 제목", "has no heading '없는 제목'"),
    ],
)
def test_a_place_that_is_not_there_is_named(copied: Path, at: str, says: str) -> None:
    assert load_topics(written(copied, topic="t", at="03-llmops/07-Own-Image#저장소"))[0].places[0].heading
    with pytest.raises(WorkshopError, match=r"map\.yaml") as raised:
        load_topics(written(copied, topic="t", at=at))
    assert says in str(raised.value)


@pytest.mark.parametrize(
    "row", [{}, {"at": "03-llmops/07-Own-Image", "absent": "why"}, {"absent": "why", "where": "x"}]
)
def test_a_row_with_both_or_neither_or_an_unknown_field_is_refused(copied: Path, row: dict[str, str]) -> None:
    with pytest.raises(WorkshopError, match=r"correct that row"):
        load_topics(written(copied, topic="t", **row))
