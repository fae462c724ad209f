"""A training in SageMaker Local Mode: containers on this machine, with what the SDK leaves undone.

Local Mode has no job on AWS: nothing describes it, and its log is only printed. A run gets what a job has: a
name, a log, a display of its progress, and its model in S3. The folder keeps the last run, no other.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from processes.secret_values import hider
from workshop.account.machine import needs_gpu
from workshop.aws.transfer import Transfers, file_sha256, stored, upload_changed
from workshop.containers.checks import check_container
from workshop.containers.engine import DockerUse, Engine, has_gpu, has_image, output_of
from workshop.containers.guard import ContainerGuard
from workshop.containers.images import TRAINING_IMAGE
from workshop.containers.removal import remove_path
from workshop.errors import WorkshopError
from workshop.settings import Settings
from workshop.training.compose_file import COMPOSE_NAME, ContainerRules, amended_compose_file, caller_user
from workshop.training.job import FollowedJob, new_log_path
from workshop.view.live import make_view
from workshop.view.process_output import Reader, last_lines

if TYPE_CHECKING:
    from workshop.aws.session import Aws

ARTIFACTS = "artifacts"
"""Folder in which the SDK gathers what the containers left."""

DOCKER_USE = DockerUse(
    setting="use_local_mode: true",
    without="use_local_mode: false",
    purpose="SageMaker Local Mode runs its training container in",
)
MEMORY_SHARE = 0.8
"""Of the engine's memory, for all containers of a run: notebook and the AWS of sample mode need the rest."""

_COMPOSE = ("docker", "compose")
_WORK_TIMEOUT_S = 600
_RUN_NAME = re.compile(r".+-local-\d{8}-\d{6}")
# "algo-1-1  | progress {...}"
_CONTAINER_NAME = re.compile(r"^(?:\x1b\[[\d;]*m)?(algo-\d+)\S*\s+\|(?:\x1b\[[\d;]*m)? ?")
_FIRST_HOST = "algo-1"


def container_root(settings: Settings) -> Path:
    """Return the folder in which Local Mode keeps its files; each run empties it."""
    return (settings.home / "local-mode").absolute()


def is_local_run(job_name: str) -> bool:
    """Tell from its name whether a training ran in Local Mode."""
    return _RUN_NAME.fullmatch(job_name) is not None


def gpu_or_cpu() -> str:
    """Return the instance type of Local Mode: the SDK asks Docker for GPUs for local_gpu only."""
    return "local_gpu" if has_gpu() else "local_cpu"


def check_local_mode(settings: Settings) -> Engine:
    """Look for everything that Local Mode needs, before anything is started.

    AWS's image is not among it: the SDK fetches it.

    Returns:
        The engine that will run the containers.

    Raises:
        WorkshopError: Naming what is missing.
    """
    is_own = settings.container_images == "own"
    return check_container(
        DOCKER_USE,
        image=TRAINING_IMAGE if is_own else "",
        folders=(settings.repo_dir, settings.home),
        needs_gpu=needs_gpu(settings) and not is_own,
        needs_compose=True,
    )


def project_name(settings: Settings) -> str:
    """Return what Compose, the network and the guard of this home's runs are called, and no other home's."""
    digest = hashlib.sha256(str(container_root(settings)).encode()).hexdigest()
    return f"korean-news-training-{digest[:8]}"


def container_rules(settings: Settings, engine: Engine) -> ContainerRules:
    """Return what holds for Local Mode's containers on this machine.

    AWS's images install train.py's requirements as root, from where pip finds them; the repository's own have
    them, so that theirs have no way out and run as who calls.
    """
    is_own = settings.container_images == "own"
    return ContainerRules(
        project=project_name(settings),
        memory_bytes=int(MEMORY_SHARE * engine.memory_bytes / settings.training_instance_count),
        user=caller_user(" ".join(engine.security)) if is_own else None,
        is_offline=is_own,
    )


@dataclass(frozen=True, kw_only=True)
class LocalModeBackend:
    """Training in containers on this machine.

    Args:
        instance_type: local_gpu or local_cpu.
        container_root: Folder in which Local Mode keeps its files; each run empties it.
        rules: What holds for its containers.
        own_image: Runs in the place of AWS's; "" for AWS's.
        may_fetch_image: False where there are no keys to fetch one with.
        training_mode: Name in `sagemaker.train.model_trainer.Mode`.
        is_blocking: True: the SDK removes a run's files when `ModelTrainer.train` returns, whether it has
            ended or not.
    """

    instance_type: str
    container_root: Path
    rules: ContainerRules
    own_image: str = ""
    may_fetch_image: bool = True
    training_mode: str = "LOCAL_CONTAINER"
    is_blocking: bool = True

    def image(self, aws_image: str) -> str:
        """Return the image that runs here: the repository's own for processors, or AWS's for GPUs."""
        return self.own_image or aws_image

    @contextmanager
    def start_run(self, trainer: Any) -> Iterator[None]:
        """Show what a run prints, keep what it leaves, and remove what nobody needs, however it ends.

        Afterwards `trainer._latest_training_job.training_job_name` is the run's name, as after a job.

        Raises:
            WorkshopError: The training failed, its image is missing, or an older run's files cannot be
                removed.
        """
        root, image = self.container_root, trainer.training_image
        trainer._latest_training_job = None  # of an earlier run
        if not (self.own_image or self.may_fetch_image):
            _check_image(image)
        name = f"{trainer.base_job_name}-local-{time.strftime('%Y%m%d-%H%M%S')}"
        start_s = time.monotonic()
        log_path = new_log_path(root.parent, name)
        with ContainerGuard(self.rules.project, [root], image) as guard:
            root.mkdir(mode=0o700, parents=True)
            with _shown(name, log_path), amended_compose_file(self.rules, guard.label):
                try:
                    yield
                    _check_ended(root)
                finally:
                    _keep_log(root, log_path)
            for path in root.iterdir():
                if path.name != ARTIFACTS:  # the SDK leaves copies of what is there, and Compose's file
                    remove_path(path, image)
            run = {"job_name": name, "seconds": round(time.monotonic() - start_s, 1)}
            _run_path(root).write_text(json.dumps(run), encoding="utf-8")
            guard.keep(root)
        trainer._latest_training_job = SimpleNamespace(training_job_name=name)


def local_result(aws: Aws, job_name: str) -> FollowedJob:
    """Read a run's log, bring its model to S3 as a job would have, and return what the log says.

    Raises:
        WorkshopError: That run did not end well here, or another one came after it.
    """
    root = container_root(aws.settings)
    run = _finished_run(root)
    if run["job_name"] != job_name:
        raise WorkshopError(
            found=f"the run {run['job_name']} in {root}, not {job_name}",
            expected="the last run of Local Mode, the only one that it keeps",
            next_step="run the cells that start the training and record its name",
        )
    log_path = new_log_path(aws.settings.home, job_name)
    text = log_path.read_text(encoding="utf-8", errors="replace") if log_path.is_file() else ""
    with log_path.open("w", encoding="utf-8") as shown:
        reader = Reader(shown, hider(os.environ), make_view(job_name))
        reader.feed(text.encode())
        reader.close()
        ending = f"done · {run['seconds']:.0f} s in a container on this machine"
        reader.view.end("done", f"{job_name} · {ending} · log: {log_path}")
    return FollowedJob(
        job_name=job_name,
        arn="",
        status="Completed",
        seconds=run["seconds"],
        billable_seconds=0.0,
        status_seconds={"Local Mode": run["seconds"]},
        records=reader.records,
        phases=reader.phases,
        lines=list(reader.lines),
        model_uri=_upload_result(aws, root / ARTIFACTS / "model", job_name),
        log_path=log_path,
    )


def _run_path(root: Path) -> Path:
    """Return the file that is written at the end of a run that went well."""
    return root / "run.json"


def finished_runs(settings: Settings, base_name: str) -> list[str]:
    """Return the name of the run that the folder keeps, if it begins so; a second one would replace it."""
    try:
        run = _finished_run(container_root(settings))
    except WorkshopError:
        return []
    return [run["job_name"]] if run["job_name"].startswith(f"{base_name}-local-") else []


def _finished_run(root: Path) -> dict[str, Any]:
    try:
        return json.loads(_run_path(root).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorkshopError(
            found=f"no finished Local Mode training in {root}",
            expected="its log and its model",
            next_step="run the cell that starts the training",
        ) from None


@contextmanager
def _shown(name: str, log_path: Path) -> Iterator[None]:
    """Show what is printed as a job's log is shown; turn the SDK's errors into a person's."""
    with log_path.open("w", encoding="utf-8") as log:
        reader = Reader(log, hider(os.environ), make_view(name))
        try:
            with redirect_stdout(_LiveOutput(reader)):
                yield
        except (RuntimeError, CalledProcessError) as error:  # of Compose, of docker pull
            reader.view.end("failed", f"{name} · failed · log: {log_path}")
            raise _failure(name, log_path, error) from None
        except BaseException:
            reader.view.end("stopped", f"{name} · stopped")
            raise
    reader.view.end("done", f"{name} · done")


class _LiveOutput(io.TextIOBase):
    """Takes the place of stdout while the SDK prints what the containers print.

    Args:
        reader: Gets the lines, with the host before them as a job's have it.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader, self._stdout, self._rest = reader, sys.stdout, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        with redirect_stdout(self._stdout):  # the display may be plain lines
            for line in lines:
                self._reader.feed(_as_in_a_job(line).encode("utf-8", errors="replace") + b"\n")
            self._reader.view.tick()
        return len(text)


def _as_in_a_job(line: str) -> str:
    """Put the host before a line of a second host and more, as `follow` does, and nothing before the first's.

    Compose puts the container's name before each: "algo-2-1  | ", in colours where it can.
    """
    return _CONTAINER_NAME.sub(lambda match: "" if match[1] == _FIRST_HOST else f"{match[1]} | ", line)


def _failure(name: str, log_path: Path, error: Exception) -> WorkshopError:
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    return WorkshopError(
        found=f"the run {name} failed: {error}\nits last lines:{last_lines(lines)}",
        expected="containers that end with exit status 0",
        next_step=f"correct what its last lines name and start it again; its whole log: {log_path}",
    )


def _check_image(image: str) -> None:
    """Make sure that a container image need not be fetched: the keys of sample mode open no registry."""
    if has_image(image):
        return
    raise WorkshopError(
        found=f"use_local_mode: true in sample mode, and no image {image} on this machine",
        expected="the training image; sample mode has no keys of yours to fetch it from AWS with",
        next_step=f"set {DOCKER_USE.without} in workshop.yaml, or fetch it with your own keys "
        "(docker pull, after docker login)",
    )


def _check_ended(root: Path) -> None:
    """Make sure that a run came to its end: the SDK takes an interrupt for one, and raises nothing.

    The first host, which saves, has to: Compose stops the others after it, or it after them, and torchrun
    lets all end together. Its shell takes no SIGTERM, so that it comes to its end then.

    Raises:
        RuntimeError: As the SDK raises for a script that failed.

    Source: sagemaker-core 2.27, `_stream_output` (130 is no error) and the `return` in the `finally` of
    `_telemetry_emitter`.
    """
    listing = (*_COMPOSE, "-f", str(root / COMPOSE_NAME), "ps", "--all", "--quiet", _FIRST_HOST)
    ids = (output_of(*listing) or "").split()
    state = "{{.State.Status}} {{.State.ExitCode}}"
    inspected = output_of("docker", "inspect", "--format", state, *ids) if ids else None
    states = (inspected or "").splitlines()
    if states != ["exited 0"]:
        raise RuntimeError(f"stopped before its end ({', '.join(states) or 'no container is left'})")


def _keep_log(root: Path, log_path: Path) -> None:
    """Replace the log by Docker's own: the SDK stops reading when Compose ends, and drops what was left.

    The log stays as it is when Docker returns none.

    Source: sagemaker-core 2.27, `_stream_output`.
    """
    logs = (*_COMPOSE, "-f", str(root / COMPOSE_NAME), "logs", "--no-color")
    if whole := output_of(*logs, timeout_s=_WORK_TIMEOUT_S):
        lines = whole.replace("\x1b[2K", "").split("\n")  # Compose 2 clears each line before it
        log_path.write_text("\n".join(map(_as_in_a_job, lines)), encoding="utf-8")


def _upload_result(aws: Aws, folder: Path, job_name: str) -> str:
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
            upload_changed(s3, path, aws.bucket, key, file_sha256(path), present, shown)
    return f"s3://{aws.bucket}/{prefix}"
