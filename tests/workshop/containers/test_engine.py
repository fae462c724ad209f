"""A container is looked for, started, asked and removed; Docker is a program that runs the real server.

No image can be run here: `docker run` is played by a program that records its arguments, replaces the mounted
folder by the folder itself, and becomes `python -m serve`.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
from tests.serve.server_process import BASE, REPO
from tests.workshop.programs import docker_program, program
from tests.workshop.serving.conftest import READY_TIMEOUT_S

from workshop.errors import WorkshopError
from workshop.inference import TGI, Client
from workshop.serving.plan import ServingPlan, serving_plan
from workshop.serving.server import start_server
from workshop.settings import Settings

DOCKER_RUN = """
import os, sys
arguments = sys.argv[1:]
def values(flag):
    return [arguments[i + 1] for i, part in enumerate(arguments) if part == flag]
environment = dict(variable.split("=", 1) for variable in values("-e"))
for volume in values("-v"):
    source, target, _ = volume.split(":")
    environment = {k: source if v == target else v for k, v in environment.items()}
environment["HOST"], environment["PORT"], _ = values("-p")[0].split(":")
environment |= {"PATH": os.environ["PATH"], "PYTHONPATH": SRC, "HOME": os.environ.get("HOME", "/")}
environment |= {k: v for k, v in os.environ.items() if k.startswith("WORKSHOP_")}
os.execve(sys.executable, [sys.executable, "-m", "serve", arguments[-1]], environment)
"""


@pytest.fixture
def plan(settings: Settings) -> ServingPlan:
    in_images_of_aws = dataclasses.replace(settings, serve_with="container", container_images="aws")
    return serving_plan(in_images_of_aws, BASE)


def test_nothing_starts_without_docker(plan: ServingPlan, programs: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="no program `docker`"):
        start_server(plan, log_path=tmp_path / "a.log", timeout_s=5)
    assert not (tmp_path / "a.log").exists()


def test_a_container_is_started_asked_and_removed(plan: ServingPlan, programs: Path, tmp_path: Path) -> None:
    calls, run = tmp_path / "calls", tmp_path / "run.py"
    run.write_text(f"SRC = {str(REPO / 'src')!r}\n{DOCKER_RUN}")
    program(programs, "nvidia-smi")
    # The look at the folder is a container that ends at once.
    branches = f'*--entrypoint=ls*) ;; "run "*) echo "$*" >> {calls}; exec {sys.executable} {run} "$@";;'
    docker_program(
        programs,
        more=branches
        + f"""
"ps "* | network*) echo "$*" >> {calls};;""",
    )
    with start_server(plan, log_path=tmp_path / "a.log", timeout_s=READY_TIMEOUT_S) as server:
        answer = Client(server.url, TGI).invoke("가나다", max_new_tokens=3)
        assert answer.num_generated_tokens <= 3
        assert calls.read_text().splitlines()[-1] == " ".join(plan.command[1:])
    lines = calls.read_text().splitlines()
    run = lines.index(" ".join(plan.command[1:]))
    assert lines[run - 1] == " ".join(plan.network_command[1:])
    for before_or_after in (lines[:run], lines[run:]):  # what is left of a run is looked for
        assert any(line.startswith("ps --all") for line in before_or_after)
    assert "Finished server process" in server.log_path.read_text(), "it was not asked to end"
