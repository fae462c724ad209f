"""The file from which Docker Compose starts Local Mode's containers, with the limits that the SDK leaves out.

The SDK writes it, starts Compose on it, and goes on with what it wrote, not with the file: what is changed in
between is Compose's alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from processes.files import atomic_write

COMPOSE_NAME = "docker-compose.yaml"
"""The file that the SDK writes into its folder."""

SHM_SIZE = "1g"
"""Of /dev/shm, through which the processes of one machine exchange gradients with NCCL: what NVIDIA's guide
starts containers with (NCCL, Troubleshooting, Shared memory). With Docker's 64 MB it may end. Gloo, for
processors, takes sockets."""

MAX_PROCESSES = 4096
"""Threads count: torch, tokenizers and NCCL have some hundred for each GPU."""

_PROJECT_VARIABLE = "COMPOSE_PROJECT_NAME"
_CHANNELS, _DRIVERS = "/opt/ml/input/data/", "/opt/ml/input/data/sm_drivers"
_CHECKPOINTS = "/opt/ml/checkpoints"


@dataclass(frozen=True, kw_only=True)
class ContainerRules:
    """What holds for all containers of a run.

    Args:
        project: Compose's name for all that belongs to the run, and the network's: of one home alone.
        memory_bytes: Limit of each container; swap counts.
        user: UID:GID of what they write, or None for the image's own user.
        is_offline: Whether their network has no way out: nothing is installed from anywhere. They still reach
            what listens on all addresses of this machine (seen with Docker 20.10).
    """

    project: str
    memory_bytes: int
    user: str | None
    is_offline: bool


@contextmanager
def amended_compose_file(rules: ContainerRules, label: str) -> Iterator[None]:
    """Amend what the SDK writes as long as this lasts, before it starts anything.

    Args:
        label: NAME=VALUE, by which containers and network are found when the kernel is gone.

    The account's keys do not come into it: train.py asks AWS for nothing, and the SDK downloads S3's channels
    itself.

    Source: sagemaker-train 1.27, `_LocalContainer.train` calls `_generate_compose_file`, then Compose, and
    reads the dict that was returned when it gathers what the containers left; `_create_docker_host` puts into
    a container's environment what `_aws_credentials` returns.
    """
    from sagemaker.train.local import local_container

    of_sdk, credentials = local_container._LocalContainer, local_container._aws_credentials
    write = of_sdk._generate_compose_file

    def write_amended(container: Any, environment: dict[str, str], volumes: list[str]) -> dict[str, Any]:
        written = write(container, environment, volumes)
        root = Path(container.container_root)
        atomic_write(root / COMPOSE_NAME, _yaml(amended(written, rules, label, root)))
        return written

    of_sdk._generate_compose_file = write_amended
    local_container._aws_credentials = lambda session: None
    project = os.environ.get(_PROJECT_VARIABLE)
    os.environ[_PROJECT_VARIABLE] = rules.project  # a person's own would win over the file's name
    try:
        yield
    finally:
        del os.environ[_PROJECT_VARIABLE]
        if project is not None:
            os.environ[_PROJECT_VARIABLE] = project
        of_sdk._generate_compose_file = write
        local_container._aws_credentials = credentials


def amended(written: Mapping[str, Any], rules: ContainerRules, label: str, root: Path) -> dict[str, Any]:
    """Return what Compose is to read; makes the folders that Docker would make as root.

    Args:
        written: By the SDK.
        root: Folder in which Local Mode keeps its files.
    """
    content = deepcopy(dict(written))
    content["name"] = rules.project
    for network in content.get("networks", {}).values():  # Studio's containers have one that is there
        network |= {"name": rules.project, "internal": rules.is_offline, "labels": [label]}
    for host, service in content["services"].items():
        kept = f"{root / host / 'checkpoints'}:{_CHECKPOINTS}"
        service["volumes"] = [_with_access(volume) for volume in (*service["volumes"], kept)]
        _make_folders(service["volumes"])
        service |= {
            "labels": [label],
            "mem_limit": rules.memory_bytes,
            "memswap_limit": rules.memory_bytes,
            "pids_limit": MAX_PROCESSES,
            "shm_size": SHM_SIZE,
            "security_opt": ["no-new-privileges:true"],
            "pull_policy": "never",  # the SDK has fetched it, with keys that Compose has not
        }
        if rules.user:
            service |= {"user": rules.user, "cap_drop": ["ALL"]}
    return content


def caller_user(security_options: str) -> str | None:
    """Return UID:GID of who calls, so that what containers write is theirs; None where the engine maps users.

    Args:
        security_options: As `docker info` has them.
    """
    if sys.platform != "linux" or "rootless" in security_options:  # there root of a container is the caller
        return None
    return f"{os.getuid()}:{os.getgid()}"


def _with_access(volume: str) -> str:
    """Return a volume of the SDK's, HOST:CONTAINER or HOST:CONTAINER:z, read-only if it is an input."""
    place, z = (volume[:-2], ["z"]) if volume.endswith(":z") else (volume, [])
    inside = place.rsplit(":", 1)[1]
    # The entry point makes its own script executable
    is_input = inside.startswith(_CHANNELS) and inside != _DRIVERS
    options = ",".join([*(["ro"] if is_input else []), *z])
    return f"{place}:{options}" if options else place


def _make_folders(volumes: list[str]) -> None:
    """Make what is mounted, and inside it the places of other mounts: Docker makes what it misses as root."""
    places = {
        PurePosixPath(inside): Path(host) for host, inside, *_ in (each.rsplit(":") for each in volumes)
    }
    for inside, host in places.items():
        host.mkdir(parents=True, exist_ok=True)
        for outer in inside.parents:
            if outer in places:
                (places[outer] / inside.relative_to(outer)).mkdir(parents=True, exist_ok=True)
                break


def _yaml(content: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(content, sort_keys=False)
