"""What is served and how: image, environment, mounts and command, the same for Docker and for a process."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from processes.ports import HOST, free_port
from processes.secret_values import hider
from workshop.containers.guard import label_of, new_run_id
from workshop.containers.images import is_own, own_serving_image
from workshop.errors import WorkshopError
from workshop.serving.container import network_command, run_command
from workshop.serving.engines import CONTAINER_MODEL_DIR, ENGINES, ami_version, common_cuda, serving_image
from workshop.serving.environment import MAX_INPUT_TOKENS, MAX_TOTAL_TOKENS, serving_environment
from workshop.settings import Settings
from workshop.view.command_text import command_text

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, kw_only=True)
class ServingPlan:
    """Hold what a server is started with.

    Args:
        engine: A name of ENGINES.
        place: "process" or "container".
        image: Address of the engine's image, or the repository's own that speaks as it does; a process stands
            in for it where there is no GPU.
        environment: As an endpoint's container gets it: the model is in /opt/ml/model.
        model_dir: The model's folder on this machine.
        mounts: Folder on this machine -> folder in the container.
        port: On loopback.
        command: Program and arguments.
        command_environment: Variables that the command itself needs beside this process's own.
        container_name: Of the container and its network; "" for a process.
        run_id: Of the label of both.
        network_command: Makes that network; empty for a process.
        ami_version: InferenceAmiVersion that an endpoint with this image needs; None for the usual one.
    """

    engine: str
    place: str
    image: str
    environment: Mapping[str, str]
    model_dir: Path
    mounts: Mapping[Path, str]
    port: int
    command: tuple[str, ...]
    command_environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    container_name: str = ""
    run_id: str = ""
    network_command: tuple[str, ...] = ()
    ami_version: str | None = None

    @property
    def info_path(self) -> str:
        """Where the engine tells what it serves."""
        return ENGINES[self.engine].info_path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def command_text(self) -> str:
        """What is run, as one can paste it into a shell, secret values as ***."""
        run = command_text(self.command, self.command_environment)
        return self._hide(f"{command_text(self.network_command)}\n{run}" if self.network_command else run)

    @property
    def memory_limit(self) -> str:
        """Of the container; "" where it has none."""
        return next((part.partition("=")[2] for part in self.command if part.startswith("--memory=")), "")

    def rows(self) -> list[tuple[str, str]]:
        """Return what a person wants to see, in order; secret values as ***."""
        mounts = [f"{source} -> {target} (read only)" for source, target in self.mounts.items()]
        where = {"process": "python -m serve, on the CPU", "container": "Docker"}[self.place]
        if is_own(self.image):
            where = "Docker: python -m serve, on the CPU"
        return [
            ("engine", f"{ENGINES[self.engine].title}, by {where}"),
            ("image", self.image),
            *([("InferenceAmiVersion of an endpoint", self.ami_version)] if self.ami_version else []),
            *((f"environment {name}", self._hide(value)) for name, value in self.environment.items()),
            *(("mount", mount) for mount in mounts),
            ("model", str(self.model_dir)),
            ("url", self.url),
        ]

    def table(self) -> DataFrame:
        """Return `rows` as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=["", "value"]).set_index("")

    def _hide(self, text: str) -> str:
        return hider({**os.environ, **self.environment, **self.command_environment})(text)


def serving_plan(
    settings: Settings,
    model_dir: Path,
    *,
    max_input_tokens: int = MAX_INPUT_TOKENS,
    max_total_tokens: int = MAX_TOTAL_TOKENS,
    port: int | None = None,
    extra_environment: Mapping[str, str] | None = None,
) -> ServingPlan:
    """Plan how a model is served on this machine, with an endpoint's image and environment.

    What differs from an endpoint's is the number of GPUs: as many as are worth renting for a try.

    Args:
        settings: Name the engine, the place, the quantization, the number of GPUs and the region.
        model_dir: A model that training has left.
        max_input_tokens: Longest prompt.
        max_total_tokens: Longest prompt and answer together.
        port: On loopback; a free one when None.
        extra_environment: Further variables of the engine.

    Raises:
        WorkshopError: No model there, or limits that leave no room for an answer.
    """
    engine, place, model_dir = settings.serving_engine, settings.serve_with, Path(model_dir).absolute()
    if not (model_dir / "config.json").is_file():
        raise WorkshopError(
            found=f"no model in {model_dir}",
            expected="a folder with config.json, weights and tokenizer",
            next_step="run 03-SageMaker-Training, and the cell of this notebook that downloads its model",
        )
    environment = serving_environment(
        engine,
        num_gpus=settings.container_num_gpus,
        quantization=settings.serving_quantization,
        max_input_tokens=max_input_tokens,
        max_total_tokens=max_total_tokens,
    ) | dict(extra_environment or {})
    image = local_image(settings)
    port = port or free_port()
    name, run_id, network = "", "", ()
    if place == "container":
        name = _container_name(settings)
        run_id = new_run_id()
        label = label_of(name, run_id)
        mounts = {model_dir: CONTAINER_MODEL_DIR}
        network = network_command(name, label)
        command = run_command(
            *(image, name, label, environment, mounts, f"{HOST}:{port}"),
            num_gpus=settings.container_num_gpus,
        )
        command_environment: dict[str, str] = {}
    else:
        mounts = {}
        command = (sys.executable, "-m", "serve", "serve", "--dialect", engine)
        command_environment = environment | {
            ENGINES[engine].model: str(model_dir),
            "HOST": HOST,
            "PORT": str(port),
        }
    return ServingPlan(
        engine=engine,
        place=place,
        image=image,
        environment=MappingProxyType(environment),
        model_dir=model_dir,
        mounts=MappingProxyType(mounts),
        port=port,
        command=command,
        command_environment=MappingProxyType(command_environment),
        container_name=name,
        run_id=run_id,
        network_command=network,
        ami_version=ami_version(image, settings.endpoint_instance_type),
    )


def local_image(settings: Settings) -> str:
    """Return the image that serves on this machine; of a process, the one that it stands in for."""
    engine, machine = settings.serving_engine, settings.endpoint_instance_type
    if settings.serve_with == "container" and settings.container_images == "own":
        return own_serving_image(engine)
    cuda = common_cuda((engine,), machine)
    return serving_image(engine, region=settings.region, instance_type=machine, cuda=cuda)


def _container_name(settings: Settings) -> str:
    """Return one name for all containers of a mode's home, so that one that was left behind is found."""
    home = hashlib.sha256(str(settings.home).encode()).hexdigest()[:8]
    return f"workshop-serving-{settings.mode}-{home}"
