"""Local Mode or a training job: the same attributes, and Docker looked for before anything starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.workshop.programs import docker_program, program

from workshop.errors import WorkshopError
from workshop.settings import Settings
from workshop.training.backend import training_backend


def test_a_training_job_needs_no_docker(settings: Settings, programs: Path) -> None:
    backend = training_backend(settings, use_local_mode=False)
    assert backend.training_mode == "SAGEMAKER_TRAINING_JOB"
    assert backend.instance_type == settings.training_instance_type
    with backend.start_run(None):
        print("shown")
    assert not backend.is_blocking
    assert not backend.container_root.exists()


@pytest.mark.parametrize(
    ("info", "missing"),
    [
        (None, "no program `docker`"),
        ({"ServerVersion": ""}, "does not answer"),
        ({"ClientInfo": {}}, "no Docker Compose"),
    ],
)
def test_what_local_mode_lacks_is_named(
    settings: Settings, programs: Path, info: dict[str, Any] | None, missing: str
) -> None:
    if info is not None:
        docker_program(programs, **info)
    with pytest.raises(WorkshopError, match=missing) as caught:
        training_backend(settings, use_local_mode=True)
    assert "use_local_mode: false" in caught.value.next_step


def test_local_mode_asks_for_gpus_where_there_are_some(settings: Settings, programs: Path) -> None:
    settings = replace(settings, container_images="aws")
    docker_program(programs)
    assert training_backend(settings, use_local_mode=True).instance_type == "local_cpu"
    program(programs, "nvidia-smi", "exit 0")
    backend = training_backend(settings, use_local_mode=True)
    assert (backend.training_mode, backend.instance_type) == ("LOCAL_CONTAINER", "local_gpu")
