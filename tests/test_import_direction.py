"""Who may import whom. Notebooks stand on workshop; train, which is shipped alone, on nothing of ours."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from workshop.notebooks.order import list_notebooks

REPO_DIR = Path(__file__).parents[1]
SRC_DIR = REPO_DIR / "src"
# Part of the code -> which of our packages it may import. `tuning` is train's own package, found beside
# train.py; the longest matching part counts.
ALLOWED = {
    "workshop": {"workshop", "sample.news", "processes"},
    "sample.news": {"sample.news"},
    "sample.base": {"sample.base", "sample.news"},
    "sample": set(),
    "train": {"tuning", "merge", "train"},
    "serve": {"serve", "processes"},
    "sandbox": {"sandbox", "processes"},
    "processes": {"processes"},  # a leaf: everything that starts processes stands on it
}
OURS = {"workshop", "sample", "train", "tuning", "merge", "serve", "sandbox", "processes"}
MAY_IMPORT_TORCH = {"train", "serve", "sample.base"}
NEEDS_ONLY_PYTHON = {"sample.news"}
STANDARD_LIBRARY = frozenset(__import__("sys").stdlib_module_names)


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the absolute names a tree imports, wherever in the code the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__"):
                yield str(node.args[0].value)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def part_of(module: str) -> str:
    """Return the part of ALLOWED a module belongs to: the longest that matches."""
    return max((part for part in ALLOWED if is_within(module, part)), key=len)


def offences(module: str, source: str) -> list[str]:
    part, found = part_of(module), []
    for name in imports(ast.parse(source)):
        top = name.split(".")[0]
        if top in OURS and not any(is_within(name, allowed) for allowed in ALLOWED[part]):
            found.append(f"{module} imports {name}")
        if top == "torch" and part not in MAY_IMPORT_TORCH:
            found.append(f"{module} imports torch")
        if part in NEEDS_ONLY_PYTHON and top not in OURS and top not in STANDARD_LIBRARY:
            found.append(f"{module} imports {name}, beyond the standard library")
    return found


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(SRC_DIR.rglob("*.py")):
        parts = path.relative_to(SRC_DIR).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def test_every_folder_under_src_has_a_rule() -> None:
    folders = {path.name for path in SRC_DIR.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert folders
    assert folders <= {part.split(".")[0] for part in ALLOWED}


def test_no_module_imports_against_the_direction() -> None:
    found = modules()
    assert len(found) >= 20, "the source folder was not found"
    assert [
        line for module, path in found.items() for line in offences(module, path.read_text("utf-8"))
    ] == []


@pytest.mark.parametrize("path", list_notebooks(REPO_DIR / "notebook"), ids=lambda path: path.stem)
def test_a_notebook_imports_only_workshop_of_ours(path: Path) -> None:
    import nbformat
    from IPython.core.inputtransformer2 import TransformerManager

    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            names = imports(ast.parse(TransformerManager().transform_cell(cell.source)))
            assert not [name for name in names if name.split(".")[0] in OURS - {"workshop"}]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("workshop.plots", "import torch"),
        ("workshop.plots", "def f():\n    from torch.nn import Linear"),
        ("workshop.training.launch", "from train import merge"),
        ("workshop.training.launch", "import tuning.data"),
        ("workshop.training.launch", "from sample.base import pretrain"),
        ("workshop.training.launch", "from sample import base"),
        ("workshop.training.launch", "import importlib\nimportlib.import_module('sandbox')"),
        ("train.tuning.data", "from workshop.prompt import SYSTEM"),
        ("train.train", "import sample.news"),
        ("serve.server", "import sandbox"),
        ("sandbox.jobs", "from serve import server"),
        ("sandbox.jobs", "import torch"),
        ("sample.news.generator", "import numpy"),
        ("sample.news.generator", "from workshop.errors import WorkshopError"),
        ("sample.base.pretrain", "from tuning import model"),
    ],
)
def test_an_import_against_the_direction_is_found(module: str, source: str) -> None:
    assert offences(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("workshop.news.load", "from sample.news import generator"),
        ("workshop.news.load", "from sample.news.generator import rows"),
        ("train.train", "import torch\nfrom tuning.data import rows"),
        ("sample.base.pretrain", "import torch\nfrom sample.news.generator import rows"),
        ("serve.engines.loop", "import torch\nfrom serve.engine import Engine"),
    ],
)
def test_an_import_along_the_direction_is_left_alone(module: str, source: str) -> None:
    assert offences(module, source) == []
