"""Where a training runs: as a job on SageMaker, or in Local Mode's container on this machine.

Local Mode has no job on AWS: nothing describes it, and its log is only printed. Both kinds of place answer to
the same calls, so that a notebook's cells are the same for both.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.aws import Aws
from workshop.errors import WorkshopError
from workshop.local_mode import Both, check_docker, gpu_or_cpu
from workshop.settings import Settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from workshop.follow import FollowedJob

# Compose puts the container's name before each line: "algo-1  | progress {...}".
_CONTAINER_NAME = re.compile(r"^(\x1b\[[\d;]*m)?\S+\s+\|(\x1b\[[\d;]*m)? ?")


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

    def recorded(self) -> AbstractContextManager[None]:
        """Do nothing: CloudWatch keeps the log of a job."""
        return nullcontext()

    def job_name(self, trainer: Any) -> str:
        """Return the name of the job that a ModelTrainer has started."""
        return trainer._latest_training_job.training_job_name  # the SDK's documentation reads it so too

    def follow(self, aws: Aws, job_name: str, *, timeout_s: float) -> FollowedJob:
        """Show the job until it ends; see `workshop.follow.follow`."""
        from workshop.follow import follow

        return follow(aws, job_name, timeout_s=timeout_s)


@dataclass(frozen=True, kw_only=True)
class InLocalMode:
    """Training in SageMaker Local Mode, which ends before `ModelTrainer.train` returns.

    Args:
        instance_type: local_gpu or local_cpu.
        instance_count: Containers.
        container_root: Folder in which Local Mode keeps its files.
    """

    instance_type: str
    instance_count: int
    container_root: Path
    mode: str = "LOCAL_CONTAINER"

    @property
    def log_path(self) -> Path:
        """What the containers printed."""
        return self.container_root / "training.log"

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Keep what the containers print: there is no other log."""
        import sys

        self.container_root.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("w", encoding="utf-8") as log, redirect_stdout(Both(sys.stdout, log)):
            yield

    def job_name(self, trainer: Any) -> str:
        """Return a name for the run; Local Mode gives it none that lasts."""
        return f"{trainer.base_job_name}-local-{time.strftime('%Y%m%d-%H%M%S')}"

    def follow(self, aws: Aws, job_name: str, *, timeout_s: float) -> FollowedJob:
        """Read the run's log and return what it says.

        Raises:
            WorkshopError: There is no log, or no model beside it.
        """
        from workshop.follow import FollowedJob
        from workshop.live_view import make_view
        from workshop.process_output import Reader

        model_dir = self.container_root / "artifacts" / "model"
        if not self.log_path.is_file() or not model_dir.is_dir():
            raise WorkshopError(
                found=f"no finished Local Mode training in {self.container_root}",
                expected="its log and its model",
                next_step="run the cell that starts the training",
            )
        text = self.log_path.read_text(encoding="utf-8", errors="replace")
        with (self.container_root / "shown.log").open("w", encoding="utf-8") as shown:
            reader = Reader(shown, lambda line: line, make_view(job_name))
            for line in text.splitlines():
                reader.feed(_CONTAINER_NAME.sub("", line).encode() + b"\n")
            reader.close()
            reader.view.end("done", f"{job_name} · done")
        return FollowedJob(
            job_name=job_name,
            arn="",
            status="Completed",
            seconds=reader.records[-1].get("elapsed_s", 0.0) if reader.records else 0.0,
            billable_seconds=0.0,
            status_seconds={},
            records=reader.records,
            phases=reader.phases,
            lines=list(reader.lines),
            model_uri=model_dir.as_uri(),
            log_path=self.log_path,
        )


def training_place(settings: Settings, *, use_local_mode: bool) -> OnSageMaker | InLocalMode:
    """Return where to train; for Local Mode, after a look at what it needs.

    Raises:
        WorkshopError: Local Mode is wanted, and Docker, its daemon or Compose is missing.
    """
    root, count = settings.home / "local-mode", settings.training_instance_count
    if not use_local_mode:
        instance_type = settings.training_instance_type
        return OnSageMaker(instance_type=instance_type, instance_count=count, container_root=root)
    check_docker()
    return InLocalMode(instance_type=gpu_or_cpu(), instance_count=count, container_root=root)
