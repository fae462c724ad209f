"""The packages of the own images, fetched by this machine's pip for the machine of the containers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workshop.containers.context import REQUIREMENTS
from workshop.errors import WorkshopError
from workshop.view.process_output import last_lines

PYTHON_VERSION = "3.11"
_PROCESSORS = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}
_OLDEST_GLIBC, _NEWEST_GLIBC = 5, 36  # minor versions; Debian 12 has 2.36
_TIMEOUT_S = 1800
_ANNOTATION = re.compile(r"# from (\S+)")


def pins() -> list[str]:
    """Return the lines of setup/docker/requirements.txt that name a package."""
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def fetch_wheels(folder: Path, machine: str) -> list[Path]:
    """Fetch every package into a folder.

    pip's own configuration says where from (mirrors, certificates, folders of wheels). For torch the rules of
    setup/environment.sh hold: where pip points, else the PyTorch project's index of builds for processors.

    Args:
        folder: Empty.
        machine: Of the engine, as Docker or the kernel calls it.

    Raises:
        WorkshopError: One of them is nowhere to be had.
    """
    if machine not in _PROCESSORS:
        raise WorkshopError(
            found=f"a Docker engine on {machine}",
            expected="one on a 64-bit x86 or Arm processor: torch has no other packages",
            next_step="use another machine",
        )
    wanted = pins()
    torch = next(pin for pin in wanted if pin.startswith("torch=="))
    _fetch([pin for pin in wanted if pin != torch], folder, machine)
    _fetch_torch(torch, folder, machine)
    return sorted(folder.glob("*.whl"))


def _fetch_torch(pin: str, folder: Path, machine: str) -> None:
    index = os.environ.get("TORCH_INDEX_URL")
    if index:
        _fetch([pin], folder, machine, "--extra-index-url", index)
        return
    try:
        _fetch([pin], folder, machine)
    except WorkshopError:
        index = _torch_index(pin)
        if index is None:
            raise
        _fetch([pin], folder, machine, "--extra-index-url", index)


def _torch_index(pin: str) -> str | None:
    """Return the address that uv knows by the name of the build; None where it is out of reach."""
    asked = [sys.executable, "-m", "uv", "pip", "compile", "-", "--no-deps", "--no-header", "--quiet"]
    asked += ["--torch-backend", "cpu", "--emit-index-annotation", "--python-version", PYTHON_VERSION]
    brief = {**os.environ, "UV_HTTP_TIMEOUT": "15", "UV_HTTP_RETRIES": "1"}
    done = subprocess.run(
        asked,
        input=pin.partition("+")[0],
        env=brief,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = _ANNOTATION.search(done.stdout)
    return found[1] if done.returncode == 0 and found else None


def _fetch(wanted: Sequence[str], folder: Path, machine: str, *options: str) -> None:
    processor = _PROCESSORS[machine]
    glibcs = range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1)
    platforms = [f"manylinux_2_{minor}_{processor}" for minor in glibcs] + [f"manylinux2014_{processor}"]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(folder), "--implementation", "cp"]
    command += ["--python-version", PYTHON_VERSION]
    command += [part for platform in platforms for part in ("--platform", platform)]
    done = subprocess.run(
        [*command, *options, *wanted],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        names = wanted[0] if len(wanted) == 1 else f"{len(wanted)} packages"
        raise WorkshopError(
            found=f"pip could not fetch {names}; its last lines:{last_lines(done.stdout.splitlines())}",
            expected=f"what setup/docker/requirements.txt names, for Python {PYTHON_VERSION} on {processor}",
            next_step="mend what pip says (its index: `pip config list`; torch: TORCH_INDEX_URL), "
            "then `make images` again",
        )
