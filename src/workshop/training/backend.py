"""Where ModelTrainer trains: as a job on SageMaker, or in Local Mode's containers on this machine.

Both backends have the same attributes, so that a notebook's cells are the same for both:

    backend = training_backend(settings, use_local_mode=USE_LOCAL_MODE)
    trainer = ModelTrainer(training_mode=Mode[backend.training_mode], ...)
    with backend.start_run(trainer):
        trainer.train(input_data_config=channels, wait=backend.is_blocking, logs=False)
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.containers.images import TRAINING_IMAGE
from workshop.settings import Settings
from workshop.training.local_mode import (
    LocalModeBackend,
    check_local_mode,
    container_root,
    container_rules,
    gpu_or_cpu,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


@dataclass(frozen=True, kw_only=True)
class SageMakerBackend:
    """Training jobs on SageMaker.

    Args:
        instance_type: For example ml.g5.4xlarge.
        container_root: Folder that only Local Mode writes to.
        training_mode: Name in `sagemaker.train.model_trainer.Mode`.
        is_blocking: Whether `ModelTrainer.train` returns only at the end.
    """

    instance_type: str
    container_root: Path
    training_mode: str = "SAGEMAKER_TRAINING_JOB"
    is_blocking: bool = False

    def image(self, aws_image: str) -> str:
        """Return the image that AWS runs: its own."""
        return aws_image

    def start_run(self, trainer: Any) -> AbstractContextManager[None]:
        """Do nothing: SageMaker runs the job, and CloudWatch keeps its log for `follow`."""
        return nullcontext()


def training_backend(settings: Settings, *, use_local_mode: bool) -> SageMakerBackend | LocalModeBackend:
    """Return where to train; for Local Mode, after a look at what it needs.

    Raises:
        WorkshopError: Local Mode is wanted, and Docker, its daemon or Compose is missing.
    """
    root = container_root(settings)
    if not use_local_mode:
        return SageMakerBackend(instance_type=settings.training_instance_type, container_root=root)
    engine = check_local_mode(settings)
    return LocalModeBackend(
        instance_type=gpu_or_cpu(),
        container_root=root,
        rules=container_rules(settings, engine),
        own_image=TRAINING_IMAGE if settings.container_images == "own" else "",
        may_fetch_image=settings.mode != "sample",
    )
