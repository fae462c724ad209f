"""Tests in real containers: what they need, why they are skipped without it, and that they leave nothing.

    make test-containers                  # or pytest tests/containers
    CONTAINER_TESTS=0 pytest tests        # skipped, as in `make test`
    CONTAINER_TESTS=1 pytest ...          # what is missing is a failure, on a machine that was set up for it

The images have to be those of the files as they are: `make images`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.containers.notebooks import local_mode_home  # noqa: F401  a fixture

from workshop.containers.build import is_current
from workshop.containers.context import own_images
from workshop.containers.engine import output_of

FOLDER = Path(__file__).parent
SWITCH = os.environ.get("CONTAINER_TESTS", "")
COMMAND_TIMEOUT_S = 120
# A guard's process removes what a run leaves soon after it; other runs on the same engine come and go, too.
LEFT_TIMEOUT_S = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.docker)


def missing() -> str:
    """Return why no test here can run; "" when they can."""
    if shutil.which("docker") is None:
        return "no program docker"
    if output_of("docker", "info") is None:
        return "no Docker engine answers"
    compose = re.match(r"v?(\d+)", output_of("docker", "compose", "version", "--short") or "")
    if compose is None or int(compose[1]) < 2:
        return "no Docker Compose 2"
    old = [image.name for image in own_images() if not is_current(image.name)]
    return f"{', '.join(old)}: not of these files (make images)" if old else ""


@dataclass(frozen=True)
class Engine:
    """The Docker engine of this machine."""

    def docker(self, *arguments: str, check: bool = True, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """Run the client, and return its output with what it wrote to standard error.

        Raises:
            AssertionError: It did not end well.
        """
        done = subprocess.run(
            ["docker", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=timeout_s, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"docker {' '.join(arguments)}:\n{done.stdout}"
        return done.stdout

    def there_is(self) -> set[str]:
        """Return every container, network and volume: kind and ID."""
        lists = {
            "container": ("ps", "--all", "--quiet", "--no-trunc"),
            "network": ("network", "ls", "--quiet", "--no-trunc"),
            "volume": ("volume", "ls", "--quiet"),
        }
        return {f"{kind} {each}" for kind, asked in lists.items() for each in self.docker(*asked).split()}


@pytest.fixture(scope="session", autouse=True)
def engine() -> Engine:
    """The engine; without it, Compose 2 or images that are current no test here runs."""
    why = "`make test-containers` runs it" if SWITCH == "0" else missing()
    if why and SWITCH == "1":
        pytest.fail(f"CONTAINER_TESTS=1, and {why}")
    if why:
        pytest.skip(why)
    return Engine()


@pytest.fixture
def nothing_left(engine: Engine) -> Iterator[Callable[..., None]]:
    """Compare containers, networks, volumes and files before a test with those after it.

    Call it with the folders whose files count, as they are before the test does anything.
    """
    before, files = engine.there_is(), {}

    def watch(*folders: Path) -> None:
        files.update({folder: files_of(folder) for folder in folders})

    yield watch
    new, deadline_s = engine.there_is() - before, time.monotonic() + LEFT_TIMEOUT_S
    while (new or changed(files)) and time.monotonic() < deadline_s:
        time.sleep(0.1)
        new &= engine.there_is()
    shown = [engine.docker("inspect", each.partition(" ")[2], check=False)[:2000] for each in sorted(new)]
    assert not new, "\n".join(["left:", *sorted(new), *shown])
    assert changed(files) == {}


def changed(files: dict[Path, set[str]]) -> dict[Path, set[str]]:
    """Return what is there and was not, or the other way round, of the folders where anything is."""
    differences = {folder: files_of(folder) ^ before for folder, before in files.items()}
    return {folder: found for folder, found in differences.items() if found}


def files_of(folder: Path) -> set[str]:
    """Return what lies in a folder, however deep, with its owner: nothing may become another user's.

    What Python here keeps of sources that the test itself runs is left out, as long as it is this user's.
    """
    owners = {path: path.lstat().st_uid for path in folder.rglob("*")}
    return {
        f"{path.relative_to(folder)} {owner}"
        for path, owner in owners.items()
        if "__pycache__" not in path.parts or owner != os.getuid()
    }
