"""The commands that serve a model in a container: a network of its own, and `docker run` with its limits.

What an endpoint's container would get, it gets: environment, model in /opt/ml/model, port 8080, `serve`. What
it could do to this machine beyond that is taken away.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from processes.ports import HOST
from workshop.containers.images import is_own
from workshop.containers.removal import docker
from workshop.errors import WorkshopError
from workshop.serving.engines import CONTAINER_MODEL_DIR, CONTAINER_PORT

SHM_SIZE = "1g"
"""Shared memory of the container: NCCL exchanges tensors through it, and Docker's 64 MB are too few."""

MAX_PROCESSES = 512
"""Of the repository's own image, threads included: 6 were seen on two cores, and each core adds some."""

_GIB = 2**30
_TIMEOUT_S = 60
# Beside weights. 0.27 GiB were seen at most with transformers, 0.31 with CTranslate2, which converts first
# (memory.max_usage_in_bytes of the container; two cores, each of which adds buffers; November 2026).
_BASE_BYTES = 1.5 * _GIB


def network_command(name: str, label: str) -> tuple[str, ...]:
    """Return the command that makes a network from which nothing outside this machine answers.

    Packets leave it with the container's own address, to which no machine outside has a way back: no
    connection comes about. A network that is `--internal` lets nothing out at all, but Docker publishes no
    port of it (20.10: `docker port` is empty), and on Docker Desktop there is no other way in.
    """
    masquerade = "com.docker.network.bridge.enable_ip_masquerade=false"
    return ("docker", "network", "create", "--label", label, "--opt", masquerade, name)


def run_command(
    image: str,
    name: str,
    label: str,
    environment: Mapping[str, str],
    mounts: Mapping[Path, str],
    address: str,
    *,
    num_gpus: int,
) -> tuple[str, ...]:
    """Return the command that runs an image in the foreground, as SageMaker runs it: `serve`, on port 8080.

    Args:
        image: AWS's, which gets GPUs; or the repository's own, which gets none.
        name: Of the container and of its network.
        label: That it is found by when it is removed.
        environment: Of the container.
        mounts: Folder on this machine -> folder in the container, read only.
        address: HOST:PORT on this machine.
        num_gpus: As many as the model is spread over and no more: LMI starts further copies of it on what is
            left.
    """
    volumes = [part for source, target in mounts.items() for part in ("-v", f"{source}:{target}:ro")]
    variables = [part for key, value in environment.items() for part in ("-e", f"{key}={value}")]
    machine = own_limits(mounts) if is_own(image) else ("--gpus", str(num_gpus))
    return (
        # Never pulled: what is missing was named before, and a registry may have another one of that name.
        *("docker", "run", "--rm", "--pull=never", "--name", name, "--label", label, "--network", name),
        *("--shm-size", SHM_SIZE, "--security-opt=no-new-privileges", *machine),
        *("-p", f"{address}:{CONTAINER_PORT}", *volumes, *variables, image, "serve"),
    )


def own_limits(mounts: Mapping[Path, str]) -> Sequence[str]:
    """Return the options for the repository's own image, which needs less than AWS's.

    AWS's images run as root and write where they like; nobody has tried them with less.
    """
    memory = f"--memory={memory_gib(mounts)}g"
    # The same number again: no swap beside it.
    limits = [memory, memory.replace("memory", "memory-swap"), f"--pids-limit={MAX_PROCESSES}"]
    limits += ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"]
    # As who started it, for a model that only its owner may read; without rights, whoever that is.
    return [*limits, f"--user={os.getuid()}:{os.getgid()}"]


def memory_gib(mounts: Mapping[Path, str]) -> int:
    """Return the memory that a server on a CPU gets: weights as they are read, and as they are used."""
    folder = next(source for source, target in mounts.items() if target == CONTAINER_MODEL_DIR)
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return int(-(-(_BASE_BYTES + 2 * weights) // _GIB))


def check_port(port: int) -> None:
    """Look whether a port of this machine is free.

    Another program that has it would answer in the container's place, until Docker has noticed.

    Raises:
        WorkshopError: It is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise WorkshopError(
                found=f"port {port} of {HOST} cannot be published: {error.strerror}",
                expected="a port that no other program has",
                next_step="run the cell that plans again, which takes a free one, then this one",
            ) from None


def make_network(command: Sequence[str]) -> None:
    """Run the command of `network_command`.

    Raises:
        WorkshopError: Docker refuses.
    """
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise WorkshopError(
            found=f"Docker makes no network: {done.stderr.decode(errors='replace').strip()}",
            expected="a network for the container alone",
            next_step="do what it says (no addresses left: docker network prune), then run the cell again",
        )


def was_out_of_memory(name: str, started_at_s: float) -> bool:
    """Tell whether the kernel killed a process of a container, which is gone, for its memory limit.

    Args:
        name: Of the container; "" for none.
        started_at_s: Seconds since 1970; what was before is not looked at.
    """
    if not name:
        return False
    span = (f"--since={started_at_s:.3f}", f"--until={time.time():.3f}")
    return bool(docker("events", *span, "--filter", f"container={name}", "--filter", "event=oom"))
