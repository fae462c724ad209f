"""Look at every notebook without running it: its shape, and that no cell branches on the mode or a setting.

python tests/notebooks/notebook_lint.py     # every notebook under notebook/; exit code 1 when one is wrong
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

from workshop.notebooks.order import list_notebooks

MAX_CELLS = 45
MAX_CELL_LINES = 24
MAX_DEFS = 2
FIRST_CELL = 'from workshop.start import start\nsettings = start("{name}")'
# Without the packages the first cell cannot say it itself: what stands above it says which kernel to choose.
WRONG_KERNEL = ("No module named 'workshop'", "`.venv`", "make lab")
OPENING_WORDS = ("Goal", "Inputs", "Needs", "Time", "Cost")
CLOSING_WORDS = ("Check", "Summary", "Cleanup", "Next")
PATH_FIELDS = {"home", "data_dir", "recipe_path", "repo_dir", "workshop_home"}
FORBIDDEN_TEXT = {
    r"%store\b": "hand over through workshop.state, not %store",
    r"\bsys\.path\b": "packages are installed, leave sys.path alone",
    r"%%writefile\b": "code that is written to a file belongs in src/",
    r"WORKSHOP_[A-Z]": "read settings, not their variables",
    r"\bsagemaker\.list_\w+\(": "AWS answers a page, of which a filter may leave nothing: use get_paginator",
}


def lint(path: Path) -> list[str]:
    """Return what is wrong with a notebook, each with the number of its cell (from 1)."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        cell["source"] = "".join(cell["source"])
    return [*_shape(cells, path.stem), *_cells(cells), *_code(cells)]


def _shape(cells: list[dict[str, Any]], name: str) -> Iterator[str]:
    texts = [cell["source"] for cell in cells if cell["cell_type"] == "markdown"]
    headings = [line for text in texts for line in _headings(text)]
    if not cells or not cells[0]["source"].startswith("# "):
        yield "cell 1: the notebook begins with its title, `# ...`"
    if sum(line.startswith("# ") for line in headings) != 1:
        yield "exactly one heading of the first level"
    code = [index for index, cell in enumerate(cells) if cell["cell_type"] == "code"]
    opening = "\n".join(cell["source"] for cell in cells[: code[0] if code else 0])
    for word in OPENING_WORDS:
        if word not in opening:
            yield f"the opening table has no row {word}"
    before = cells[code[0] - 1]["source"] if code else ""
    if not all(word in before for word in WRONG_KERNEL):
        yield f"above the first code cell stands what to do about {WRONG_KERNEL[0]}: {WRONG_KERNEL[1:]}"
    for word in CLOSING_WORDS:
        if not any(word in line for line in headings):
            yield f"no closing heading {word}"
    expected = FIRST_CELL.format(name=name)
    if not code or cells[code[0]]["source"].strip() != expected:
        yield f"the first code cell is exactly:\n{expected}"
    ids = [cell.get("id") for cell in cells]
    if None in ids or len(set(ids)) != len(ids):
        yield "every cell has an id of its own (strip with: nbstripout --keep-id)"


def _headings(markdown: str) -> list[str]:
    without_code = re.sub(r"^(```|~~~).*?^\1", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return [line for line in without_code.splitlines() if re.match(r"#{1,6} ", line)]


def _cells(cells: list[dict[str, Any]]) -> Iterator[str]:
    if len(cells) > MAX_CELLS:
        yield f"{len(cells)} cells, at most {MAX_CELLS}: make two notebooks of it"
    for number, cell in enumerate(cells, start=1):
        if cell["cell_type"] != "code":
            continue
        if number == 1 or cells[number - 2]["cell_type"] != "markdown":
            yield f"cell {number}: a markdown cell stands before every code cell"
        num_lines = len(cell["source"].strip().splitlines())
        if num_lines > MAX_CELL_LINES:
            yield f"cell {number}: {num_lines} lines, at most {MAX_CELL_LINES}"
        if cell.get("outputs") or cell.get("execution_count") is not None:
            yield f"cell {number}: outputs are stripped before a commit (make format)"
        for pattern, why in FORBIDDEN_TEXT.items():
            if re.search(pattern, cell["source"]):
                yield f"cell {number}: {why}"


def _code(cells: list[dict[str, Any]]) -> Iterator[str]:
    trees: dict[int, ast.AST] = {}
    for number, cell in enumerate(cells, start=1):
        try:
            trees[number] = ast.parse(_python(cell["source"]) if cell["cell_type"] == "code" else "")
        except SyntaxError as error:
            yield f"cell {number}: line {error.lineno} is not Python ({error.msg})"
    nodes = [(number, node) for number, tree in trees.items() for node in ast.walk(tree)]
    settings_names = {"settings"}
    for _ in range(2):  # twice: ast.walk meets outer statements before inner ones, not in the order of lines
        for _, node in nodes:
            settings_names |= _names_for_a_setting(node, settings_names)
    for number, node in nodes:
        asking = [part for part in _decisions(node) if _mentions(part, settings_names)]
        if asking:
            yield f"cell {number}: line {asking[0].lineno} branches on a setting; let its value decide"
    num_defs = sum(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for _, node in nodes
    )
    if num_defs > MAX_DEFS:
        yield f"{num_defs} functions or classes, at most {MAX_DEFS}; longer code belongs in src/"


def _python(source: str) -> str:
    """Return a cell as Python: magics become calls, and what %time and its like run is looked at too."""
    source = re.sub(r"^%%(time|timeit|prun|capture)\b.*$", "", source, flags=re.MULTILINE)
    source = re.sub(r"^%(time|timeit|prun)\s+", "", source, flags=re.MULTILINE)
    return TransformerManager().transform_cell(source)


def _decisions(node: ast.AST) -> list[ast.AST]:
    """Return the expressions by which a node chooses what happens."""
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        return [node.test]
    if isinstance(node, ast.Match):
        return [node.subject]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.comprehension):
        return node.ifs
    if isinstance(node, ast.Compare):
        return [part for part in (node.left, *node.comparators) if _is_mode(part)]
    literal = (ast.Dict, ast.List, ast.Tuple)
    if isinstance(node, ast.Subscript) and isinstance(node.value, literal):
        return [node.slice]
    return []


def _is_mode(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "mode"


def _mentions(node: ast.AST, settings_names: set[str], *, in_calls: bool = True) -> bool:
    """Tell whether a setting stands in an expression; a path made of one may be asked whether it exists."""
    if isinstance(node, ast.Attribute) and node.attr in PATH_FIELDS:
        return False
    if isinstance(node, ast.Name):
        return node.id in settings_names
    if isinstance(node, ast.Call) and not in_calls:
        return False
    return any(_mentions(child, settings_names, in_calls=in_calls) for child in ast.iter_child_nodes(node))


def _names_for_a_setting(node: ast.AST, settings_names: set[str]) -> set[str]:
    """Return names given to a setting or to a test of one (`local = settings.use_local_mode`).

    What a function makes of a setting (`rows = load(settings)`) is a value like any other.
    """
    if isinstance(node, ast.Assign):
        targets, value = node.targets, node.value
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        targets, value = [node.target], node.value
    else:
        return set()
    if not _mentions(value, settings_names, in_calls=False):
        return set()
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}


def main() -> int:
    notebook_dir = Path(__file__).parents[2] / "notebook"
    paths = list_notebooks(notebook_dir)
    problems = [
        f"{path.relative_to(notebook_dir.parent)}: {problem}" for path in paths for problem in lint(path)
    ]
    print("\n".join([*problems, f"{len(paths)} notebooks, {len(problems)} problems"]))
    return 1 if problems or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
