"""Who may import whom, and that none imports itself through others.

Notebooks stand on workshop; train, which is shipped alone, on nothing of ours.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from workshop.notebooks.order import list_notebooks

REPO_DIR = Path(__file__).parents[1]
SRC_DIR = REPO_DIR / "src"
# Part of the code -> which of our packages it may import. `tuning` is train's own package, found beside
# train.py; the longest matching part counts.
ALLOWED = {
    "workshop": {"workshop", "sample.news", "sample.monitoring", "processes"},
    # The part of the pipeline's evaluation that runs in a job, where the training image has torch.
    "workshop.pipeline.generate": {"workshop", "processes"},
    "sample.news": {"sample.news"},
    "sample.monitoring": {"sample.monitoring", "sample.news"},
    "sample.base": {"sample.base", "sample.news"},
    "sample": set(),
    "train": {"tuning", "merge", "train"},
    "serve": {"serve", "processes"},
    "sandbox": {"sandbox", "processes"},
    "processes": {"processes"},  # a leaf: everything that starts processes stands on it
}
OURS = {"workshop", "sample", "train", "tuning", "merge", "serve", "sandbox", "processes"}
MAY_IMPORT_TORCH = {"train", "serve", "sample.base", "workshop.pipeline.generate"}
NEEDS_ONLY_PYTHON = {"sample.news", "sample.monitoring"}
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


def violations(module: str, source: str) -> list[str]:
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


class WithoutTypeChecking(ast.NodeTransformer):
    """Leave out what only a type checker sees."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        is_for_types = ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        return node.orelse if is_for_types else node


def module_of(name: str, modules: Mapping[str, object]) -> str | None:
    """Return the module of ours that an imported name is, or is in; None for anybody else's."""
    while name:
        for found in (name, f"train.{name}"):  # train.py finds its own package beside itself
            if found in modules:
                return found
        name = name.rpartition(".")[0]
    return None


def cycles(sources: Mapping[str, str]) -> list[str]:
    """Return each cycle of imports as "a -> b -> a", wherever in the code an import stands."""
    graph = {}
    for module, source in sources.items():
        names = imports(WithoutTypeChecking().visit(ast.parse(source)))
        graph[module] = {found for name in names if (found := module_of(name, sources))} - {module}
    found = []
    while True:
        try:
            TopologicalSorter(graph).prepare()
            return sorted(found)
        except CycleError as error:
            ring = error.args[1][:0:-1]  # closed, and each imported by the next: open it and turn it round
            start = ring.index(min(ring))
            ring = ring[start:] + ring[:start]
            found.append(" -> ".join([*ring, ring[0]]))
            graph[ring[-1]].remove(ring[0])


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
        line for module, path in found.items() for line in violations(module, path.read_text("utf-8"))
    ] == []


def test_no_module_imports_itself_through_others() -> None:
    assert cycles({module: path.read_text("utf-8") for module, path in modules().items()}) == []


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
    assert violations(module, source)


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
    assert violations(module, source) == []


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({"a.x": "import b", "b": "import c.y", "c.y": "from a import x"}, ["a.x -> b -> c.y -> a.x"]),
        (
            {"a": "def f():\n    from b import g", "b": "import importlib\nimport_module('a')"},
            ["a -> b -> a"],
        ),
        (
            {"a": "import b", "b": "import a, c", "c": "import d", "d": "from c import f"},
            ["a -> b -> a", "c -> d -> c"],
        ),
        (
            {"train.tuning.a": "from tuning.b import f", "train.tuning.b": "from tuning import a"},
            ["train.tuning.a -> train.tuning.b -> train.tuning.a"],
        ),
        ({"a": "if TYPE_CHECKING:\n    import c\nelse:\n    import b", "b": "import a"}, ["a -> b -> a"]),
        ({"a": "if TYPE_CHECKING:\n    from b import B", "b": "import a"}, []),
        ({"a": "import typing\nif typing.TYPE_CHECKING:\n    import b", "b": "import a"}, []),
        ({"a": "import b, c", "b": "import c", "c": "import os"}, []),
    ],
)
def test_a_cycle_is_found_and_named_in_order(sources: dict[str, str], found: list[str]) -> None:
    assert cycles(sources) == found
