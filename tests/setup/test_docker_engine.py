"""setup/docker/engine.sh starts an engine where none answers, ends that one alone, says in a line why not.

The engine, its client and apt are programs of the test's own; its folders are the test's, too.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workshop.programs import program

SCRIPT = Path(__file__).parents[2] / "setup" / "docker" / "engine.sh"
DOCKERD = """
echo $$ >"$2"
trap 'rm -f "$2" {folder}/answers; exit 0' TERM
touch {folder}/answers
while :; do sleep 0.05; done"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="dockerd runs on Linux alone")


class Machine:
    """A machine with Docker's programs, on which nothing runs yet."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs = folder, folder / "programs"
        self.programs.mkdir()
        self.pid_file = folder / "docker.pid"
        text = SCRIPT.read_text(encoding="utf-8").replace("/var/run/docker.pid", str(self.pid_file))
        self.script = folder / "engine.sh"
        self.script.write_text(text.replace("/run/workshop-docker", f"{folder}/state"), encoding="utf-8")
        self.put("id", "echo 0")
        self.put("iptables")
        self.put("debootstrap")
        self.put("apt-get", "exit 100")
        self.put("apt-cache", "exit 100")
        self.put("dockerd", DOCKERD.format(folder=folder))
        self.put_docker()

    def put(self, name: str, script: str = "exit 0") -> None:
        program(self.programs, name, script)

    def put_docker(self, compose: str = "echo 2.26.1", run: str = "exit 0") -> None:
        cases = (
            f"info) [ -e {self.folder}/answers ];; compose) {compose};; run) {run};; import) cat >/dev/null;;"
        )
        self.put("docker", f'echo "$*" >>{self.folder}/calls; case "$1" in {cases} esac')

    def run(self, what: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", str(self.script), what],
            env={**os.environ, "PATH": f"{self.programs}:/usr/bin:/bin"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def process(self) -> int | None:
        """Return the engine that runs."""
        return int(self.pid_file.read_text()) if self.pid_file.exists() else None


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.run("stop")


@pytest.fixture
def another(machine: Machine) -> Iterator[subprocess.Popen]:
    """An engine that somebody else has started."""
    process = subprocess.Popen([machine.programs / "dockerd", "--pidfile", machine.pid_file])
    while not (machine.folder / "answers").exists():
        assert process.poll() is None
    yield process
    process.terminate()
    process.wait(30)


def test_it_starts_one_engine_and_ends_it(machine: Machine) -> None:
    assert machine.run("start") == (0, "")
    first = machine.process()
    assert first is not None
    assert machine.run("start") == (0, "")
    assert machine.process() == first
    assert machine.run("stop") == (0, "")
    assert machine.process() is None
    assert not (machine.folder / "state").exists()
    assert machine.run("stop") == (0, "")


def test_an_engine_that_was_there_is_used_and_stays(machine: Machine, another: subprocess.Popen) -> None:
    assert machine.run("start") == (0, "")
    assert machine.process() == another.pid
    assert machine.run("stop") == (0, "")
    assert another.poll() is None


def test_beside_an_engine_that_does_not_answer_no_other_is_started(
    machine: Machine, another: subprocess.Popen
) -> None:
    (machine.folder / "answers").unlink()
    told = f"no Docker engine: dockerd runs (process {another.pid}), but does not answer `docker info`\n"
    assert machine.run("start") == (1, told)
    assert another.poll() is None
    assert machine.process() == another.pid


def test_an_engine_that_cannot_run_here_says_why_and_leaves_nothing(machine: Machine) -> None:
    machine.put("dockerd", "echo first; echo 'iptables: Permission denied'; exit 1")
    assert machine.run("start") == (1, "no Docker engine: dockerd ended: iptables: Permission denied\n")
    assert not (machine.folder / "state").exists()


def test_what_was_started_ends_where_compose_is_not_to_be_had(machine: Machine) -> None:
    machine.put_docker(compose="exit 1")
    assert machine.run("start") == (1, "no Docker engine: no Compose 2 within apt's reach\n")
    assert machine.process() is None


def test_an_engine_that_starts_no_container_says_why_and_ends(machine: Machine) -> None:
    lines = ("first", "mount /proc: operation not permitted", "See 'docker run --help'.")
    machine.put_docker(run=f"printf '%s\\n' {shlex.join(lines)} >&2; exit 126")
    told = "no Docker engine: it starts no container: mount /proc: operation not permitted\n"
    assert machine.run("start") == (1, told)
    assert machine.process() is None
    imported, removed = (
        next(call for call in (machine.folder / "calls").read_text().splitlines() if call.startswith(name))
        for name in ("import", "rmi")
    )
    assert imported.split()[-1] == removed.split()[-1]


def test_without_root_nothing_is_installed(machine: Machine) -> None:
    machine.put("id", "echo 1000")
    told = "no engine answers, and only root can install and start one"
    assert machine.run("start") == (1, f"no Docker engine: {told}\n")


@pytest.mark.skipif(Path("/usr/bin/dockerd").exists(), reason="an engine of this machine would be found")
def test_a_package_that_apt_does_not_have_is_named(machine: Machine) -> None:
    (machine.programs / "dockerd").unlink()
    assert machine.run("start") == (1, "no Docker engine: apt could not install: docker.io\n")
