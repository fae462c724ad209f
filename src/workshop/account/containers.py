"""Docker, as far as a mode's settings ask for containers on this machine, and what Studio makes of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from workshop.account.checks import Check, Line, failed, ok, warn
from workshop.account.machine import GIB, needs_gpu
from workshop.aws import roles
from workshop.containers.engine import (
    SERVING,
    check_docker,
    check_gpu_containers,
    fetch_command,
    has_gpu,
    has_image,
    output_of,
)
from workshop.errors import WorkshopError
from workshop.serving.engines import common_cuda, serving_image
from workshop.settings import Settings
from workshop.training.local_mode import DOCKER_USE, check_local_mode

TRAINING_NOTEBOOK, SERVING_NOTEBOOK = "03-SageMaker-Training", "01-SageMaker-Inference-Local-Test"
IMAGE_GIB = 15
"""Of one serving image; about."""


def container_checks(settings: Settings, notebook: str | None) -> list[Check]:
    """Return what the containers on this machine need; nothing where the settings ask for none."""
    checks = []
    if roles.METADATA_PATH.is_file():
        checks.append(Check(subject="sagemaker", look=lambda: _inside_sagemaker(settings, notebook)))
    if settings.use_local_mode and notebook in (None, TRAINING_NOTEBOOK):
        checks.append(Check(subject="local mode", look=lambda: _local_mode(settings)))
    if settings.serve_with == "container" and notebook in (None, SERVING_NOTEBOOK):
        checks.append(Check(subject="serving", look=lambda: _serving(settings, notebook)))
    return checks


def _inside_sagemaker(settings: Settings, notebook: str | None) -> Line:
    """Say where in SageMaker this runs: Studio's containers are not like those of other machines.

    Source: aws/sagemaker-python-sdk, issue 5147.
    """
    told = json.loads(roles.METADATA_PATH.read_text(encoding="utf-8"))
    if "AppType" not in told:  # a notebook instance, which has a Docker of its own
        return ok("sagemaker", f"{told.get('ResourceName', 'an instance')}, no app of Studio")
    asks = (settings.use_local_mode and notebook in (None, TRAINING_NOTEBOOK)) or (
        settings.serve_with == "container" and notebook in (None, SERVING_NOTEBOOK)
    )
    if not asks:
        return ok("sagemaker", f"Studio ({told['AppType']})")
    found = f"Studio ({told['AppType']}): its containers reach no network but `sagemaker`"
    step = "run what needs Docker on a notebook instance or an EC2 instance (setup/README.md, Docker)"
    return warn("sagemaker", found, step)


def _local_mode(settings: Settings) -> Line:
    check_local_mode()
    if needs_gpu(settings):
        check_gpu_containers(DOCKER_USE)
    return ok("local mode", f"{_docker()}, Compose {_version('docker', 'compose', 'version', '--short')}")


def _serving(settings: Settings, notebook: str | None) -> Line:
    """Look at what serves a model here; without a GPU that notebook runs on another machine."""
    try:
        check_docker(SERVING)
        check_gpu_containers(SERVING)
    except WorkshopError as error:
        line = failed("serving", error)
        return replace(line, status="WARN") if notebook is None and not has_gpu() else line
    return _image(settings) or ok("serving", f"{_docker()}, containers get GPUs")


def _image(settings: Settings) -> Line | None:
    """Return the line of an image that has to be fetched, with the place that is there for it."""
    machine, engine = settings.endpoint_instance_type, settings.serving_engine
    cuda = common_cuda((engine,), machine)
    image = serving_image(engine, region=settings.region, instance_type=machine, cuda=cuda)
    if has_image(image):
        return None
    told = (output_of("docker", "info", "--format", "{{.DockerRootDir}}") or "").strip()
    place = Path(told) if told and Path(told).exists() else Path("/")
    free_gib = shutil.disk_usage(place).free / GIB
    found = f"no image {image} yet: about {IMAGE_GIB} GiB, {free_gib:.0f} GiB free in {place}"
    if free_gib < IMAGE_GIB:
        return warn("serving", found, "give Docker a larger disk first (setup/README.md, notebook instance)")
    return warn("serving", found, fetch_command(image))


def _docker() -> str:
    return f"Docker {_version('docker', 'version', '--format', '{{.Server.Version}}')}"


def _version(*command: str) -> str:
    told = (output_of(*command) or "").split()
    return told[0] if told else "of an unknown version"
