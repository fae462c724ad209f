""".ci/run: what runs after what, with and without a Docker engine, and whose status it ends with."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.workshop.programs import program

REPO_DIR = Path(__file__).parents[2]


def run(folder: Path, engine: int = 0, **failing: int) -> tuple[int, list[str]]:
    """Run a copy whose engine and targets end as told; return its status and what it ran."""
    (folder / "setup" / "docker").mkdir(parents=True)
    (folder / ".ci").mkdir()
    shutil.copy(REPO_DIR / ".ci" / "run", folder / ".ci")
    log = folder / "log"
    program(
        folder / "setup" / "docker",
        "engine.sh",
        f'echo "engine $1" >>{log}; [ "$1" = stop ] || exit {engine}',
    )
    cases = " ".join(f"{name.replace('_', '-')}) exit {status};;" for name, status in failing.items())
    program(folder, "make", f'echo "$1 $CONTAINER_TESTS$BROWSER_TESTS" >>{log}; case $1 in {cases} esac')
    program(folder, "chromium")
    program(folder, "chromedriver")
    environ = {
        name: value for name, value in os.environ.items() if name not in {"CONTAINER_TESTS", "BROWSER_TESTS"}
    }
    done = subprocess.run(
        [folder / ".ci" / "run"],
        env={**environ, "PATH": f"{folder}:/usr/bin:/bin"}, cwd="/", timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, [line.strip() for line in log.read_text(encoding="utf-8").splitlines()]


def test_containers_and_browser_have_to_run_where_there_are_engine_images_and_driver(tmp_path: Path) -> None:
    assert run(tmp_path) == (
        0,
        [
            "engine start",
            "images",
            "test",
            "test-walks",
            "test-browser 1",
            "test-containers 1",
            "engine stop",
        ],
    )


def test_without_an_engine_the_container_tests_say_why_they_do_not_run(tmp_path: Path) -> None:
    assert run(tmp_path, engine=1) == (
        0,
        ["engine start", "test", "test-walks", "test-browser 1", "test-containers", "engine stop"],
    )


@pytest.mark.parametrize(
    ("failing", "status"),
    [
        ({"images": 3, "test": 4}, 3),
        ({"test": 4, "test_containers": 5}, 4),
        ({"test_walks": 6}, 6),
        ({"test_browser": 7}, 7),
        ({"test_containers": 5}, 5),
    ],
)
def test_the_status_is_that_of_what_failed_first_and_the_rest_runs(
    tmp_path: Path, failing: dict[str, int], status: int
) -> None:
    ended, ran = run(tmp_path, **failing)
    assert ended == status
    assert [each.split()[0] for each in ran] == [
        "engine",
        "images",
        "test",
        "test-walks",
        "test-browser",
        "test-containers",
        "engine",
    ]
