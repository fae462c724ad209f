"""Docker on this machine: what is missing for a container is named before anything starts."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

from workshop.containers.images import is_own
from workshop.errors import WorkshopError

_ASK_TIMEOUT_S = 60
_REMOVE_TIMEOUT_S = 300
# Any of them makes `docker run --gpus` work, whether or not a runtime is registered.
_GPU_HOOKS = ("nvidia-container-runtime-hook", "nvidia-container-runtime", "nvidia-ctk")
_REGISTRY = re.compile(r"(\d+\.dkr\.ecr\.([\w-]+)\.amazonaws\.com)/")


@dataclass(frozen=True, kw_only=True)
class DockerUse:
    """The setting that asks for Docker; errors name it, and the one that does without.

    Args:
        setting: Line of workshop.yaml, for example "serve_with: container".
        without: The line to write instead.
        purpose: What runs in it, after "Docker, which ...".
    """

    setting: str
    without: str
    purpose: str

    def error(self, *, found: str, expected: str, way_out: str) -> WorkshopError:
        """Return the error for something that is missing.

        Args:
            found: After "SETTING, and ...".
            way_out: What to do to keep Docker.
        """
        return WorkshopError(
            found=f"{self.setting}, and {found}",
            expected=expected,
            next_step=f"set {self.without} in workshop.yaml, or {way_out}",
        )


SERVING = DockerUse(
    setting="serve_with: container",
    without="serve_with: process",
    purpose="the serving image runs in",
)


def check_docker(use: DockerUse) -> None:
    """Look for the program and its daemon.

    Raises:
        WorkshopError: One of them is missing.
    """
    if shutil.which("docker") is None:
        raise use.error(
            found="no program `docker` on this machine",
            expected=f"Docker, which {use.purpose}",
            way_out="install Docker (setup/README.md) and run the cell again",
        )
    if output_of("docker", "info") is None:
        raise use.error(
            found="a Docker that does not answer (`docker info` fails)",
            expected="a running Docker daemon that this user may use",
            way_out="start it (Linux: sudo systemctl start docker) and run the cell again",
        )


def check_serving_container(image: str) -> None:
    """Look for everything that `docker run IMAGE` needs: a GPU too, where the image is not the repository's.

    Raises:
        WorkshopError: Naming what is missing.
    """
    check_docker(SERVING)
    if is_own(image):
        if not has_image(image):
            raise SERVING.error(
                found=f"no image {image} on this machine",
                expected="the serving image that is built from this repository",
                way_out="build it: make images",
            )
        return
    check_gpu_containers(SERVING)
    if not has_image(image):
        raise SERVING.error(
            found=f"no image {image} on this machine",
            expected="the image; it is several GB, so it is fetched by itself",
            way_out=f"fetch it: {fetch_command(image)}",
        )


def check_gpu_containers(use: DockerUse) -> None:
    """Look for a GPU, and for what hands it to containers.

    Raises:
        WorkshopError: Naming what is missing.
    """
    if not has_gpu():
        raise use.error(
            found="no NVIDIA GPU that answers (`nvidia-smi` fails)",
            expected="a GPU: the images for 8B models run on nothing else",
            way_out="use an instance with a GPU, for example an ml.g5.4xlarge",
        )
    runtimes = output_of("docker", "info", "--format", "{{json .Runtimes}}")
    if "nvidia" not in (runtimes or "") and not any(map(shutil.which, _GPU_HOOKS)):
        raise use.error(
            found="a Docker that cannot hand GPUs to containers",
            expected="the NVIDIA Container Toolkit",
            way_out="install nvidia-container-toolkit, restart Docker and run the cell again",
        )


def has_gpu() -> bool:
    """Tell whether an NVIDIA GPU answers on this machine."""
    return output_of("nvidia-smi") is not None


def gpu_driver() -> int | None:
    """Return the number before the first dot of this machine's NVIDIA driver; None without one."""
    told = output_of("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader") or ""
    found = re.match(r"\d+", told)
    return int(found[0]) if found else None


def has_image(image: str) -> bool:
    """Tell whether an image is on this machine already."""
    return output_of("docker", "image", "inspect", image) is not None


def remove_container(name: str) -> None:
    """Remove a container, whether it runs or not; one that is not there is none to remove."""
    output_of("docker", "rm", "--force", name, timeout_s=_REMOVE_TIMEOUT_S)


def output_of(*command: str, timeout_s: float = _ASK_TIMEOUT_S) -> str | None:
    """Run a command and return what it wrote, or None when it did not end well."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else None


def fetch_command(image: str) -> str:
    """Return the command that fetches an image, with the login that AWS's registries want."""
    match = _REGISTRY.match(image)
    if match is None:
        return f"docker pull {image}"
    return (
        f"aws ecr get-login-password --region {match[2]} | "
        f"docker login --username AWS --password-stdin {match[1]}; docker pull {image}"
    )
