"""What MLflow is told of a training: one run for each, however often its notebook is executed.

with mlflow.start_run(**run_of(mlflow, settings, name, notebook=NOTEBOOK)) as run:
    mlflow.log_params(facts.params)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.containers.engine import output_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from workshop.entries import DatasetState, ModelState, TrainingJobState
    from workshop.settings import Settings

TRAINING_TAG = "workshop.training"
"""A run's name can be changed in the browser; by this tag it is found again."""

CURVES = (
    "loss", "eval_loss", "learning_rate", "grad_norm", "mean_token_accuracy", "tokens_per_s", "memory_mib",
)  # fmt: skip
CONFIG_NAME, METRICS_NAME = "resolved-config.yaml", "metrics.json"
# Of a launch and not of what is learnt: the same training goes on under other limits, and a parameter of
# MLflow can be set once.
_LIMITS = ("time_limit_s", "max_steps_per_launch")
_MAX_DIGEST = 36  # characters, of MLflow


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """What there is to log of a training that has left its model.

    Attributes:
        name: Of the training.
        params: The resolved settings of train.py, without places on a machine; model, recipe, data.
        metrics: Of metrics.json, flat: "final.eval_loss" beside the curve "eval_loss".
        tags: Checksum and size of the data; the job, its ARN and its result, where there are any.
        files: Resolved settings and metrics, as train.py wrote them.
        records: Progress lines.
    """

    name: str
    params: dict[str, Any]
    metrics: dict[str, float]
    tags: dict[str, str]
    files: list[Path]
    records: Sequence[Mapping[str, float]]
    data: Mapping[str, Any]

    def curves(self, mlflow: Any, run: Any) -> list[Any]:
        """Return MLflow's metrics with their steps; logged again they are the same points, and not more.

        Args:
            mlflow: What `connect_tracking` has returned.
            run: What `start_run` has returned; its curves end where it was created.
        """
        start_ms = int(run.info.start_time)
        end_s = max((record.get("elapsed_s", 0.0) for record in self.records), default=0.0)
        return [
            mlflow.entities.Metric(
                key, record[key], start_ms - round(1000 * (end_s - record.get("elapsed_s", end_s))),
                int(record["step"]),
            )
            for record in self.records
            for key in CURVES
            if key in record
        ]  # fmt: skip

    def dataset(self, mlflow: Any) -> Any:
        """Return the training split as MLflow's input of a run: name, checksum, rows."""
        entities = mlflow.entities
        data = entities.Dataset(
            name=self.data["name"],
            digest=self.data["sha256"][:_MAX_DIGEST],
            source_type="s3" if self.data["source"].startswith("s3://") else "news",
            source=json.dumps({"uri": self.data["source"]}),
            profile=json.dumps({"num_rows": self.data["num_rows"], "sha256": self.data["sha256"]}),
        )
        return entities.DatasetInput(data, [entities.InputTag("mlflow.data.context", "training")])


def training_facts(
    settings: Settings,
    dataset: DatasetState,
    entry: ModelState | TrainingJobState,
    records: Sequence[Mapping[str, float]],
    *,
    data_uri: str = "",
) -> TrainingFacts:
    """Gather what a training was told, saw and left.

    Args:
        settings: Of the mode.
        dataset: What notebook 01 left.
        entry: What the training left, in the state.
        records: Its progress lines.
        data_uri: Where its rows are; "" for their source's name.
    """
    import yaml

    config = yaml.safe_load((entry.model_dir / CONFIG_NAME).read_text(encoding="utf-8"))
    metrics = json.loads(entry.metrics_path.read_text(encoding="utf-8"))
    versions = metrics.pop("versions", {})
    split = f"{entry.dataset_name}/train"
    params = {
        "base_model": settings.base_model,
        "recipe": entry.recipe,
        "dataset": entry.dataset_name,
        "seed": settings.seed,
        **{name: value for name, value in _flat(config) if name not in _LIMITS and not _is_place(value)},
    }
    tags = {
        "data.sha256": dataset.sha256[split],
        "data.num_rows": str(dataset.num_rows[split]),
        **{f"version.{name}": str(version) for name, version in versions.items()},
        **{
            f"sagemaker.{name}": str(value)
            for name in ("job_name", "arn", "model_uri")
            if (value := getattr(entry, name, ""))
        },
    }
    return TrainingFacts(
        name=entry.training_name,
        params=params,
        metrics={f"final.{name}": float(value) for name, value in _flat(metrics) if _is_number(value)},
        tags=tags,
        files=[entry.model_dir / CONFIG_NAME, entry.metrics_path],
        records=records,
        data={
            "name": f"{settings.news_source} {split}",
            "source": data_uri or settings.news_source,
            "sha256": dataset.sha256[split],
            "num_rows": dataset.num_rows[split],
        },
    )


def run_of(mlflow: Any, settings: Settings, name: str, *, notebook: str) -> dict[str, Any]:
    """Return what `mlflow.start_run` takes for a training: its run goes on, or is a new one.

    Args:
        mlflow: What `connect_tracking` has returned.
        settings: Of the mode.
        name: Of the training: `training_name` of its entry in the state.
        notebook: Name of the notebook without .ipynb.
    """
    found = mlflow.search_runs(
        filter_string=f"tags.`{TRAINING_TAG}` = '{name}'",
        order_by=["attributes.start_time ASC"],
        max_results=1,
        output_format="list",
    )
    tags = {
        TRAINING_TAG: name,
        "workshop.mode": settings.mode,
        # MLflow's own guess is this kernel's program, with its place on this machine.
        "mlflow.source.name": f"{notebook}.ipynb",
        "mlflow.source.type": "NOTEBOOK",
        **_git_revision(settings.repo_dir),
    }
    return {"run_id": next((run.info.run_id for run in found), None), "run_name": name, "tags": tags}


def log_training(mlflow: Any, settings: Settings, facts: TrainingFacts, *, notebook: str) -> Any:
    """Log a training by the calls that notebook 03 shows, and return its run."""
    with mlflow.start_run(**run_of(mlflow, settings, facts.name, notebook=notebook)) as tracked:
        mlflow.log_params(facts.params)
        mlflow.log_metrics(facts.metrics, timestamp=tracked.info.start_time)
        mlflow.set_tags(facts.tags)
        client = mlflow.MlflowClient()
        client.log_batch(tracked.info.run_id, metrics=facts.curves(mlflow, tracked))
        client.log_inputs(tracked.info.run_id, datasets=[facts.dataset(mlflow)])
        for path in facts.files:
            mlflow.log_artifact(path)
    return tracked


def score_metrics(table: DataFrame, *, where: str = "") -> dict[str, float]:
    """Return a table of scores as MLflow's metrics: "tuned/word_rouge_l", and its ".../low" and ".../high".

    Args:
        table: What `score_table` returned.
        where: Before each name, for example "endpoint/".
    """
    return {
        f"{where}{system}/{metric}" + ("" if part == "mean" else f"/{part}"): float(value)
        for system, row in table.iterrows()
        for (metric, part), value in row.items()
    }


def _git_revision(repo_dir: Path) -> dict[str, str]:
    revision = output_of("git", "-C", str(repo_dir), "rev-parse", "HEAD")
    return {"mlflow.source.git.commit": revision.strip()} if revision else {}


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the leaves of nested mappings, with dots in their names."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(prefix + name, value)]
    return found


def _is_place(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
