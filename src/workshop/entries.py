"""The typed entries of state.json: when and by which notebook something was made, and where it is."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from workshop.errors import WorkshopError
from workshop.news.table import SPLITS
from workshop.settings import Settings

if TYPE_CHECKING:
    from pandas import DataFrame

    from workshop.training.job import FollowedJob

DATASET_NAMES = ("small", "full")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Common part of every entry; fields of type Path are kept relative to the home, so that it can move.

    Args:
        made_at: UTC, ISO 8601.
        notebook: Name of the notebook that made it.
    """

    made_at: str
    notebook: str

    def paths(self) -> list[Path]:
        """Files and folders that must exist for the entry to be of use."""
        return [value for value in vars(self).values() if isinstance(value, Path)]

    def to_json(self, home: Path) -> dict[str, Any]:
        return {
            name: str(value.relative_to(home) if value.is_relative_to(home) else value)
            if isinstance(value, Path)
            else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, name: str, raw: Any, state_path: Path, notebook: str) -> Self:
        """Rebuild the entry; an entry of another shape (an older version of the workshop) is an error."""
        kinds = {field.name: field.type for field in fields(cls)}
        try:
            if set(raw) != set(kinds):
                raise TypeError(f"fields {', '.join(sorted(set(raw) ^ set(kinds)))}")
            values = {key: _typed(key, raw[key], kind, state_path.parent) for key, kind in kinds.items()}
        except (TypeError, AttributeError) as problem:
            raise WorkshopError(
                found=f"an unreadable {name} in {state_path} ({problem})",
                expected=f"an entry as the notebook {notebook} writes it",
                next_step=f"run the notebook {notebook} again",
            ) from None
        return cls(**values)


def _typed(key: str, value: Any, kind: Any, home: Path) -> Any:
    """Return the JSON value as the field's type, which annotations hold as text."""
    if kind == "Path" and type(value) is str:
        return home / value
    plain = {"str": str, "int": int, "float": float}.get(kind, dict)
    if type(value) is not plain and not (plain is float and type(value) is int):
        raise TypeError(f"{key} = {value!r} is not of type {kind}")
    return value


@dataclass(frozen=True, kw_only=True)
class DatasetState(Entry):
    """Record the small and the full data set that notebook 01 writes.

    Args:
        data_dir: Holds <name>/<split>/<split>.jsonl.
        news_source: Where the articles came from, as in the settings.
        base_model: Whose tokenizer the article lengths were measured with.
        num_rows: Rows by "<name>/<split>", for example {"small/train": 10}.
        sha256: Hash of each of these files, by the same keys.
        num_rejected: Rejected rows by data set name.
    """

    data_dir: Path
    news_source: str
    base_model: str
    num_rows: dict[str, int]
    sha256: dict[str, str]
    num_rejected: dict[str, int]

    @classmethod
    def of_folder(cls, settings: Settings, *, notebook: str) -> DatasetState:
        """Describe the files in the settings' data folder.

        Raises:
            WorkshopError: A split's file is missing.
        """
        counted = {
            f"{name}/{split}": _count_and_hash(_split_path(settings.data_dir, name, split), notebook)
            for name in DATASET_NAMES
            for split in SPLITS
        }
        rejected = {name: settings.data_dir / name / "rejected.jsonl" for name in DATASET_NAMES}
        return cls(
            made_at=now_utc(),
            notebook=notebook,
            data_dir=settings.data_dir,
            news_source=settings.news_source,
            base_model=settings.base_model,
            num_rows={key: num_rows for key, (num_rows, _) in counted.items()},
            sha256={key: digest for key, (_, digest) in counted.items()},
            num_rejected={
                name: _count_and_hash(path, notebook)[0] if path.exists() else 0
                for name, path in rejected.items()
            },
        )

    def split_path(self, name: str, split: str) -> Path:
        """Return the file of a split, for example split_path("small", "train")."""
        return _split_path(self.data_dir, name, split)

    def paths(self) -> list[Path]:
        return [self.split_path(*key.split("/")) for key in self.num_rows]


@dataclass(frozen=True, kw_only=True)
class ModelFolderEntry(Entry):
    """Common part of entries with a trained model: merged, at the folder's root, with adapter/ inside."""

    model_dir: Path

    @property
    def adapter_dir(self) -> Path:
        return self.model_dir / "adapter"

    @property
    def metrics_path(self) -> Path:
        return self.model_dir / "metrics.json"

    def paths(self) -> list[Path]:
        return [self.model_dir / "config.json", self.adapter_dir / "adapter_model.safetensors"]


@dataclass(frozen=True, kw_only=True)
class ModelState(ModelFolderEntry):
    """Record what a training run left: the merged model at the folder's root, with adapter/ inside.

    Args:
        model_dir: Folder that a server can load as it stands.
        base_model: Model that was tuned, as in the settings.
        recipe: File name of the training recipe.
        dataset_name: "small" or "full".
        train_sha256: Hash of the training split, as in DatasetState.sha256.
        num_train_rows: Rows of the training split.
        adapter_sha256: Hash of adapter/adapter_model.safetensors: which training run this is.
        train_seconds: Wall time from launch to saved model.
    """

    base_model: str
    recipe: str
    dataset_name: str
    train_sha256: str
    num_train_rows: int
    adapter_sha256: str
    train_seconds: float

    @property
    def training_name(self) -> str:
        """Name of the training that left it, the same whenever its entry is written again."""
        return f"local-{self.adapter_sha256[:8]}-{self.train_seconds:.0f}s"

    @classmethod
    def of_folder(
        cls,
        settings: Settings,
        dataset: DatasetState,
        model_dir: Path,
        *,
        notebook: str,
        train_seconds: float,
    ) -> ModelState:
        """Describe the model in a folder that training finished.

        Raises:
            WorkshopError: The folder holds no merged model or no adapter.
        """
        _require(model_dir / "config.json", notebook)
        adapter_path = _require(model_dir / "adapter" / "adapter_model.safetensors", notebook)
        train = f"{settings.dataset_name}/train"
        return cls(
            made_at=now_utc(),
            notebook=notebook,
            model_dir=model_dir.absolute(),
            base_model=settings.base_model,
            recipe=settings.recipe,
            dataset_name=settings.dataset_name,
            train_sha256=dataset.sha256[train],
            num_train_rows=dataset.num_rows[train],
            adapter_sha256=_count_and_hash(adapter_path, notebook)[1],
            train_seconds=float(train_seconds),
        )


@dataclass(frozen=True, kw_only=True)
class EvaluationState(Entry):
    """Record how well a trained model summarises, beside what it was compared with.

    Args:
        adapter_sha256: Whose scores they are, as in ModelState.
        num_articles: Unseen articles that were summarised.
        scores: System -> metric -> {"mean", "low", "high"}, between 0 and 1; the interval is of 95 %.
    """

    adapter_sha256: str
    num_articles: int
    scores: dict[str, dict[str, dict[str, float]]]

    @classmethod
    def of_table(
        cls, table: DataFrame, model: ModelState, *, num_articles: int, notebook: str
    ) -> EvaluationState:
        """Keep a table of scores.

        Args:
            table: What `score_table` returned.
            model: The model that was tuned.
            num_articles: Articles that every system summarised.
            notebook: Name of the notebook that scored them.
        """
        scores: dict[str, dict[str, dict[str, float]]] = {}
        for system, row in table.iterrows():
            for (metric, part), value in row.items():
                scores.setdefault(str(system), {}).setdefault(metric, {})[part] = float(value)
        return cls(
            made_at=now_utc(),
            notebook=notebook,
            adapter_sha256=model.adapter_sha256,
            num_articles=num_articles,
            scores=scores,
        )


def now_utc() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _split_path(data_dir: Path, name: str, split: str) -> Path:
    return data_dir / name / split / f"{split}.jsonl"


def _require(path: Path, notebook: str) -> Path:
    if path.is_file():
        return path
    raise WorkshopError(
        found=f"no file {path}",
        expected=f"the file that {notebook} writes before it records its result",
        next_step=f"run the notebook {notebook} from its first cell",
    )


def _count_and_hash(path: Path, notebook: str) -> tuple[int, str]:
    """Return the number of lines and the SHA-256 of a file, read once in blocks."""
    digest, num_lines = hashlib.sha256(), 0
    with _require(path, notebook).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            num_lines += block.count(b"\n")
    return num_lines, digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class RunState(Entry):
    """Record the name that all jobs of one training begin with, before the first of them starts.

    Args:
        name: Its checkpoints are kept under it, too.
        request_sha256: Of each part that makes the result another one, as `NAME:DIGEST NAME:DIGEST`; see
            `workshop.training.runs.keep_run`.
    """

    name: str
    request_sha256: str


@dataclass(frozen=True, kw_only=True)
class TrainingJobState(ModelFolderEntry):
    """Record a SageMaker training job: from its start, so that a new kernel finds it again, to its result.

    Args:
        arn: Of the job; "" until it has ended, and in Local Mode.
        status: "InProgress" until `finished` is recorded, then as AWS says.
        recipe: File name of the training recipe.
        dataset_name: "small" or "full".
        base_model_uri: S3 folder of the model that is tuned.
        model_uri: S3 address of the result; "" until then.
        model_dir: Where it is downloaded to.
        train_seconds: Training time as AWS counts it; 0 until then.
        billable_seconds: What AWS charges, for each instance; 0 until then.
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

    @property
    def training_name(self) -> str:
        """Name of the run that the job belongs to: the SDK appends the time to it."""
        return self.job_name.rpartition("-")[0]

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
        model_uri: S3 address of the weights that it serves.
        instance_type: For example ml.g5.12xlarge.
    """

    endpoint_name: str
    config_name: str
    model_name: str
    model_uri: str
    instance_type: str


@dataclass(frozen=True, kw_only=True)
class OwnImageState(Entry):
    """Record an image of one's own: the repository that it is pushed to, and the endpoint that runs it.

    Args:
        endpoint_name: Endpoint; the names of models and configurations begin with it.
        repository: In ECR. What AmazonSageMakerFullAccess lets one push to has "sagemaker" in its name.
        base_image: Address of the image that it is built on.
        model_uri: S3 address of the weights that it serves.
        instance_type: For example ml.g5.12xlarge.
    """

    endpoint_name: str
    repository: str
    base_image: str
    model_uri: str
    instance_type: str

    @classmethod
    def new(cls, settings: Settings, model_uri: str, base_image: str, *, notebook: str) -> OwnImageState:
        """Name a repository and an endpoint that nobody has made yet."""
        made_at = time.strftime("%m%d-%H%M%S")
        return cls(
            made_at=now_utc(),
            notebook=notebook,
            endpoint_name=f"news-own-{made_at}",
            repository=f"news-sagemaker-{made_at}",
            base_image=base_image,
            model_uri=model_uri,
            instance_type=settings.endpoint_instance_type,
        )

    def name_of(self, digest: str) -> str:
        """Return the name of the model, and of the configuration, of an image."""
        return f"{self.endpoint_name}-{digest.partition(':')[2][:8]}"


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

    @classmethod
    def new(cls, settings: Settings, model_uri: str, *, notebook: str) -> ComponentsState:
        """Name an endpoint that nobody has made yet."""
        return cls(
            made_at=now_utc(),
            notebook=notebook,
            endpoint_name=time.strftime("news-ic-%m%d-%H%M%S"),
            model_uri=model_uri,
            instance_type=settings.endpoint_instance_type,
        )

    @property
    def config_name(self) -> str:
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

    def component(self, model: str) -> str:
        """Return the name of the component that serves "tuned" or "base"."""
        return {"tuned": self.tuned, "base": self.base}[model]

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

    def adapter_key(self, prefix: str) -> str:
        """Return the key of the adapter's archive in the bucket, below the workshop's prefix."""
        return f"{prefix}/adapters/{self.adapter}.tar.gz"
