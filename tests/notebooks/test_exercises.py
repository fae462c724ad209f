"""Each notebook has its exercises: they can be done, and what must hold afterwards is written down."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from tests.notebooks.exercises import (
    CHECKS_DIR,
    cells_to_run,
    exercise_cell,
    read_answers,
    read_checks,
    read_exercises,
    with_exercises,
)

from workshop.notebooks.order import list_notebooks

NOTEBOOKS = list_notebooks(Path(__file__).parents[2] / "notebook")
KOREAN_THEN_ENGLISH = re.compile(r"[가-힣].*^> .*[A-Za-z]", re.DOTALL | re.MULTILINE)
EXERCISE = """## 직접 해보기 · Try it

**1. 더 크게 · Larger**

```diff
 first = 1
-second = 2
+second = 3
```

다시 실행 · Run again: 바꾼 셀부터 2절 끝까지 · to the end of section 2

```python
third = first + second
```

<details><summary>무엇이 달라지나요? · What changes?</summary>

넷입니다.

> Four.

</details>

**질문 1** 왜 그런가요? · Why?

<details><summary>답 · Answer</summary>

셋이어서.

</details>
"""


def notebook(*, exercise: str = EXERCISE) -> nbformat.NotebookNode:
    sources = ("## 1. 하나 · One", "first = 1\nsecond = 2", "## 2. 둘 · Two", "shown = second", exercise)
    make = {True: nbformat.v4.new_markdown_cell, False: nbformat.v4.new_code_cell}
    return nbformat.v4.new_notebook(cells=[make[source.startswith("##")](source) for source in sources])


@pytest.fixture
def checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tests.notebooks.exercises.CHECKS_DIR", tmp_path)
    path = tmp_path / "NB.py"
    path.write_text('"""What holds."""\n\n# %% 1\nassert third == 4\n')
    return path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_three_exercises_that_can_be_done_and_two_questions(path: Path) -> None:
    read = nbformat.read(path, 4)
    markdown = read.cells[exercise_cell(read)].source
    exercises, checks = read_exercises(markdown), read_checks(path.stem)
    assert [one.number for one in exercises] == sorted(checks) == [1, 2, 3]
    for one in exercises:
        assert cells_to_run(read, one)
        assert KOREAN_THEN_ENGLISH.search(one.answer), one.answer
        tree = ast.parse(checks[one.number][1])
        assert any(isinstance(node, ast.Assert) for node in ast.walk(tree))
    answers = read_answers(markdown)
    assert len(answers) == 2
    assert all(KOREAN_THEN_ENGLISH.search(one) for one in answers)


def test_every_file_of_checks_belongs_to_a_notebook() -> None:
    assert {path.stem for path in CHECKS_DIR.glob("*.py")} == {path.stem for path in NOTEBOOKS}


@pytest.mark.usefixtures("checks")
def test_an_exercise_runs_as_a_reader_does_it_and_what_it_changed_is_put_back() -> None:
    done = with_exercises(notebook(), "NB")
    names: dict = {}
    values = []
    for cell in done.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
            values.append((cell.get("id"), names["second"], names.get("shown")))
    assert values[3] == ("exercise-1-0", 3, 2)
    assert values[4] == ("exercise-1-1", 3, 3)
    assert names["first"] == 1
    assert (names["second"], names["shown"]) == (2, 2)
    assert notebook().cells[1].source == done.cells[1].source


def test_what_was_shown_last_can_be_looked_at_in_every_exercise(checks: Path) -> None:
    exercises = [EXERCISE.partition("**질문")[0].replace("**1.", f"**{number}.") for number in (1, 2)]
    again = "\n".join(one.replace("third = first + second", "first + second") for one in exercises)
    checks.write_text("".join(f"# %% {number}\nassert _ == 4, _\n" for number in (1, 2)))
    shell = InteractiveShell()
    for cell in with_exercises(notebook(exercise=again), "NB").cells:
        if cell.cell_type == "code":
            shell.run_cell(cell.source, store_history=True).raise_error()


@pytest.mark.usefixtures("checks")
def test_a_check_that_does_not_hold_ends_the_run() -> None:
    done = with_exercises(notebook(exercise=EXERCISE.replace("+second = 3", "+second = 5")), "NB")
    sources = [cell.source for cell in done.cells if cell.cell_type == "code"]
    with pytest.raises(AssertionError):
        exec("\n".join(sources), {})


def test_an_exercise_that_ends_in_an_error_may_and_nothing_else_may(checks: Path) -> None:
    checks.write_text('"""What holds."""\n\n# %% 1 stops\nassert third == 4\n')
    cells = with_exercises(notebook(), "NB").cells
    assert [cell.id for cell in cells if "raises-exception" in cell.metadata.get("tags", ())] == [
        "exercise-1-2"
    ]


@pytest.mark.usefixtures("checks")
@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (("-second = 2", "-second = 9"), "in 0 cells"),
        (("-second = 2", "-second"), "in 0 cells"),
        (("section 2", "section 7"), "nothing to run to section 7"),
        (("to the end", "from section 2 to the end of section 1, to the end"), "nothing to run to section 1"),
    ],
)
def test_what_cannot_be_done_is_refused(asked: tuple[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        with_exercises(notebook(exercise=EXERCISE.replace(*asked)), "NB")


def test_a_notebook_without_exercises_is_refused() -> None:
    with pytest.raises(ValueError, match="0 cells begin with"):
        with_exercises(notebook(exercise="## 요약 · Summary"), "NB")


@pytest.mark.usefixtures("checks")
def test_an_exercise_without_a_check_is_refused() -> None:
    with pytest.raises(KeyError):
        with_exercises(notebook(exercise=EXERCISE.replace("**1. ", "**2. ")), "NB")


def test_answers_are_found_folded() -> None:
    (one,) = read_exercises(EXERCISE)
    assert one.answer == "넷입니다.\n\n> Four."
    assert read_answers(EXERCISE) == ["셋이어서."]
