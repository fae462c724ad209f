"""The glossary holds notebooks, Korean texts and pictures to one word for one thing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO_DIR = Path(__file__).parents[2]
GLOSSARY = REPO_DIR / "setup" / "glossary.md"
TEXTS = ("*.ko.md", "setup/*.ko.md", "notebook/*/*.yaml", "img/*.svg")


def rows() -> list[list[str]]:
    """Return Korean, English, meaning and forbidden words of each row."""
    lines = [line for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [[part.strip() for part in line.strip("|").split("|")] for line in lines[1:]]


def forbidden() -> list[str]:
    return [word.strip() for row in rows() for word in row[3].split(",") if word.strip()]


def found(text: str, words: list[str]) -> list[str]:
    """Return where a word begins: 사본 is not found in 복사본."""
    pattern = re.compile(r"(?<![가-힣])(?:" + "|".join(map(re.escape, words)) + ")")
    return [text[max(0, one.start() - 20) : one.end() + 10] for one in pattern.finditer(text)]


def texts() -> Iterator[tuple[str, str]]:
    for pattern in TEXTS:
        for path in REPO_DIR.glob(pattern):
            yield str(path.relative_to(REPO_DIR)), path.read_text(encoding="utf-8")
    for path in REPO_DIR.glob("notebook/**/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield str(path.relative_to(REPO_DIR)), "\n".join("".join(cell["source"]) for cell in cells)


def test_each_row_has_a_word_in_both_languages_and_a_meaning_in_both() -> None:
    assert len(rows()) > 25
    for korean, english, meaning, _ in rows():
        assert korean
        assert english
        assert len(meaning.split(" · ")) == 2, korean


def test_no_word_is_both_wanted_and_forbidden() -> None:
    wanted = " / ".join(row[0] for row in rows())
    assert found(wanted, forbidden()) == []


def test_no_text_has_a_word_that_the_glossary_replaces() -> None:
    everything = dict(texts())
    assert len(everything) > 40
    words = forbidden()
    assert {name: where for name, text in everything.items() if (where := found(text, words))} == {}


@pytest.mark.parametrize(
    ("text", "is_found"),
    [("새 사본을 띄웁니다", True), ("복사본을 둡니다", False), ("(사본)", True), ("기본 모델은", True)],
)
def test_a_word_is_found_where_it_begins(text: str, is_found: bool) -> None:
    assert bool(found(text, ["사본", "기본 모델"])) == is_found
