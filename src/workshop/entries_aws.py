"""The entries of state.json for what stands on AWS: training jobs, endpoints, inference components."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workshop.entries import Entry, ModelFolderEntry, now_utc
from workshop.settings import Settings

if TYPE_CHECKING:
    from workshop.training.follow import FollowedJob


@dataclass(frozen=True, kw_only=True)
class TrainingJobState(ModelFolderEntry):
    """Record a SageMaker training job: from its start, so that a new kernel finds it again, to its result.

    Args:
        job_name: Training job.
        arn: Of the job; "" until it has ended, and in Local Mode.
        status: "InProgress" until `finished` is recorded, then as AWS says.
        recipe: File name of the training recipe.
        dataset_name: "small" or "full".
        base_model_uri: S3 folder of the model that is tuned.
        model_uri: S3 address of the result; "" until then.
        model_dir: Where it is downloaded to.
        train_seconds: Training time as AWS counts it; 0 until then.
        billable_seconds: What AWS charges, for each machine; 0 until then.
    """

    job_name: str
    arn: str
    status: str
    recipe: str
    dataset_name: str
    base_model_uri: str
    model_uri: str
    train_seconds: float
    billable_seconds: float

    @classmethod
    def started(
        cls, settings: Settings, *, notebook: str, job_name: str, base_model_uri: str
    ) -> TrainingJobState:
        """Describe a job that was created a moment ago."""
        return cls(
            made_at=now_utc(),
            notebook=notebook,
            job_name=job_name,
            arn="",
            status="InProgress",
            recipe=settings.recipe,
            dataset_name=settings.dataset_name,
            base_model_uri=base_model_uri,
            model_uri="",
            model_dir=(settings.home / "jobs" / job_name / "model").absolute(),
            train_seconds=0.0,
            billable_seconds=0.0,
        )

    def finished(self, job: FollowedJob) -> TrainingJobState:
        """Describe the same job at its end; record it when its model is downloaded."""
        return replace(
            self,
            arn=job.arn,
            status=job.status,
            model_uri=job.model_uri,
            train_seconds=job.seconds,
            billable_seconds=job.billable_seconds,
        )

    def paths(self) -> list[Path]:
        return super().paths() if self.status == "Completed" else []


@dataclass(frozen=True, kw_only=True)
class EndpointState(Entry):
    """Record an endpoint and the two resources below it, which are deleted with it.

    Args:
        endpoint_name: Endpoint.
        config_name: Endpoint configuration.
        model_name: SageMaker model.
        model_uri: S3 address of the weights that it serves.
        instance_type: For example ml.g5.12xlarge.
    """

    endpoint_name: str
    config_name: str
    model_name: str
    model_uri: str
    instance_type: str


@dataclass(frozen=True, kw_only=True)
class ComponentsState(Entry):
    """Record an endpoint for inference components, so that a new kernel finds every part of it again.

    Args:
        endpoint_name: Endpoint; the names of everything on it and around it begin with it.
        model_uri: S3 address of the tuned weights.
        instance_type: For example ml.g5.12xlarge.
    """

    endpoint_name: str
    model_uri: str
    instance_type: str

    @property
    def config_name(self) -> str:
        """Of the endpoint configuration."""
        return self.endpoint_name

    @property
    def tuned(self) -> str:
        """Component with the tuned model, merged."""
        return f"{self.endpoint_name}-tuned"

    @property
    def base(self) -> str:
        """Component with the base model, which adapters join."""
        return f"{self.endpoint_name}-base"

    @property
    def adapter(self) -> str:
        """Adapter component on the base."""
        return f"{self.endpoint_name}-adapter"

    @property
    def components(self) -> tuple[str, str, str]:
        return self.tuned, self.base, self.adapter

    @property
    def alarm(self) -> str:
        """CloudWatch alarm that wakes the endpoint up."""
        return f"{self.endpoint_name}-no-capacity"

    @property
    def errors_alarm(self) -> str:
        """CloudWatch alarm that turns a rolling update back."""
        return f"{self.endpoint_name}-errors"

    def model(self, version: str) -> str:
        """Return the name of a SageMaker model."""
        return f"{self.endpoint_name}-model-{version}"
