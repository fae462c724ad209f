"""The environment in which a container's program runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.container_paths import ContainerPaths
from sandbox.handed_on import handed_on


def container_environment(
    given: Mapping[str, str], *, paths: ContainerPaths, port: int, region: str, url: str
) -> dict[str, str]:
    """Return the whole environment of a server process.

    Args:
        given: Environment of the model's container definition, with the container's paths.
        paths: The folders used as /opt/ml and /tmp.
        port: Where on 127.0.0.1 the program shall listen.
        region: AWS region.
        url: The sandbox's: the AWS that a program in the container reaches, as an endpoint's role lets it.
    """
    return {
        **machine_environment(),
        "HOME": str(paths.tmp),
        "TMPDIR": str(paths.tmp),
        "SM_MODEL_DIR": paths.inside("/opt/ml/model"),
        # The serving engines' own server shows the container's paths, and reads the files where they are.
        "SERVE_OPT_ML_DIR": paths.inside("/opt/ml"),
        **{name: paths.inside(value) for name, value in given.items()},
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        # Nothing in the sandbox reaches outside of this machine.
        "HF_HUB_OFFLINE": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def machine_environment() -> dict[str, str]:
    """Return what is the same for every server: where programs and libraries are, and how text is written."""
    return {
        **handed_on(),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
