"""The code of notebooks and src/, as syntax trees: what it takes from libraries is looked for in them."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

from workshop.notebooks.order import list_notebooks

REPO_DIR = Path(__file__).parents[2]
# Those that change every few weeks; the standard library and long-settled ones are left out.
LIBRARIES = (
    "sagemaker",
    "trl",
    "transformers",
    "peft",
    "accelerate",
    "bitsandbytes",
    "datasets",
    "huggingface_hub",
)


def notebook_trees() -> Iterator[tuple[str, ast.Module]]:
    """Yield each notebook's code as one tree."""
    for path in list_notebooks(REPO_DIR / "notebook"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        yield path.stem, ast.parse(source)


def source_trees() -> Iterator[tuple[str, ast.Module]]:
    """Yield every module of src/."""
    for path in sorted((REPO_DIR / "src").rglob("*.py")):
        yield path.relative_to(REPO_DIR).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """Return local name -> (module, name) for every `from module import name`."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        for alias in node.names
    }


def is_of_a_library(module: str) -> bool:
    return module.split(".")[0] in LIBRARIES


def calls_with_keywords(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Yield (module, name, keyword) for calls of imported names and of their attributes."""
    names = imported(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        target = ast.unparse(node.func)
        first, _, rest = target.partition(".")
        if first in names and "(" not in target:
            module, name = names[first]
            for keyword in node.keywords:
                if keyword.arg:
                    yield module, ".".join(filter(None, (name, rest))), keyword.arg
