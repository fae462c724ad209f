"""Docker, as far as a mode's settings ask for containers on this machine, and what Studio makes of it."""

from __future__ import annotations

import json
from dataclasses import replace

from workshop.account.checks import Check, Line, failed, ok, warn
from workshop.aws import roles
from workshop.containers.checks import AWS_IMAGE_GIB, GIB, check_engine, check_image, free_gib, studio_app
from workshop.containers.engine import SERVING, Engine, fetch_command, has_gpu, has_image
from workshop.containers.images import own_serving_image
from workshop.errors import WorkshopError
from workshop.serving.engines import common_cuda, serving_image
from workshop.settings import Settings
from workshop.training.local_mode import check_local_mode

TRAINING_NOTEBOOK, SERVING_NOTEBOOK = "03-SageMaker-Training", "01-SageMaker-Inference-Local-Test"


def container_checks(settings: Settings, notebook: str | None) -> list[Check]:
    """Return what the containers on this machine need; nothing where the settings ask for none."""
    checks = []
    if roles.METADATA_PATH.is_file():
        checks.append(Check(subject="sagemaker", look=_inside_sagemaker))
    if settings.use_local_mode and notebook in (None, TRAINING_NOTEBOOK):
        checks.append(Check(subject="local mode", look=lambda: _local_mode(settings)))
    if settings.serve_with == "container" and notebook in (None, SERVING_NOTEBOOK):
        checks.append(Check(subject="serving", look=lambda: _serving(settings, notebook)))
    return checks


def _inside_sagemaker() -> Line:
    """Say where in SageMaker this runs; what Studio does not do is told where containers are wanted."""
    if app := studio_app():
        return ok("sagemaker", f"Studio ({app})")
    told = json.loads(roles.METADATA_PATH.read_text(encoding="utf-8"))
    return ok("sagemaker", f"{told.get('ResourceName', 'an instance')}, no app of Studio")


def _local_mode(settings: Settings) -> Line:
    engine = check_local_mode(settings)
    return ok("local mode", f"{_told(engine)}, Compose {engine.compose_version}")


def _serving(settings: Settings, notebook: str | None) -> Line:
    """Look at what serves a model here; without a GPU that notebook runs on another machine."""
    is_own, engine_name = settings.container_images == "own", settings.serving_engine
    try:
        engine = check_engine(SERVING, needs_gpu=not is_own, needs_compose=False)
        if is_own:
            check_image(SERVING, own_serving_image(engine_name), engine)
            return ok("serving", f"{_told(engine)}, image {own_serving_image(engine_name)}")
    except WorkshopError as error:
        line = failed("serving", error)
        is_done_elsewhere = notebook is None and not is_own and not has_gpu()
        return replace(line, status="WARN") if is_done_elsewhere else line
    return _aws_image(settings, engine) or ok("serving", f"{_told(engine)}, containers get GPUs")


def _aws_image(settings: Settings, engine: Engine) -> Line | None:
    """Return the line of an image that has to be fetched, with the place that is there for it."""
    machine, name = settings.endpoint_instance_type, settings.serving_engine
    image = serving_image(
        name, region=settings.region, instance_type=machine, cuda=common_cuda((name,), machine)
    )
    if has_image(image):
        return None
    free = free_gib(engine)
    place = "" if free is None else f", {free:.0f} GiB free in {engine.root_dir}"
    found = f"no image {image} yet: about {AWS_IMAGE_GIB} GiB{place}"
    if free is not None and free < AWS_IMAGE_GIB:
        return warn("serving", found, "give Docker a larger disk first (setup/README.md, notebook instance)")
    return warn("serving", found, fetch_command(image))


def _told(engine: Engine) -> str:
    """Say in some words what an engine has."""
    parts = [f"Docker {engine.version}"]
    if engine.memory_bytes:
        parts.append(f"{engine.memory_bytes / GIB:.0f} GiB memory")
    if (free := free_gib(engine)) is not None:
        parts.append(f"{free:.0f} GiB free")
    return ", ".join(parts)
