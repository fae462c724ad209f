"""Every notebook keeps the rules, and every rule goes red on a notebook that breaks it."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workshop.notebooks.order import list_notebooks

REPO_DIR = Path(__file__).parents[2]
NAME = "01-Prepare"
WRONG_KERNEL = "`No module named 'workshop'`: choose the kernel of `.venv`, or `make lab`."
# The least there may be; raised when a notebook is added, so that a folder that is not found goes red.
MIN_NOTEBOOKS = 19

_spec = importlib.util.spec_from_file_location("notebook_lint", Path(__file__).with_name("notebook_lint.py"))
notebook_lint = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(notebook_lint)


def md(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None}


def good_notebook(*body: str) -> dict[str, Any]:
    """A notebook that keeps every rule, with code cells of one's own in the middle."""
    cells = [
        md(f"# 01. 준비 · Prepare\n\n| Goal | Inputs | Needs | Time | Cost |\n\n{WRONG_KERNEL}"),
        code(f'from workshop.start import start\nsettings = start("{NAME}")'),
    ]
    for source in body:
        cells += [md("text"), code(source)]
    cells.append(
        md("## 확인 Check\n## 요약 Summary\n## 정리 Cleanup\n## 다음 Next\n```sh\n# no heading\n```")
    )
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def problems(tmp_path: Path, notebook: dict[str, Any]) -> list[str]:
    path = tmp_path / f"{NAME}.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return notebook_lint.lint(path)


def test_there_are_notebooks() -> None:
    assert len(list_notebooks(REPO_DIR / "notebook")) >= MIN_NOTEBOOKS


@pytest.mark.parametrize("path", list_notebooks(REPO_DIR / "notebook"), ids=lambda path: path.stem)
def test_a_notebook_keeps_the_rules(path: Path) -> None:
    assert notebook_lint.lint(path) == []


def test_without_the_packages_the_first_cell_says_what_stands_above_it() -> None:
    first_cell = notebook_lint.FIRST_CELL.format(name=NAME)
    done = subprocess.run([sys.executable, "-I", "-S", "-c", first_cell], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == f"ModuleNotFoundError: {notebook_lint.WRONG_KERNEL[0]}"


def test_every_notebook_in_the_readme_table_exists_and_the_other_way_round() -> None:
    readme = REPO_DIR / "README.md"
    linked = set(re.findall(r"\]\((notebook/[^)]+\.ipynb)\)", readme.read_text(encoding="utf-8")))
    there = {str(path.relative_to(REPO_DIR)) for path in list_notebooks(REPO_DIR / "notebook")}
    assert linked == there


@pytest.mark.parametrize(
    "source",
    [
        "rows = load(settings)\nif rows:\n    print(rows)",
        "path = settings.home / 'x'\nif path.exists():\n    print(path)",
        "assert len(rows) == settings.num_evaluation_articles",
        "!ls\n%time x = 1",
        "for row in rows[: settings.num_evaluation_articles]:\n    print(row)",
        "shown = [row for row in rows if row['id']]",
    ],
)
def test_ordinary_cells_are_left_alone(tmp_path: Path, source: str) -> None:
    assert problems(tmp_path, good_notebook(source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "if settings.use_local_mode:\n    pass",
        "if settings.mode == 'sample':\n    pass",
        "x = 1 if settings.run_debug_sample else 2",
        "while settings.use_local_mode:\n    break",
        "match settings.mode:\n    case 'sample':\n        pass",
        "settings.use_local_mode and print()",
        "x = settings.run_debug_sample or 3",
        "x = [1 for _ in range(3) if settings.use_local_mode]",
        "local = settings.use_local_mode\nif local:\n    pass",
        "small: bool = not settings.run_debug_sample\nx = 1 if small else 2",
        "mode = settings.mode\nif mode != 'sample':\n    pass",
        "if (kind := settings.mode) == 'full':\n    pass",
        "x = {True: 1, False: 2}[settings.use_local_mode]",
        "x = (1, 2)[settings.use_local_mode]",
        "is_sample = settings.mode == 'sample'",
        "assert settings.mode == 'sample'",
        "s = settings\nif s.use_local_mode:\n    pass",
        "def f():\n    if settings.use_local_mode:\n        return 1",
        "if str(settings.mode):\n    pass",
        "with open('x') as file:\n    local = settings.use_local_mode\nif local:\n    pass",
        "%%time\nx = 1 if settings.use_local_mode else 2",
        "%time x = 1 if settings.use_local_mode else 2",
    ],
)
def test_a_branch_on_a_setting_is_found(tmp_path: Path, source: str) -> None:
    assert any("branches on a setting" in problem for problem in problems(tmp_path, good_notebook(source)))


def test_a_notebook_that_is_too_long_is_found(tmp_path: Path) -> None:
    sources = [f"x = {number}" for number in range(22)]
    assert problems(tmp_path, good_notebook(*sources[:21])) == []  # 45 cells
    (found,) = problems(tmp_path, good_notebook(*sources))
    assert "47 cells, at most 45" in found


def test_a_branch_in_a_later_cell_is_found(tmp_path: Path) -> None:
    found = problems(tmp_path, good_notebook("local = settings.use_local_mode", "if local:\n    pass"))
    assert any("cell 6: line 1 branches" in problem for problem in found)


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("%store rows", "%store"),
        ("import sys\nsys.path.insert(0, 'src')", "sys.path"),
        ("%%writefile a.py\nx = 1", "belongs in src/"),
        ("import os\nos.environ['WORKSHOP_MODE']", "not their variables"),
        ("x = 1\n" * 25, "25 lines, at most 24"),
        ("def a(): ...\ndef b(): ...\nclass C: ...", "3 functions or classes, at most 2"),
        ("x = = 1", "is not Python"),
        ("left = sagemaker.list_models(NameContains='a')['Models']", "use get_paginator"),
    ],
)
def test_a_forbidden_cell_is_found(tmp_path: Path, source: str, part: str) -> None:
    assert any(part in problem for problem in problems(tmp_path, good_notebook(source)))


def _drop_markdown(cells: list) -> None:
    del cells[2]


def _second_title(cells: list) -> None:
    cells[2]["source"] = "# again"


def _code_first(cells: list) -> None:
    cells.insert(0, {**code("x = 1"), "id": "first"})


def _other_name(cells: list) -> None:
    cells[1]["source"] = 'from workshop.start import start\nsettings = start("02-Other")'


def _third_line(cells: list) -> None:
    cells[1]["source"] += "\nprint(settings)"


def _output(cells: list) -> None:
    cells[3]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "1"}]


def _count(cells: list) -> None:
    cells[3]["execution_count"] = 1


def _no_id(cells: list) -> None:
    del cells[3]["id"]


def _same_id(cells: list) -> None:
    cells[3]["id"] = cells[2]["id"]


def _no_cost(cells: list) -> None:
    cells[0]["source"] = cells[0]["source"].replace("Cost", "")


def _no_kernel(cells: list) -> None:
    cells[0]["source"] = cells[0]["source"].replace("`.venv`", "")


def _no_cleanup(cells: list) -> None:
    cells[-1]["source"] = cells[-1]["source"].replace("Cleanup", "")


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (_drop_markdown, "a markdown cell stands before"),
        (_second_title, "exactly one heading"),
        (_code_first, "begins with its title"),
        (_other_name, "the first code cell is exactly"),
        (_third_line, "the first code cell is exactly"),
        (_output, "outputs are stripped"),
        (_count, "outputs are stripped"),
        (_no_id, "an id of its own"),
        (_same_id, "an id of its own"),
        (_no_cost, "no row Cost"),
        (_no_kernel, "what to do about No module named 'workshop'"),
        (_no_cleanup, "no closing heading Cleanup"),
    ],
)
def test_a_spoilt_shape_is_found(tmp_path: Path, spoil: Any, part: str) -> None:
    notebook = copy.deepcopy(good_notebook("x = 1"))
    spoil(notebook["cells"])
    assert any(part in problem for problem in problems(tmp_path, notebook))
