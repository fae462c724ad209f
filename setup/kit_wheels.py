"""Fetch the packages of an offline kit: those of .venv, and of the environments beside it, as wheels."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import NoReturn

from check_kit import fail
from pins import KERNEL_FILES, OTHER_FILES, SETUP_DIR, canonical, pins_in, uv_pin

FULL_MIB = 50  # left of a disk that something did not fit on
_CUDA_INDEX = re.compile(r"^CUDA_12_INDEX_URL=(\S+)/\w+$", re.M)


def torch_pins() -> dict[str, str]:
    """Return name and version of torch and of all that it requires, as they are installed.

    So it is the build that environment.sh chose, with the libraries of CUDA where it has them: these stand in
    no file.
    """
    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    queue = [("torch", "")]
    while queue:
        name, extra = queue.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        here = distribution(name)
        found[name] = here.version
        for requirement in map(Requirement, here.requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                queue += [(canonical(requirement.name), each) for each in ("", *requirement.extras)]
    return found


def pip_wheel(wheels: Path, *arguments: str) -> bool:
    """Fetch packages, and build those that are published as sources alone; False when pip could not."""
    command = [sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-deps"]
    return subprocess.run([*command, "--wheel-dir", wheels, *arguments], check=False).returncode == 0


def fetch_torch(wheels: Path, version: str) -> None:
    """Fetch torch from where pip's configuration points, TORCH_INDEX_URL, or the PyTorch project."""
    index_url = os.environ.get("TORCH_INDEX_URL")
    extra = ["--extra-index-url", index_url] if index_url else []
    if pip_wheel(wheels, f"torch=={version}", *extra):
        return
    build = version.partition("+")[2]
    (project_url,) = _CUDA_INDEX.findall((SETUP_DIR / "environment.sh").read_text(encoding="utf-8"))
    if not build or not pip_wheel(wheels, f"torch=={version}", "--extra-index-url", f"{project_url}/{build}"):
        fail_of_pip(wheels, f"torch {version}")


def fail_of_pip(wheels: Path, what: str) -> NoReturn:
    fail_if_full(wheels)
    fail(
        f"pip could not fetch {what}; its last lines are above",
        "the packages that were installed here, from where pip's configuration points",
        "look at the network (or TORCH_INDEX_URL), then make offline-kit again: pip keeps what it has",
    )


def fail_if_full(folder: Path) -> None:
    free_mib = shutil.disk_usage(folder).free / 2**20
    if free_mib < FULL_MIB:
        fail(
            f"{free_mib:.0f} MiB of free space left at {folder}, which were not enough",
            "room for the whole kit",
            "free some, or take a larger stick: make offline-kit TO=/path/to/stick",
        )


def fetch_wheels(wheels: Path) -> str:
    """Fetch every package that environment.sh installs on this system; return torch's version."""
    torch = torch_pins()
    version = torch.pop("torch")
    fetch_torch(wheels, version)
    pinned = {name for path in KERNEL_FILES for name, _ in pins_in(path)}
    beside = [f"{name}=={version}" for name, version in sorted(torch.items()) if name not in pinned]
    if not pip_wheel(wheels, f"uv=={uv_pin()}", *beside, "-r", str(KERNEL_FILES[0])):
        fail_of_pip(wheels, "the packages of the kernel")
    for path in OTHER_FILES:  # each for itself: they pin other versions of the same packages
        if not pip_wheel(wheels, "-r", str(path)):
            fail_of_pip(wheels, f"the packages of {path.name}")
    return version
