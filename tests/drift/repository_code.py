"""The code of notebooks and src/, as syntax trees: what it takes from libraries is looked for in them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
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


FROM_A_LIBRARY = rf"\bfrom ({'|'.join(LIBRARIES)})\b"


def source_trees(folder: str = "src", *, having: str = "") -> Iterator[tuple[str, ast.Module]]:
    """Yield the modules of a folder that have a pattern in their text: every pytest process parses them."""
    for path in sorted((REPO_DIR / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if re.search(having, text):
            yield path.relative_to(REPO_DIR).as_posix(), ast.parse(text)


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


def calls_with_keywords(
    tree: ast.Module, is_wanted: Callable[[str], bool] = lambda _: True
) -> Iterator[tuple[str, str, str]]:
    """Yield (module, name, keyword) for calls of what comes from wanted modules, and of its attributes."""
    names = {local: found for local, found in imported(tree).items() if is_wanted(found[0])}
    for node in ast.walk(tree) if names else ():
        if not isinstance(node, ast.Call):
            continue
        target = ast.unparse(node.func)
        first, _, rest = target.partition(".")
        if first in names and "(" not in target:
            module, name = names[first]
            for keyword in node.keywords:
                if keyword.arg:
                    yield module, ".".join(filter(None, (name, rest))), keyword.arg
