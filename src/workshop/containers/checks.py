"""Everything that a container on this machine needs, one list for Local Mode and serving.

It is gone through before anything starts: the first thing that is missing is an error that says what was
found, what is expected and what to do. Studio's rule stands in AWS's guide, "Local mode support in Amazon
SageMaker Studio", and in aws/sagemaker-python-sdk, issue 5147.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from workshop.aws import roles
from workshop.containers.build import INPUTS_LABEL, inputs_sha256
from workshop.containers.engine import (
    SERVING,
    DockerUse,
    Engine,
    check_docker,
    fetch_command,
    has_gpu,
    output_of,
)
from workshop.containers.images import is_own

GIB = 1024**3
AWS_IMAGE_GIB = 15
"""Of one of AWS's images; about."""

# What a run needs: of the repository's own images, with the small model; and of AWS's, with one of 8B, whose
# files have up to 5 GB.
OWN_MEMORY_GIB, AWS_MEMORY_GIB = 3, 12
OWN_RUN_GIB, AWS_RUN_GIB = 1, 5
MIN_COMPOSE = 2
_INSIDE_CONTAINER = Path("/.dockerenv")  # Docker makes it in every container
# Any of them makes `docker run --gpus` work, whether or not a runtime is registered.
_GPU_HOOKS = ("nvidia-container-runtime-hook", "nvidia-container-runtime", "nvidia-ctk")


def check_serving_container(image: str, model_dir: Path | None = None) -> Engine:
    """Look for everything that `docker run IMAGE serve` needs.

    Args:
        image: The repository's own, or AWS's, which needs a GPU.
        model_dir: That is mounted.

    Raises:
        WorkshopError: Naming what is missing.
    """
    folders = (model_dir,) if model_dir else ()
    return check_container(SERVING, image=image, folders=folders, needs_gpu=not is_own(image))


def check_container(
    use: DockerUse,
    *,
    image: str = "",
    folders: tuple[Path, ...] = (),
    needs_gpu: bool = False,
    needs_compose: bool = False,
) -> Engine:
    """Go through the whole list.

    Args:
        use: Whose errors they are.
        image: That will run; "" when somebody fetches it.
        folders: Of this machine, which containers see.
        needs_gpu: Whether the container gets GPUs; it is one of AWS's then.
        needs_compose: Whether Compose starts it.

    Returns:
        The engine.

    Raises:
        WorkshopError: Naming the first thing that is missing.
    """
    engine = check_engine(use, needs_gpu=needs_gpu, needs_compose=needs_compose)
    if image:
        check_image(use, image, engine)
        check_folders(use, image, folders, engine)
    return engine


def check_engine(use: DockerUse, *, needs_gpu: bool, needs_compose: bool) -> Engine:
    """Go through what of the list has nothing to do with an image.

    Raises:
        WorkshopError: Naming the first thing that is missing.
    """
    _check_studio(use)
    engine = check_docker(use)
    if needs_compose:
        _check_compose(use, engine)
    if needs_gpu:
        _check_gpu(use, engine)
    _check_memory(use, engine, AWS_MEMORY_GIB if needs_gpu else OWN_MEMORY_GIB)
    _check_disk(use, engine, AWS_RUN_GIB if needs_gpu else OWN_RUN_GIB)
    return engine


def check_image(use: DockerUse, image: str, engine: Engine) -> None:
    """Look for an image that this engine can run; the repository's own is built from the files as they are.

    Raises:
        WorkshopError: It is missing, of other files, or for another processor.
    """
    told = _inspected(image)
    if told is None:
        is_ours = is_own(image)
        raise use.error(
            found=f"no image {image} on this machine",
            expected="the repository's own image, for CPUs"
            if is_ours
            else f"the image; it is about {AWS_IMAGE_GIB} GB, so it is fetched by itself",
            way_out="build it: make images" if is_ours else f"fetch it: {fetch_command(image)}",
        )
    architecture = told.get("Architecture", "")
    if engine.architecture and architecture != engine.architecture:
        raise use.error(
            found=f"the image {image} for {architecture}, and a Docker for {engine.architecture}",
            expected="an image for the processor that it runs on: emulated, it takes many times as long",
            way_out="build it again here: make images"
            if is_own(image)
            else f"use a machine with {architecture}",
        )
    labels = (told.get("Config") or {}).get("Labels") or {}
    if is_own(image) and labels.get(INPUTS_LABEL) != inputs_sha256(image):
        raise use.error(
            found=f"an image {image} that was built from other files",
            expected="one of the files as they are",
            way_out="build it again: make images (what has not changed is kept)",
        )


def check_folders(use: DockerUse, image: str, folders: tuple[Path, ...], engine: Engine) -> None:
    """Make sure that containers see folders of this machine, where that is not certain.

    An engine in a virtual machine (Docker Desktop, colima), of a snap, or beside the container that this runs
    in (it may have the host's name) sees some of them or none, and shows an empty folder in its place. So a
    container looks for a file, which takes half a second.

    Args:
        folders: May be missing: the nearest that is there counts.

    Raises:
        WorkshopError: Naming the folder.
    """
    if engine.is_here and not _INSIDE_CONTAINER.exists():
        return
    with ExitStack() as files:
        looked_for = [
            files.enter_context(tempfile.NamedTemporaryFile(prefix=".workshop-", dir=place))
            for place in dict.fromkeys(map(_writable, folders))
            if place
        ]
        for unseen in _unseen(image, [Path(file.name) for file in looked_for]):
            raise use.error(
                found=f"a Docker whose containers do not see {unseen.parent}",
                expected="a folder of this machine that it shares with its containers",
                way_out="share it (Docker Desktop: Settings, Resources, File sharing), or move the "
                "repository and WORKSHOP_HOME below your home folder, then run the cell again",
            )


def _writable(folder: Path) -> Path | None:
    """Return a folder or the nearest above it in which a file can be made for a moment, if there is one."""
    return next((each for each in (folder, *folder.parents) if os.access(each, os.W_OK)), None)


def _unseen(image: str, paths: list[Path]) -> list[Path]:
    """Return those of some files that a container does not see; one container looks for all of them."""
    # Not as a volume: the engine would make a folder that it lacks, which is root's.
    mounts = [
        f'--mount=type=bind,"source={path.parent}",target=/folder/{number},readonly'
        for number, path in enumerate(paths)
    ]
    names = [f"/folder/{number}/{path.name}" for number, path in enumerate(paths)]
    options = ("--rm", "--pull=never", "--network=none", "--user=0", "--entrypoint=ls", *mounts)
    if output_of("docker", "run", *options, image, *names) is not None:
        return []
    return paths if len(paths) < 2 else [each for path in paths for each in _unseen(image, [path])] or paths


def studio_app() -> str:
    """Return the kind of app of SageMaker Studio that this runs in; "" elsewhere.

    A notebook instance has the file too, without that field, and a Docker of its own.
    """
    try:
        return str(json.loads(roles.METADATA_PATH.read_text(encoding="utf-8")).get("AppType", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def free_gib(engine: Engine) -> float | None:
    """Return the free place for images and containers; None when it is on a disk that this machine lacks."""
    try:
        return shutil.disk_usage(engine.root_dir).free / GIB if engine.is_here else None
    except OSError:
        return None


def _check_studio(use: DockerUse) -> None:
    if app := studio_app():
        raise use.error(
            found=f"SageMaker Studio ({app}): its containers have no network but `sagemaker`, and there are "
            "none before EnableDockerAccess",
            expected="a machine whose Docker takes networks and ports",
            way_out="run this notebook on a notebook instance or an EC2 instance "
            "(setup/README.md, Docker; ml.g5.4xlarge for AWS's images)",
        )


def _check_compose(use: DockerUse, engine: Engine) -> None:
    """Look for the Compose that the SDK takes: the plugin, else the program, which may be the old one.

    Source: sagemaker-train 1.27, `_LocalContainer._get_compose_cmd_prefix`.
    """
    version = engine.compose_version or (output_of("docker-compose", "version", "--short") or "").strip()
    step = "install the package docker-compose-plugin (Debian: docker-compose 2) and run the cell again"
    expected = f"Docker Compose {MIN_COMPOSE}, which the SageMaker SDK starts the container with"
    if not version:
        found = "no Docker Compose (`docker compose version` fails)"
        raise use.error(found=found, expected=expected, way_out=step)
    major = version.removeprefix("v").partition(".")[0]
    if major.isdecimal() and int(major) < MIN_COMPOSE:
        raise use.error(found=f"Docker Compose {version}", expected=expected, way_out=step)


def _check_gpu(use: DockerUse, engine: Engine) -> None:
    if not has_gpu():
        raise use.error(
            found="no NVIDIA GPU that answers (`nvidia-smi` fails)",
            expected="a GPU: the images for 8B models run on nothing else",
            way_out="use an instance with a GPU, for example an ml.g5.4xlarge",
        )
    if "nvidia" not in engine.runtimes and not any(map(shutil.which, _GPU_HOOKS)):
        raise use.error(
            found="a Docker that cannot hand GPUs to containers",
            expected="the NVIDIA Container Toolkit",
            way_out="install nvidia-container-toolkit, restart Docker and run the cell again",
        )


def _check_memory(use: DockerUse, engine: Engine, needed_gib: float) -> None:
    if 0 < engine.memory_bytes < needed_gib * GIB:
        raise use.error(
            found=f"a Docker that has {engine.memory_bytes / GIB:.1f} GiB of memory",
            expected=f"{needed_gib} GiB",
            way_out="give it more (Docker Desktop: Settings, Resources), then run the cell again",
        )


def _check_disk(use: DockerUse, engine: Engine, needed_gib: float) -> None:
    free = free_gib(engine)
    if free is not None and free < needed_gib:
        raise use.error(
            found=f"{free:.1f} GiB free where Docker keeps its containers ({engine.root_dir})",
            expected=f"{needed_gib} GiB for a run",
            way_out="make room (docker system df says what takes it, docker system prune removes what nobody "
            "uses), then run the cell again",
        )


def _inspected(image: str) -> dict[str, Any] | None:
    told = output_of("docker", "image", "inspect", image)
    return json.loads(told)[0] if told else None
