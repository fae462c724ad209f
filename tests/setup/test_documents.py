"""The texts for people who set the workshop up: the same in Korean and English, with true commands."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from workshop.settings import FIELD_TYPES, RESERVED_VARIABLES

REPO_DIR = Path(__file__).parents[2]
SETUP_DIR = REPO_DIR / "setup"
KOREAN = sorted([*SETUP_DIR.glob("*.ko.md"), REPO_DIR / "README.ko.md"])
TEXTS = sorted({*KOREAN, *(path.with_name(path.name.replace(".ko", "")) for path in KOREAN)})

BLOCK = re.compile(r"^ *```\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
PROGRAM = re.compile(
    r"(make|sudo|aws|docker|wsl|git|rm|export|unset|python|xcode-select|\.venv/\S+|setup/\S+|WORKSHOP_\w+=\S+)"
    r"( |$)"
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ .*$", re.MULTILINE)
# What only an index of pip's, AWS's CLI or this machine's Docker knows of is not looked up here.
MODULE = re.compile(r"python -m ([\w.]+)")
TARGET = re.compile(r"\bmake ((?:[A-Z_]+=\S+ )*)([a-z-]+)?")
VARIABLE = re.compile(r"\bWORKSHOP_(\w+)")


def english(path: Path) -> Path:
    return path.with_name(path.name.replace(".ko.md", ".md"))


def sections(text: str) -> list[str]:
    return re.split(r"^(?=##+ )", text, flags=re.MULTILINE)


def blocks(text: str) -> list[list[str]]:
    """Return the lines of each code block without comments and meanings, which are in the text's language."""
    words = re.compile(r"\s*# .*|\s{2,}[^→\n]*(?=→|$)")
    return [
        [words.sub("", line.strip()).replace(".ko.md", ".md") for line in block.splitlines()]
        for block in BLOCK.findall(text)
    ]


def inline_commands(prose: str) -> list[str]:
    return [code for code in CODE.findall(prose) if PROGRAM.match(code)]


def facts(text: str) -> dict[str, object]:
    """Return what a section says in any language."""
    prose = BLOCK.sub("", text)
    return {
        "level": [heading.split(" ")[0] for heading in HEADING.findall(prose)],
        "steps": re.findall(r"^(\d+)\. ", prose, re.MULTILINE),
        "rows": len(re.findall(r"^ *\|", prose, re.MULTILINE)),
        "blocks": blocks(text),
        "commands": Counter(inline_commands(prose)),
        "links": Counter(
            link.partition("#")[0].replace(".ko.md", ".md")
            for link in LINK.findall(prose)
            if not re.fullmatch(r"\w+(\.ko)?\.md", link)  # of one language to the other
        ),
    }


def anchors(text: str) -> set[str]:
    """Return the names that a link may have after its #: ids, and headings as GitHub names them."""
    named = (
        re.sub(r"[^\w\- ]", "", one.lstrip("# ").lower()).replace(" ", "-") for one in HEADING.findall(text)
    )
    return {*re.findall(r'<a id="([\w-]+)">', text), *named}


def commands(text: str) -> list[str]:
    joined = [re.sub(r" *\\\n *", " ", "\n".join(lines)).splitlines() for lines in blocks(text)]
    return [
        *(line for lines in joined for line in lines),
        *inline_commands(BLOCK.sub("", text)),
    ]


def test_the_texts_are_there() -> None:
    assert SETUP_DIR / "README.ko.md" in KOREAN
    assert len(commands((SETUP_DIR / "README.md").read_text())) > 40


@pytest.mark.parametrize("path", KOREAN, ids=lambda path: str(path.relative_to(REPO_DIR)))
def test_both_languages_have_the_same_steps_commands_and_links(path: Path) -> None:
    ours, theirs = (sections(each.read_text()) for each in (path, english(path)))
    assert len(ours) == len(theirs)
    for korean, other in zip(ours, theirs, strict=True):
        assert facts(korean) == facts(other), other.splitlines()[:1]


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (("\n2. ", "\n"), "steps"),
        (("make lab", "make labs"), "blocks"),
        (("`make doctor`", "`make dr`"), "commands"),
        (("(b.ko.md#x)", "(c.ko.md#x)"), "links"),
        (("| a |\n", ""), "rows"),
        (("## ", "### "), "level"),
    ],
)
def test_a_difference_between_the_languages_is_found(change: tuple[str, str], fact: str) -> None:
    text = (
        "## H\n\n1. `make doctor`, [b](b.ko.md#x)\n2. two\n\n| a |\n\n   ```\n   make lab   # 한글\n   ```\n"
    )
    changed = text.replace(*change)
    assert changed != text
    assert facts(text) == facts(text.replace("한글", "a word"))
    assert [name for name, value in facts(text).items() if facts(changed)[name] != value] == [fact]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(REPO_DIR)))
def test_every_anchor_of_a_link_is_a_place_in_its_document(path: Path) -> None:
    lost = []
    for link in LINK.findall(path.read_text()):
        target, _, anchor = link.partition("#")
        if anchor and "://" not in link:
            document = (path.parent / target).resolve() if target else path
            lost += [] if anchor in anchors(document.read_text()) else [link]
    assert lost == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(REPO_DIR)))
def test_every_command_names_a_target_a_module_a_setting_and_a_file_that_are_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):(?!=)", (REPO_DIR / "Makefile").read_text(), re.MULTILINE))
    known = {name.removeprefix("WORKSHOP_") for name in RESERVED_VARIABLES} | {
        name.upper() for name in FIELD_TYPES
    }
    wrong = []
    for command in commands(path.read_text()):
        wrong += [
            name
            for _, name in TARGET.findall(command)
            if name and "install" not in command and name not in targets
        ]
        wrong += [name for name in MODULE.findall(command) if find_spec(name) is None]
        wrong += [name for name in VARIABLE.findall(command) if name not in known]
        wrong += [name for name in re.findall(r"\bsetup/[\w./-]+", command) if not (REPO_DIR / name).exists()]
    assert wrong == []


def symptoms(name: str) -> list[list[str]]:
    """Return the quoted lines in the first column of each section's table."""
    rows = [
        re.findall(r"^\| (.*?) \|", one, re.MULTILINE) for one in sections((SETUP_DIR / name).read_text())[1:]
    ]
    return [[code for row in section for code in CODE.findall(row)] for section in rows]


def test_both_languages_have_the_same_symptoms() -> None:
    assert symptoms("troubleshooting.ko.md") == symptoms("troubleshooting.md")
    assert sum(map(len, symptoms("troubleshooting.md"))) > 40


def test_each_symptom_is_what_the_workshop_says_in_these_words() -> None:
    """But for the last section, which has the words of other programs."""
    paths = [*(REPO_DIR / "src").rglob("*.py"), *SETUP_DIR.glob("*.sh"), *SETUP_DIR.glob("*.py")]
    said = "\n".join(re.sub(r'"\s*\n\s*f?"', "", path.read_text()) for path in paths)
    said = re.sub(r"\{[\w(][^{}\n;]*\}|\$\{?\w+\}?|\" \+ [\w.()]+( \+ \")?|workshop\.yaml", "…", said)
    parts = [part for row in symptoms("troubleshooting.md")[:-1] for code in row for part in code.split("…")]
    parts = [re.sub(r"^[ ():0,]+|[ ():0,]+$", "", part) for part in parts]
    assert {part for part in parts if part.replace("workshop.yaml", "…") not in said} == set()


def waits(name: str) -> list[tuple[str, str]]:
    """Return notebook and heading of each row of the cells that block."""
    rows = re.findall(
        r"^\| \[[^]]*\]\((\S+\.ipynb)\) \| (\d+\. [^|]+) \|", (SETUP_DIR / name).read_text(), re.M
    )
    assert len(rows) >= 10
    return rows


@pytest.mark.parametrize(("name", "language"), [("presenting.ko.md", 0), ("presenting.md", 1)])
def test_every_cell_that_blocks_is_under_a_heading_of_its_notebook(name: str, language: int) -> None:
    lost = []
    for notebook, wanted in waits(name):
        cells = json.loads((SETUP_DIR / notebook).read_text())["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        headings = [one.removeprefix("## ") for one in HEADING.findall(text) if one.startswith("## ")]
        # "3. 학습 · Train" is "3. 학습" in Korean and "3. Train" in English.
        known = [
            re.sub(r"^(\d+\. )?.*$", r"\1", one) + one.split(". ", 1)[-1].split(" · ")[language]
            for one in headings
        ]
        lost += [] if wanted in known else [f"{notebook}: {wanted}"]
    assert lost == []


@pytest.mark.parametrize("name", ["presenting.ko.md", "presenting.md"])
def test_a_run_sheet_names_sections_that_its_notebooks_have(name: str) -> None:
    row = re.compile(r"^\| [^|]+ \| \[[^]]*\]\((\S+\.ipynb)\) \| ([\d, ]+) \|", re.M)
    rows = row.findall((SETUP_DIR / name).read_text())
    assert len(rows) > 15
    for notebook, sections_shown in rows:
        numbers = re.findall(r'"## (\d+)\. ', (SETUP_DIR / notebook).read_text())
        assert set(sections_shown.split(", ")) <= set(numbers), notebook
