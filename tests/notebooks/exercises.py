"""The exercises of a notebook as cells of it: a kernel does what a reader does by hand, and it is looked at.

The cell of `## 직접 해보기 · Try it` is the only source. Before the folded answer of an exercise stands
what to do:

- a ```diff block: lines of one cell that are changed, whole and with their indentation
- `Run again: ... to the end of section N`: from the changed cell (or `from section M`) as far as that;
  without it the changed cells alone
- a ```python block: typed into a new cell and run, after these

What then holds is in tests/exercises/NOTEBOOK.py, a part `# %% N` for exercise N, which runs in the same
kernel: `before` has the names as they were before the exercise, and `_` what was shown last. `# %% N stops`
says that the exercise ends in an error, which is `sys.last_value`. After each part the names are what they
were before it; files, and what is at AWS, stay as the exercise left them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

HEADING = "## 직접 해보기 · Try it"
CHECKS_DIR = Path(__file__).parents[1] / "exercises"
_EXERCISE = re.compile(r"^\*\*(\d+)\. .+ · .+\*\*$", re.MULTILINE)
_QUESTION = re.compile(r"^\*\*질문 (\d+)\*\* .+", re.MULTILINE)
_ANSWER = re.compile(r"<details><summary>.+?</summary>\n\n(.+?)\n\n</details>", re.DOTALL)
_BLOCK = re.compile(r"^```(diff|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_AGAIN = re.compile(r"Run again: (?:.*?from section (\d+) )?.*?to the end of section (\d+)")
_PART = re.compile(r"^# %% (\d+)( stops)?.*\n", re.MULTILINE)
_SECTION = re.compile(r"^## (\d+)\. ", re.MULTILINE)
# IPython stops setting `_` once somebody else has set it: such names are left alone.
_KEEP = """import types
before = types.SimpleNamespace(
    **{name: value for name, value in globals().items() if name != "before" and not name.startswith("_")}
)"""
_PUT_BACK = "globals().update(vars(before))"


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """What an exercise asks for.

    Args:
        number: From 1.
        changes: What stands in a cell, and what shall stand there instead.
        from_section: Number of the section to run from; None: from the changed cell.
        to_section: Number of the section to run to; None: the changed cells alone.
        typed: Sources of new cells.
        answer: Markdown that is folded.
    """

    number: int
    changes: tuple[tuple[str, str], ...]
    from_section: int | None
    to_section: int | None
    typed: tuple[str, ...]
    answer: str


def exercise_cell(notebook: Any) -> int:
    """Return the index of the cell with the exercises.

    Raises:
        ValueError: There is none, or more than one.
    """
    found = [index for index, cell in enumerate(notebook.cells) if cell.source.startswith(HEADING)]
    if len(found) != 1:
        raise ValueError(f"{len(found)} cells begin with {HEADING!r}, not one")
    return found[0]


def read_exercises(markdown: str) -> list[Exercise]:
    """Return the exercises of a cell, in order."""
    text = _QUESTION.split(markdown)[0]
    starts = [*_EXERCISE.finditer(text)]
    ends = [*(one.start() for one in starts[1:]), len(text)]
    return [_read(int(one[1]), text[one.end() : end]) for one, end in zip(starts, ends, strict=True)]


def _read(number: int, text: str) -> Exercise:
    asked, _, _ = text.partition("<details>")
    answer, again = _ANSWER.search(text), _AGAIN.search(asked)
    blocks = [(one[1], one[2]) for one in _BLOCK.finditer(asked)]
    return Exercise(
        number=number,
        changes=tuple(_sides(source) for kind, source in blocks if kind == "diff"),
        from_section=int(again[1]) if again and again[1] else None,
        to_section=int(again[2]) if again else None,
        typed=tuple(source.rstrip("\n") for kind, source in blocks if kind == "python"),
        answer=answer[1] if answer else "",
    )


def _sides(diff: str) -> tuple[str, str]:
    lines = diff.splitlines()
    return tuple("\n".join(line[1:] for line in lines if not line.startswith(sign)) for sign in "+-")


def read_answers(markdown: str) -> list[str]:
    """Return the folded answers to the questions below the exercises, in order."""
    parts = _QUESTION.split(markdown)[2::2]
    return [found[1] if (found := _ANSWER.search(part)) else "" for part in parts]


def read_checks(name: str) -> dict[int, tuple[bool, str]]:
    """Return what holds after each exercise of a notebook: number -> whether it stops, source."""
    text = (CHECKS_DIR / f"{name}.py").read_text(encoding="utf-8")
    parts = _PART.split(text)
    return {
        int(number): (bool(stops), source.strip())
        for number, stops, source in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }


def with_exercises(notebook: Any, name: str) -> Any:
    """Return a notebook in which each exercise is done, and looked at, below the cell that describes them.

    Raises:
        ValueError: A line to change is not in one cell exactly, or a section is not there.
        KeyError: An exercise without a check.
    """
    place, checks = exercise_cell(notebook), read_checks(name)
    cells: list[Any] = []
    for one in read_exercises(notebook.cells[place].source):
        stops, check = checks[one.number]
        sources = cells_to_run(notebook, one)
        cells.append(_cell(f"exercise-{one.number}-before", _KEEP))
        cells += [_cell(f"exercise-{one.number}-{at}", source) for at, source in enumerate(sources)]
        if stops:
            cells[-1].metadata["tags"] = ["raises-exception"]
        cells.append(_cell(f"exercise-{one.number}-holds", check))
        cells.append(_cell(f"exercise-{one.number}-back", _PUT_BACK))
    done = nbformat.from_dict(notebook)
    done.cells = [*done.cells[: place + 1], *cells, *done.cells[place + 1 :]]
    return done


def cells_to_run(notebook: Any, exercise: Exercise) -> list[str]:
    """Return the sources that an exercise runs, changed as it says."""
    sources = {at: cell.source for at, cell in enumerate(notebook.cells) if cell.cell_type == "code"}
    changed = set()
    for old, new in exercise.changes:
        found = [at for at, source in sources.items() if f"\n{old}\n" in f"\n{source}\n"]
        if len(found) != 1:
            raise ValueError(f"exercise {exercise.number}: in {len(found)} cells, not in one:\n{old}")
        (at,) = found
        sources[at] = f"\n{sources[at]}\n".replace(f"\n{old}\n", f"\n{new}\n", 1).strip("\n")
        changed.add(at)
    chosen = sorted(changed)
    if exercise.to_section is not None:
        sections = _sections(notebook)
        inside = [at for at in sources if sections[at] == exercise.from_section]
        first = min(inside if exercise.from_section is not None else changed, default=None)
        last = max((at for at in sources if sections[at] == exercise.to_section), default=None)
        if first is None or last is None or first > last:
            raise ValueError(f"exercise {exercise.number}: nothing to run to section {exercise.to_section}")
        chosen = [at for at in sources if first <= at <= last]
    return [*(sources[at] for at in chosen), *exercise.typed]


def _sections(notebook: Any) -> list[int]:
    """Return the number of the section of each cell, 0 where it has none."""
    sections, current = [], 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"^## ", cell.source, re.MULTILINE):
            numbered = _SECTION.search(cell.source)
            current = int(numbered[1]) if numbered else 0
        sections.append(current)
    return sections


def _cell(cell_id: str, source: str) -> Any:
    return nbformat.v4.new_code_cell(source, id=cell_id)
