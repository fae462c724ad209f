"""The map: every topic of the five documents that the workshop grew from, and where it is shown here.

It is data, notebook/03-llmops/map.yaml; the notebook shows it and a test holds it to what is there.
"""

from __future__ import annotations

import html
import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml

from workshop.errors import WorkshopError

if TYPE_CHECKING:
    from pandas import DataFrame

MAP_NAME = "03-llmops/map.yaml"
FIELDS = {"topic", "at", "absent", "today", "source", "en"}
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
NUMBERED = re.compile(r"^\d+\. ")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a topic is shown.

    Args:
        path: Of the notebook or page.
        heading: As it stands there, with its number; "" for the whole of it.
        base_dir: The folder that links begin at.
    """

    path: Path
    heading: str
    base_dir: Path

    @property
    def text(self) -> str:
        name = self.path.stem if self.path.suffix == ".ipynb" else self.path.parent.name
        return f"{name}, {self.heading}" if self.heading else name

    @property
    def link(self) -> str:
        """What JupyterLab opens: a heading's anchor is its text with dashes for spaces."""
        anchor = f"#{quote(self.heading.replace(' ', '-'))}" if self.heading else ""
        return f"{quote(os.path.relpath(self.path, self.base_dir))}{anchor}"


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One topic of a document.

    Args:
        document: Its number, 000 to 004.
        part: The list of the document that it stands in.
        topic: In a few words.
        places: Where it is shown; empty when it is not.
        absent: Why it is not shown; "" when it is.
        today: What became of it since; "" when that is not the question.
        source: Where `today` was read, and when.
        en: Reason and `today` in English.
    """

    document: str
    part: str
    topic: str
    places: tuple[Place, ...]
    absent: str = ""
    today: str = ""
    source: str = ""
    en: str = ""


def load_topics(notebook_dir: Path) -> list[Topic]:
    """Read the map and find every place that it names.

    Raises:
        WorkshopError: A topic without a place or a reason, with both, or a place that is not there.
    """
    path = notebook_dir / MAP_NAME
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        _topic(notebook_dir, document, part, row)
        for document, parts in raw.items()
        for part, rows in parts.items()
        for row in rows
    ]


def _topic(notebook_dir: Path, document: str, part: str, row: dict[str, Any]) -> Topic:
    where = f"{MAP_NAME}, {document}, {part}: {row.get('topic', row)}"
    unknown = set(row) - FIELDS
    if unknown or ("at" in row) == ("absent" in row):
        raise WorkshopError(
            found=f"{where}: {', '.join(sorted(unknown)) or 'a place and a reason, or neither'}",
            expected="`topic`, and either `at` (a place or several) or `absent` (the reason)",
            next_step="correct that row of the map",
        )
    given = row.get("at", [])
    places = [given] if isinstance(given, str) else given
    return Topic(
        document=document,
        part=part,
        topic=row["topic"],
        places=tuple(_place(notebook_dir, where, one) for one in places),
        absent=row.get("absent", ""),
        today=row.get("today", ""),
        source=row.get("source", ""),
        en=row.get("en", ""),
    )


def _place(notebook_dir: Path, where: str, given: str) -> Place:
    """Find `TRACK/NN-Name#heading`, or a page of the repository as `../src/serve/README.md#heading`.

    A heading is named by its Korean words, without its number and without its English.
    """
    name, _, wanted = given.partition("#")
    path = (notebook_dir / (name if name.endswith(".md") else f"{name}.ipynb")).resolve()
    if not path.is_file():
        raise WorkshopError(
            found=f"{where}: no {name}",
            expected="a notebook below notebook/, as TRACK/NN-Name, or a page",
            next_step="correct that row of the map",
        )
    headings = _headings(path)
    matching = [one for one in headings if wanted in (one, NUMBERED.sub("", one).partition(" · ")[0])]
    if wanted and not matching:
        raise WorkshopError(
            found=f"{where}: {name} has no heading {wanted!r}",
            expected="one of: " + " | ".join(headings),
            next_step="correct that row of the map",
        )
    return Place(path=path, heading=matching[0] if wanted else "", base_dir=(notebook_dir / MAP_NAME).parent)


@cache
def _headings(path: Path) -> tuple[str, ...]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(one["source"]) for one in cells if one["cell_type"] == "markdown")
    return tuple(HEADING.findall(text))


def map_table(topics: list[Topic]) -> str:
    """Return the map as an HTML table whose places are links."""
    rows = "".join(
        f"<tr><td>{one.document}</td><td>{html.escape(one.topic)}</td><td>{_where(one)}</td></tr>"
        for one in topics
    )
    head = "<tr><th>문서 · document</th><th>주제 · topic</th><th>어디에 · where, or why not</th></tr>"
    return f'<table style="text-align: left"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _where(topic: Topic) -> str:
    lines = [f'<a href="{one.link}">{html.escape(one.text)}</a>' for one in topic.places]
    if topic.absent:
        lines.append(f"<i>{html.escape(topic.absent)}</i>")
    if topic.today:
        lines.append(html.escape(f"{topic.today} ({topic.source})"))
    if topic.en:
        lines.append(f"<small>{html.escape(topic.en)}</small>")
    return "<br>".join(lines)


def counts(topics: list[Topic]) -> DataFrame:
    """Return how many topics each document has, how many are shown and how many are absent with a reason."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "document": [one.document for one in topics],
            "shown": [bool(one.places) for one in topics],
            "absent": [bool(one.absent) for one in topics],
        }
    )
    table = frame.groupby("document").sum().astype(int)
    table.insert(0, "topics", frame.groupby("document").size())
    table.loc["all"] = table.sum()
    return table


def today_table(topics: list[Topic], part: str) -> DataFrame:
    """Return what became of the topics of one list, with the source, and the place that shows each here."""
    import pandas as pd

    rows = [one for one in topics if one.part == part and one.today]
    return pd.DataFrame(
        {
            "2023": [one.topic for one in rows],
            "today": [one.today for one in rows],
            "source": [one.source for one in rows],
            "here": [one.places[0].text if one.places else one.absent for one in rows],
        }
    )
