"""Where a training runs: as a job on SageMaker, or in Local Mode's container on this machine.

Local Mode has no job on AWS: nothing describes it, and its log is only printed. Both kinds of place answer to
the same calls, so that a notebook's cells are the same for both.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import TYPE_CHECKING, Any

from workshop.aws.session import Aws
from workshop.errors import WorkshopError
from workshop.settings import Settings
from workshop.training import local_mode
from workshop.view.command_text import hider

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from workshop.training.follow import FollowedJob

NUM_ERROR_LINES = 15


@dataclass(frozen=True, kw_only=True)
class OnSageMaker:
    """Training jobs on SageMaker.

    Args:
        instance_type: For example ml.g5.4xlarge.
        instance_count: Machines of one job.
        container_root: Folder that only Local Mode writes to.
    """

    instance_type: str
    instance_count: int
    container_root: Path
    mode: str = "SAGEMAKER_TRAINING_JOB"
    waits: bool = False
    """Whether `ModelTrainer.train` returns only at the end."""

    def recorded(self, trainer: Any) -> AbstractContextManager[None]:
        """Do nothing: CloudWatch keeps the log of a job."""
        return nullcontext()

    def job_name(self, trainer: Any) -> str:
        """Return the name of the job that a ModelTrainer has started."""
        return trainer._latest_training_job.training_job_name  # the SDK's documentation reads it so too

    def follow(self, aws: Aws, job_name: str, *, timeout_s: float) -> FollowedJob:
        """Show the job until it ends; see `workshop.training.follow.follow`."""
        from workshop.training.follow import follow

        return follow(aws, job_name, timeout_s=timeout_s)


@dataclass(frozen=True, kw_only=True)
class InLocalMode:
    """Training in SageMaker Local Mode, in containers on this machine.

    Args:
        instance_type: local_gpu or local_cpu.
        instance_count: Containers.
        container_root: Folder in which Local Mode keeps its files; each run empties it.
        may_fetch_image: False where there are no keys to fetch one with.
    """

    instance_type: str
    instance_count: int
    container_root: Path
    may_fetch_image: bool = True
    mode: str = "LOCAL_CONTAINER"
    waits: bool = True
    """The SDK takes a run's files away when `ModelTrainer.train` returns, whether it has ended or not."""

    @property
    def log_path(self) -> Path:
        """What the containers printed."""
        return self.container_root / "training.log"

    @property
    def _run_path(self) -> Path:
        """Written at the end of a run that went well."""
        return self.container_root / "run.json"

    @property
    def _artifacts_dir(self) -> Path:
        return self.container_root / "artifacts"

    @contextmanager
    def recorded(self, trainer: Any) -> Iterator[None]:
        """Show what a run prints, keep what it leaves, and remove what nobody needs.

        Raises:
            WorkshopError: The training failed, its image is missing, or an older run's files cannot be
                removed.
        """
        image = trainer.training_image
        if not self.may_fetch_image:
            local_mode.check_image(image)
        local_mode.remove_containers(self.container_root)  # they run on when a kernel is killed
        local_mode.remove_folder(self.container_root, image)
        self.container_root.mkdir(parents=True)
        # The source folder is mounted into the container, whose root would leave compiled files in it.
        trainer.environment = {**(trainer.environment or {}), "PYTHONDONTWRITEBYTECODE": "1"}
        name = f"{trainer.base_job_name}-local-{time.strftime('%Y%m%d-%H%M%S')}"
        start_s = time.monotonic()
        with self._shown(name):
            try:
                yield
                local_mode.check_ended(self.container_root)
            finally:
                local_mode.keep_log(self.container_root, self.log_path)
                local_mode.remove_containers(self.container_root)
        for copy in ("model", "compressed_artifacts"):  # of what is in artifacts/model
            local_mode.remove_folder(self.container_root / copy, image)
        seconds = round(time.monotonic() - start_s, 1)
        self._run_path.write_text(json.dumps({"job_name": name, "seconds": seconds}), encoding="utf-8")

    @contextmanager
    def _shown(self, name: str) -> Iterator[None]:
        """Show what is printed as a job's log is shown; turn the SDK's errors into a person's."""
        from workshop.view.live import make_view
        from workshop.view.process_output import Reader

        with self.log_path.open("w", encoding="utf-8") as log:
            reader = Reader(log, hider(os.environ), make_view(name))
            try:
                with redirect_stdout(local_mode.LiveOutput(reader)):
                    yield
            except (RuntimeError, CalledProcessError) as error:  # of Compose, of docker pull
                reader.view.end("failed", f"{name} · failed · log: {self.log_path}")
                raise self._failure(name, error) from None
            except BaseException:
                reader.view.end("stopped", f"{name} · stopped")
                raise
        reader.view.end("done", f"{name} · done")

    def job_name(self, trainer: Any) -> str:
        """Return the name of the run that ended a moment ago."""
        return self._run()["job_name"]

    def follow(self, aws: Aws, job_name: str, *, timeout_s: float) -> FollowedJob:
        """Read the run's log, bring its model to S3 as a job would have, and return what the log says.

        Raises:
            WorkshopError: That run did not end well here, or another one came after it.
        """
        from workshop.training.follow import FollowedJob
        from workshop.view.live import make_view
        from workshop.view.process_output import Reader

        run = self._run()
        if run["job_name"] != job_name:
            raise WorkshopError(
                found=f"the run {run['job_name']} in {self.container_root}, not {job_name}",
                expected="the last run of Local Mode, the only one that it keeps",
                next_step="run the cells that start the training and record its name",
            )
        log_path = aws.settings.home / "jobs" / f"{job_name}.log"
        log_path.parent.mkdir(parents=True, exist_ok=True)
        text = self.log_path.read_text(encoding="utf-8", errors="replace")
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
            model_uri=local_mode.upload_result(aws, self._artifacts_dir / "model", job_name),
            log_path=log_path,
        )

    def _run(self) -> dict[str, Any]:
        try:
            return json.loads(self._run_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise WorkshopError(
                found=f"no finished Local Mode training in {self.container_root}",
                expected="its log and its model",
                next_step="run the cell that starts the training",
            ) from None

    def _failure(self, name: str, error: Exception) -> WorkshopError:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        last = "".join(f"\n  | {line}" for line in lines[-NUM_ERROR_LINES:]) or " none"
        return WorkshopError(
            found=f"the run {name} failed: {error}\nits last lines:{last}",
            expected="containers that end with exit status 0",
            next_step=f"correct what its last lines name and start it again; its whole log: {self.log_path}",
        )


def training_place(settings: Settings, *, use_local_mode: bool) -> OnSageMaker | InLocalMode:
    """Return where to train; for Local Mode, after a look at what it needs.

    Raises:
        WorkshopError: Local Mode is wanted, and Docker, its daemon or Compose is missing.
    """
    root, count = (settings.home / "local-mode").absolute(), settings.training_instance_count
    if not use_local_mode:
        instance_type = settings.training_instance_type
        return OnSageMaker(instance_type=instance_type, instance_count=count, container_root=root)
    local_mode.check_docker()
    return InLocalMode(
        instance_type=local_mode.gpu_or_cpu(),
        instance_count=count,
        container_root=root,
        may_fetch_image=settings.mode != "sample",
    )
