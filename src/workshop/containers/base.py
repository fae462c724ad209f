"""What the own images are built on: the public Python image, or one made here where no registry answers."""

from __future__ import annotations

import subprocess

from workshop.containers.context import DOCKER_DIR
from workshop.containers.engine import has_image, output_of
from workshop.errors import WorkshopError
from workshop.view.process_output import last_lines

PUBLIC_BASE_IMAGE = "python:3.11-slim-bookworm"
LOCAL_BASE_IMAGE = "korean-news-base:local"
"""What setup/docker/base.sh makes."""

_PULL_TIMEOUT_S = 600
_BOOTSTRAP_TIMEOUT_S = 1200


def find_base_image(asked: str = "") -> str:
    """Return the name of a base image that is on this machine now, fetched or made if need be.

    Args:
        asked: By a person; "" for the one that there is, else the public one, else one made here.

    Raises:
        WorkshopError: There is none to be had.
    """
    names = [asked] if asked else [PUBLIC_BASE_IMAGE, LOCAL_BASE_IMAGE]
    for name in names:
        if has_image(name):
            return name
    if output_of("docker", "pull", "--quiet", names[0], timeout_s=_PULL_TIMEOUT_S) is not None:
        return names[0]
    if asked:
        raise WorkshopError(
            found=f"no image {asked} on this machine, and `docker pull {asked}` fails",
            expected="an image with Python 3.11 and its module venv",
            next_step=f"mend what `docker pull {asked}` says, or `make images` without BASE_IMAGE",
        )
    return _bootstrap()


def _bootstrap() -> str:
    """Make a base image from this machine's Debian source.

    Raises:
        WorkshopError: This machine cannot.
    """
    done = subprocess.run(
        [str(DOCKER_DIR / "base.sh"), LOCAL_BASE_IMAGE],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=_BOOTSTRAP_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise WorkshopError(
            found=f"no image registry answers (`docker pull {PUBLIC_BASE_IMAGE}` fails), and "
            f"setup/docker/base.sh could not make a base image here:{last_lines(done.stdout.splitlines())}",
            expected="a base image with Python 3.11 and its module venv",
            next_step="bring one (`docker load`, from a mirror), then `make images BASE_IMAGE=NAME`",
        )
    return LOCAL_BASE_IMAGE
