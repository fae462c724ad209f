"""Local Mode or a training job: the same calls, and Docker looked for before anything starts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from workshop.errors import WorkshopError
from workshop.settings import Settings, load_settings
from workshop.training_place import InLocalMode, training_place


@pytest.fixture
def settings() -> Settings:
    return load_settings()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be the only folder on PATH: a machine with these programs and no others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_training_job_needs_no_docker(settings: Settings, programs: Path) -> None:
    place = training_place(settings, use_local_mode=False)
    assert place.mode == "SAGEMAKER_TRAINING_JOB"
    assert place.instance_type == settings.training_instance_type
    with place.recorded():
        print("shown")
    assert not place.container_root.exists()


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        (None, "no program `docker`"),
        ("exit 1", "does not answer"),
        ('[ "$1" = info ]', "no Docker Compose"),
    ],
)
def test_what_local_mode_lacks_is_named(
    settings: Settings, programs: Path, script: str | None, missing: str
) -> None:
    if script:
        program(programs, "docker", script)
    with pytest.raises(WorkshopError, match=missing) as caught:
        training_place(settings, use_local_mode=True)
    assert "use_local_mode: false" in caught.value.next_step


def test_local_mode_asks_for_gpus_where_there_are_some(settings: Settings, programs: Path) -> None:
    program(programs, "docker", "exit 0")
    assert training_place(settings, use_local_mode=True).instance_type == "local_cpu"
    program(programs, "nvidia-smi", "exit 0")
    place = training_place(settings, use_local_mode=True)
    assert (place.mode, place.instance_type) == ("LOCAL_CONTAINER", "local_gpu")


@pytest.fixture
def local(tmp_path: Path) -> InLocalMode:
    return InLocalMode(instance_type="local_cpu", instance_count=1, container_root=tmp_path / "root")


def test_what_the_containers_print_is_shown_kept_and_read(
    local: InLocalMode, capsys: pytest.CaptureFixture[str]
) -> None:
    with local.recorded():
        print('algo-1  | progress {"step": 1, "num_steps": 2, "loss": 5.5}')
        print("\x1b[36malgo-1  |\x1b[0m a | b")
        print('algo-1-x1 | progress {"step": 2, "num_steps": 2, "loss": 4.5, "elapsed_s": 3.0}')
    assert "progress" in capsys.readouterr().out
    (local.container_root / "artifacts" / "model").mkdir(parents=True)
    name = local.job_name(SimpleNamespace(base_job_name="news"))
    job = local.follow(None, name, timeout_s=1)
    assert [record["loss"] for record in job.records] == [5.5, 4.5]
    assert job.lines == ["a | b"]
    assert (job.status, job.job_name) == ("Completed", name)
    assert job.model_uri == (local.container_root / "artifacts" / "model").as_uri()
    assert job.seconds == 3.0


def test_following_without_a_run_names_the_cell(local: InLocalMode) -> None:
    with pytest.raises(WorkshopError, match="starts the training"):
        local.follow(None, "news", timeout_s=1)
