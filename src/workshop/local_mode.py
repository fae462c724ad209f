"""What SageMaker Local Mode needs on this machine: Docker, and Compose, which the SDK starts."""

from __future__ import annotations

import io
import shutil
import subprocess
from typing import TextIO

from workshop.errors import WorkshopError

_ASK_TIMEOUT_S = 20
_NEXT_STEP = "set use_local_mode: false in workshop.yaml, or "


def check_docker() -> None:
    """Look for everything that Local Mode needs, before anything is started.

    Raises:
        WorkshopError: Naming what is missing.
    """
    if shutil.which("docker") is None:
        raise WorkshopError(
            found="use_local_mode: true, and no program `docker` on this machine",
            expected="Docker, which SageMaker Local Mode runs its training container in",
            next_step=_NEXT_STEP + "install Docker (setup/README.md) and run the cell again",
        )
    if not _answers("docker", "info"):
        raise WorkshopError(
            found="use_local_mode: true, and a Docker that does not answer (`docker info` fails)",
            expected="a running Docker daemon that this user may use",
            next_step=_NEXT_STEP + "start it (Linux: sudo systemctl start docker) and run the cell again",
        )
    if not (_answers("docker", "compose", "version") or shutil.which("docker-compose")):
        raise WorkshopError(
            found="use_local_mode: true, and no Docker Compose (`docker compose version` fails)",
            expected="Docker Compose 2, which the SageMaker SDK starts the container with",
            next_step=_NEXT_STEP + "install the package docker-compose-plugin and run the cell again",
        )


def gpu_or_cpu() -> str:
    """Return the instance type of Local Mode: the SDK asks Docker for GPUs for local_gpu only."""
    return "local_gpu" if _answers("nvidia-smi") else "local_cpu"


def _answers(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_ASK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class Both(io.TextIOBase):
    """A text file that writes to several others."""

    def __init__(self, *files: TextIO) -> None:
        self._files = files

    def write(self, text: str) -> int:
        for file in self._files:
            file.write(text)
        return len(text)

    def flush(self) -> None:
        for file in self._files:
            file.flush()
