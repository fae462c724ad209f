"""Every name that a notebook takes from a library is there, and takes the arguments it is given.

The SageMaker SDK changes every one to three weeks: a changed pin fails here first, with the name.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workshop.notebooks import list_notebooks

NOTEBOOK_DIR = Path(__file__).parents[2] / "notebook"
MIN_SYMBOLS = 40


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Yield each notebook's code as one tree."""
    for path in list_notebooks(NOTEBOOK_DIR):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        yield path.stem, ast.parse(source)


def imported(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """Return local name -> (module, name) for every `from module import name`."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def found(module: str, name: str) -> Any:
    holder = importlib.import_module(module)
    return getattr(holder, name) if hasattr(holder, name) else importlib.import_module(f"{module}.{name}")


SYMBOLS = sorted({symbol for _, tree in trees() for symbol in imported(tree).values()})


def test_the_notebooks_are_looked_at() -> None:
    assert len(SYMBOLS) >= MIN_SYMBOLS
    assert ("sagemaker.train", "ModelTrainer") in SYMBOLS


@pytest.mark.parametrize(("module", "name"), SYMBOLS)
def test_the_name_is_there(module: str, name: str) -> None:
    assert found(module, name) is not None


def calls() -> Iterator[tuple[str, str, str, str]]:
    """Yield (notebook, module, name, keyword) for calls of imported names and of their attributes."""
    for notebook, tree in trees():
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
                        yield notebook, module, ".".join(filter(None, (name, rest))), keyword.arg


CALLS = sorted({(module, name, keyword) for _, module, name, keyword in calls()})


@pytest.mark.parametrize(("module", "name", "keyword"), CALLS)
def test_the_argument_is_taken(module: str, name: str, keyword: str) -> None:
    first, *rest = name.split(".")
    target = found(module, first)
    for part in rest:
        target = getattr(target, part)
    fields = getattr(target, "model_fields", None)
    if inspect.isclass(target) and fields is not None:  # pydantic: the signature hides inherited fields
        assert keyword in fields
        return
    parameters = inspect.signature(target).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    assert keyword in parameters or takes_any
