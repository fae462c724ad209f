"""What SageMaker Local Mode needs on this machine, and what it leaves: Docker, containers, root's files."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from workshop.aws.transfer import Transfers, stored, stored_sha256, upload_file
from workshop.errors import WorkshopError

if TYPE_CHECKING:
    from workshop.aws.session import Aws
    from workshop.view.process_output import Reader

COMPOSE_NAME = "docker-compose.yaml"
"""The file that the SDK writes; the account's keys are in it."""

_ASK_TIMEOUT_S = 60
_WORK_TIMEOUT_S = 600
# "algo-1-1  | progress {...}"
_CONTAINER_NAME = re.compile(r"^(\x1b\[[\d;]*m)?\S+\s+\|(\x1b\[[\d;]*m)? ?")
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
    if not _compose():
        raise WorkshopError(
            found="use_local_mode: true, and no Docker Compose (`docker compose version` fails)",
            expected="Docker Compose 2, which the SageMaker SDK starts the container with",
            next_step=_NEXT_STEP + "install the package docker-compose-plugin and run the cell again",
        )


def check_image(image: str) -> None:
    """Make sure that a container image need not be fetched: the keys of sample mode open no registry.

    Raises:
        WorkshopError: It is not on this machine.
    """
    if not _answers("docker", "image", "inspect", image):
        raise WorkshopError(
            found=f"use_local_mode: true in sample mode, and no image {image} on this machine",
            expected="the training image; sample mode has no keys of yours to fetch it from AWS with",
            next_step=_NEXT_STEP + "fetch it with your own keys (docker pull, after docker login)",
        )


def gpu_or_cpu() -> str:
    """Return the instance type of Local Mode: the SDK asks Docker for GPUs for local_gpu only."""
    return "local_gpu" if _answers("nvidia-smi") else "local_cpu"


def check_ended(folder: Path) -> None:
    """Make sure that a run came to its end: the SDK takes an interrupt for one, and raises nothing.

    One container that ended well is enough: Compose stops the others after it.

    Raises:
        RuntimeError: As the SDK raises for a script that failed.

    Source: sagemaker-core 2.27, `_stream_output` (130 is no error) and the `return` in the `finally` of
    `_telemetry_emitter`.
    """
    told = _output([*_compose(), "-f", str(folder / COMPOSE_NAME), "ps", "--all", "--quiet"], _ASK_TIMEOUT_S)
    ids = (told or b"").decode().split()
    state = "{{.State.Status}} {{.State.ExitCode}}"
    told = _output(["docker", "inspect", "--format", state, *ids], _ASK_TIMEOUT_S) if ids else None
    states = (told or b"").decode().splitlines()
    if "exited 0" not in states:
        raise RuntimeError(f"stopped before its end ({', '.join(states) or 'no container is left'})")


def keep_log(folder: Path, log_path: Path) -> None:
    """Replace the log by Docker's own: the SDK stops reading when Compose ends, and drops what was left.

    The log stays as it is when Docker does not tell.

    Source: sagemaker-core 2.27, `_stream_output`.
    """
    logs = [*_compose(), "-f", str(folder / COMPOSE_NAME), "logs", "--no-color", "--no-log-prefix"]
    if whole := _output(logs, _WORK_TIMEOUT_S):
        log_path.write_bytes(whole.replace(b"\x1b[2K", b""))  # Compose 2 clears each line before it


def remove_containers(folder: Path) -> None:
    """Remove a run's containers and network, which the SDK leaves, and the file with the account's keys.

    A stopped container holds its checkpoints: as much disk as the model, or several times that.
    """
    compose_file = folder / COMPOSE_NAME
    if compose_file.is_file():
        down = [*_compose(), "-f", str(compose_file), "down", "--volumes", "--timeout", "2"]
        _output(down, _WORK_TIMEOUT_S)
        compose_file.unlink()


def remove_folder(folder: Path, image: str) -> None:
    """Remove a folder that containers wrote to: on Linux root owns their files, and only a container may.

    Args:
        folder: May be missing.
        image: With the program chmod, and on this machine already.

    Raises:
        WorkshopError: Files of root remain.
    """
    try:
        _remove(folder)
        return
    except PermissionError:
        options = ("--rm", "--pull=never", "--network=none", "--entrypoint=chmod", f"--volume={folder}:/left")
        _output(["docker", "run", *options, image, "-R", "a+rwX", "/left"], _WORK_TIMEOUT_S)
    try:
        _remove(folder)
    except PermissionError as error:
        raise WorkshopError(
            found=f"files of another user in {folder}: {error.filename}",
            expected="a folder that can be emptied; the containers of Local Mode write as root",
            next_step=f"sudo rm -rf {folder}, then run the cell again",
        ) from None


def upload_result(aws: Aws, folder: Path, job_name: str) -> str:
    """Bring a model to where a training job leaves its own; files that are there with the same hash stay.

    Returns:
        The S3 folder, with a slash at its end.
    """
    s3, prefix = aws.client("s3"), f"{aws.prefix}/training/{job_name}/output/model/"
    present = stored(s3, aws.bucket, prefix)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with Transfers("upload of the model", sum(path.stat().st_size for path in paths)) as shown:
        for path in paths:
            key = prefix + path.relative_to(folder).as_posix()
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            if key in present and stored_sha256(s3, aws.bucket, key) == sha256:
                shown.skip(path.name, present[key])
            else:
                upload_file(s3, path, aws.bucket, key, sha256, shown)
    return f"s3://{aws.bucket}/{prefix}"


def _compose() -> list[str]:
    """Return the command that the SDK takes, or nothing: version 2 or later, else the old program.

    Source: sagemaker-train 1.27, `_LocalContainer._get_compose_cmd_prefix`.
    """
    if _answers("docker", "compose", "version"):
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _answers(*command: str) -> bool:
    return _output(command, _ASK_TIMEOUT_S) is not None


def _output(command: Sequence[str], timeout_s: float) -> bytes | None:
    """Run a command and return what it wrote, or None when it did not end well."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


class LiveOutput(io.TextIOBase):
    """Stands for stdout while the SDK prints what the containers print: shows it as a job's log is shown.

    Args:
        reader: Gets the lines, without the container's name that Compose puts before each.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader, self._stdout, self._rest = reader, sys.stdout, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        with redirect_stdout(self._stdout):  # the display may be plain lines
            for line in lines:
                self._reader.feed(_CONTAINER_NAME.sub("", line).encode("utf-8", errors="replace") + b"\n")
            self._reader.view.tick()
        return len(text)
