"""What every job's program finds: the variables of its environment, and this environment's Python."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from processes.cores import threads_per_process
from processes.ports import free_port
from sandbox.container_paths import ContainerPaths
from sandbox.handed_on import handed_on
from sandbox.loopback import PLUGIN, PLUGINS_VARIABLE

LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
_PROCESSES_PER_HOST = 2  # as in the recipes of sample mode; a job's own OMP_NUM_THREADS wins
_SYSTEM_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
_INTERPRETERS = ("python3", "python", "pip3", "pip")


def job_environment(
    given: Mapping[str, str], paths: ContainerPaths, *, num_hosts: int, url: str, region: str
) -> dict[str, str]:
    """Return the environment of a job's process; what the job gives wins, except for where AWS is.

    Args:
        given: By the job.
        paths: The host's.
        num_hosts: They share this machine's cores.
        url: Where the program finds AWS.
        region: The region of its clients.
    """
    defaults = {
        # As in AWS's images.
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": str(threads_per_process(_PROCESSES_PER_HOST * num_hosts)),
        "TOKENIZERS_PARALLELISM": "false",
        # Nothing but loopback: neither a hub, nor a package index, nor a network card.
        "HF_HUB_OFFLINE": "1",
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_WARN_CONFLICTS": "0",  # pip reads it the other way round; warning takes a second
        "GLOO_SOCKET_IFNAME": LOOPBACK,
        # torchrun's default port is the same for every job.
        "PET_MASTER_PORT": str(free_port()),
    }
    folders = [_programs(paths), Path(sys.executable).parent, *_SYSTEM_FOLDERS]
    return {
        **handed_on(),
        **defaults,
        "PATH": os.pathsep.join(map(str, folders)),
        "HOME": str(paths.root / "home"),
        "TMPDIR": str(paths.tmp),
        **{name: paths.inside(value) for name, value in given.items()},
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": url,
        # Where AWS's plugin finds the MLflow App whose ARN a program has.
        "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT": url,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_EC2_METADATA_DISABLED": "true",
        PLUGINS_VARIABLE: PLUGIN,  # the SDK in a script asks STS at its fixed address
    }


def write_interpreters(paths: ContainerPaths) -> None:
    """Give this environment's Python names without spaces, as the path of an image's Python has none.

    The SDK's script runs what `command -v python3` finds without quoting it, and so may a job's own. Small
    programs and not links: an interpreter finds its environment beside the name that it is called by.
    """
    folder = _programs(paths)
    folder.mkdir(exist_ok=True)
    for name in _INTERPRETERS:
        program = Path(sys.executable).with_name(name)
        if program.exists():
            text = f'#!/bin/sh\nexec {shlex.quote(str(program))} "$@"\n'
            (folder / name).write_bytes(os.fsencode(text))
            (folder / name).chmod(0o755)


def _programs(paths: ContainerPaths) -> Path:
    return paths.scratch / "bin"
