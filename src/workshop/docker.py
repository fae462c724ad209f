"""What serving in a container needs on this machine, looked for before anything starts; and its removal."""

from __future__ import annotations

import re
import shutil
import subprocess

from workshop.errors import WorkshopError

_ASK_TIMEOUT_S = 60
_REMOVE_TIMEOUT_S = 300
_NEXT_STEP = "set serve_with: process in workshop.yaml, or "
# Any of them makes `docker run --gpus` work, whether or not a runtime is registered.
_GPU_HOOKS = ("nvidia-container-runtime-hook", "nvidia-container-runtime", "nvidia-ctk")
_REGISTRY = re.compile(r"(\d+\.dkr\.ecr\.([\w-]+)\.amazonaws\.com)/")


def check_docker(image: str) -> None:
    """Look for everything that `docker run --gpus all IMAGE` needs.

    Raises:
        WorkshopError: Naming what is missing.
    """
    if shutil.which("docker") is None:
        raise WorkshopError(
            found="serve_with: container, and no program `docker` on this machine",
            expected="Docker, which the serving image runs in",
            next_step=_NEXT_STEP + "install Docker (setup/README.md) and run the cell again",
        )
    runtimes = _output("docker", "info", "--format", "{{json .Runtimes}}")
    if runtimes is None:
        raise WorkshopError(
            found="serve_with: container, and a Docker that does not answer (`docker info` fails)",
            expected="a running Docker daemon that this user may use",
            next_step=_NEXT_STEP + "start it (Linux: sudo systemctl start docker) and run the cell again",
        )
    if _output("nvidia-smi") is None:
        raise WorkshopError(
            found="serve_with: container, and no NVIDIA GPU that answers (`nvidia-smi` fails)",
            expected="a GPU: the serving images run on nothing else",
            next_step=_NEXT_STEP
            + "use a machine with a GPU, or endpoint_num_gpus of them: an ml.g5.12xlarge",
        )
    if "nvidia" not in runtimes and not any(map(shutil.which, _GPU_HOOKS)):
        raise WorkshopError(
            found="serve_with: container, and a Docker that cannot hand GPUs to containers",
            expected="the NVIDIA Container Toolkit",
            next_step=_NEXT_STEP + "install nvidia-container-toolkit, restart Docker and run the cell again",
        )
    if _output("docker", "image", "inspect", image) is None:
        raise WorkshopError(
            found=f"serve_with: container, and no image {image} on this machine",
            expected="the image; it is several GB, so it is fetched by itself",
            next_step=_NEXT_STEP + _fetch(image),
        )


def remove_container(name: str) -> None:
    """Remove a container, whether it runs or not; one that is not there is none to remove."""
    _output("docker", "rm", "--force", name, timeout_s=_REMOVE_TIMEOUT_S)


def _fetch(image: str) -> str:
    match = _REGISTRY.match(image)
    if match is None:
        return f"fetch it: docker pull {image}"
    return (
        f"fetch it: aws ecr get-login-password --region {match[2]} | "
        f"docker login --username AWS --password-stdin {match[1]}; docker pull {image}"
    )


def _output(*command: str, timeout_s: float = _ASK_TIMEOUT_S) -> str | None:
    """Run a command and return what it wrote, or None when it did not end well."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
