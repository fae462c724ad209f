"""`make images` without an engine: what it lacks is said in three lines, and nothing half made is left.

Docker is a program that says what an engine would.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from pathlib import Path

import pytest
from tests.workshop.programs import docker_program, program

from workshop.containers import base, build, context, wheels
from workshop.errors import WorkshopError

BASE = "korean-news-base:local"
HAS_NO_IMAGE = "'image inspect'*|'pull'*) exit 1;;"
HAS_BASE = f"""'image inspect'*{BASE}) echo '[{{}}]';;
'image inspect'*) exit 1;;"""
LOGGED = 'echo "$*" >>"${0%/*}/log"\n'


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(folder: Path, machine: str) -> list[Path]:
        path = folder / "none-1-py3-none-any.whl"
        path.write_bytes(b"PK")
        return [path]

    monkeypatch.setattr(build, "fetch_wheels", fetch)


def error() -> WorkshopError:
    with pytest.raises(WorkshopError) as raised:
        build.build_images()
    return raised.value


def test_without_docker_nothing_is_fetched(programs: Path, scratch: Path) -> None:
    assert "no program `docker`" in error().found
    assert list(scratch.iterdir()) == []


def test_without_a_registry_and_without_a_way_to_make_one_the_base_image_is_asked_for(
    programs: Path, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_program(programs, more=HAS_NO_IMAGE)
    program(tmp_path, "base.sh", 'echo "debootstrap needs root" >&2; exit 1')
    monkeypatch.setattr(base, "DOCKER_DIR", tmp_path)
    told = error()
    assert "no image registry answers" in told.found
    assert "debootstrap needs root" in told.found
    assert "make images BASE_IMAGE=" in told.next_step
    assert list(scratch.iterdir()) == []


def test_base_sh_says_what_it_lacks() -> None:
    nobody = {} if os.getuid() else {"user": 65534, "cwd": "/"}
    done = subprocess.run(
        ["bash", "-s", "name:tag"],
        input=(context.DOCKER_DIR / "base.sh").read_text(encoding="utf-8"),
        capture_output=True, text=True, timeout=60, check=False, **nobody,
    )  # fmt: skip
    assert (done.returncode, done.stderr.strip()) == (1, "debootstrap needs root")


def test_a_base_image_that_was_asked_for_and_is_nowhere_is_named(programs: Path, scratch: Path) -> None:
    docker_program(programs, more=HAS_NO_IMAGE)
    with pytest.raises(WorkshopError, match="no image registry/of/mine:1 on this machine"):
        build.build_images("registry/of/mine:1")


def test_a_package_that_is_nowhere_is_named_with_pips_words(
    programs: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_program(programs, more=HAS_BASE)
    monkeypatch.setattr(wheels, "pins", lambda: ["torch==0.0.1+cpu", "no-such-package-of-the-workshop==1"])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    told = error()
    assert "No matching distribution found for no-such-package-of-the-workshop==1" in told.found
    assert "pip config list" in told.next_step
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("uv", "asked"),
    [
        ("print('torch==9.9+cpu'); print('    # from https://index.example/whl/cpu')",
         [(), ("--extra-index-url", "https://index.example/whl/cpu")]),
        ("raise SystemExit(2)", [()]),
    ],
)  # fmt: skip
def test_torch_is_looked_for_where_uv_knows_it_when_pips_index_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv: str, asked: list[tuple[str, ...]]
) -> None:
    """uv stands for itself without a network: it writes what `--emit-index-annotation` writes."""
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "__init__.py").touch()
    (tmp_path / "uv" / "__main__.py").write_text(uv, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("TORCH_INDEX_URL", raising=False)
    monkeypatch.setattr(wheels, "pins", lambda: ["torch==9.9+cpu"])
    calls: list[tuple[str, ...]] = []

    def fetch(wanted: list[str], folder: Path, machine: str, *options: str) -> None:
        if wanted:
            calls.append(options)
        if wanted and not options:
            raise WorkshopError(found="no torch here", expected="torch", next_step="look elsewhere")

    monkeypatch.setattr(wheels, "_fetch", fetch)
    if len(asked) == 1:
        with pytest.raises(WorkshopError, match="no torch here"):
            wheels.fetch_wheels(tmp_path, "amd64")
    else:
        assert wheels.fetch_wheels(tmp_path, "amd64") == []
    assert calls == asked


def test_an_engine_on_a_processor_without_packages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="a Docker engine on riscv64"):
        wheels.fetch_wheels(tmp_path, "riscv64")


def test_too_little_disk_is_said_before_anything_is_fetched(
    programs: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_program(programs, more=HAS_BASE)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 40, 1 << 40, 200 << 20))
    monkeypatch.setattr(build, "fetch_wheels", lambda *_: pytest.fail("was fetched"))
    told = error()
    assert "200 MiB of free disk" in told.found
    assert "docker system df" in told.next_step


@pytest.mark.parametrize(
    ("said", "found", "next_step"),
    [
        ("write /opt/venv: no space left on device", "Docker's disk, which is full", "docker system df"),
        ("Step 2/9: sh: 1: python3: not found", "python3: not found", "make images BASE_IMAGE="),
    ],
)
def test_a_build_that_fails_says_why_and_removes_its_parts(
    programs: Path, scratch: Path, no_packages: None, said: str, found: str, next_step: str
) -> None:
    parts = "images*dangling=true*workshop.build=*) echo sha256:1; echo sha256:2;;"
    docker_program(programs, more=f"{HAS_BASE}\n{parts}\nbuild*) echo '{said}'; exit 1;;")
    script = (programs / "docker").read_text(encoding="utf-8")
    (programs / "docker").write_text(script.replace("#!/bin/sh\n", f"#!/bin/sh\n{LOGGED}"), encoding="utf-8")
    told = error()
    assert found in told.found
    assert next_step in told.next_step
    calls = (programs / "log").read_text(encoding="utf-8").splitlines()
    assert calls[-2:] == ["image rm sha256:1", "image rm sha256:2"]
    assert [call for call in calls if "prune" in call] == []
    assert list(scratch.iterdir()) == []


def test_sigterm_ends_it_without_leaving_what_was_fetched(programs: Path, scratch: Path) -> None:
    docker_program(programs, more=f"{HAS_BASE}\nimages*) ;;")
    # An interpreter whose pip waits stands in for a slow network.
    slow = scratch.parent / "slow"
    (slow / "pip").mkdir(parents=True)
    (slow / "pip" / "__init__.py").touch()
    waiting = scratch.parent / "waiting"
    (slow / "pip" / "__main__.py").write_text(
        f"open({str(waiting)!r}, 'w').close()\nimport time; time.sleep(60)\n"
    )
    environ = {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": f"{slow}:{context.REPO_DIR / 'src'}"}
    command = [sys.executable, "-m", "workshop.containers.build"]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not waiting.exists() and process.poll() is None:
        time.sleep(0.02)
    assert list(scratch.iterdir())
    process.send_signal(signal.SIGTERM)
    assert (process.wait(60), process.stderr.read()) == (128 + signal.SIGTERM, b"")
    assert list(scratch.iterdir()) == []
