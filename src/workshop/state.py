"""What one notebook leaves for the next: state.json in the home of the mode, typed and checked on load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from processes.files import atomic_write
from workshop.entries import (
    ComponentsState,
    DatasetState,
    EndpointState,
    Entry,
    EvaluationState,
    ModelState,
    OwnImageState,
    RunState,
    TrainingJobState,
)
from workshop.errors import WorkshopError
from workshop.settings import Settings

FILE_NAME = "state.json"
VERSION = 1
# Entry name -> its type and the notebook that makes it. A new entry is a dataclass and a line here
# (and a property on State, which gives notebooks its type).
ENTRIES: dict[str, tuple[type[Entry], str]] = {
    "dataset": (DatasetState, "01-Prepare-Dataset-KR-News"),
    "model": (ModelState, "02-Train-Local-KR-News"),
    "evaluation": (EvaluationState, "02-Train-Local-KR-News"),
    "training_run": (RunState, "03-SageMaker-Training"),
    "training_job": (TrainingJobState, "03-SageMaker-Training"),
    "long_training_run": (RunState, "03-1-Option-SageMaker-Training"),
    "long_training_job": (TrainingJobState, "03-1-Option-SageMaker-Training"),
    "endpoint": (EndpointState, "04-SageMaker-Inference"),
    "components": (ComponentsState, "02-SageMaker-Inference-Component"),
    "embedding": (EndpointState, "02-RAG-Hybrid-Search"),
    "monitoring_run": (RunState, "04-Monitoring"),
    "rollout_run": (RunState, "05-Rollout-AB-Fallback"),
    "pipeline_run": (RunState, "06-Pipeline-Registry"),
    "own_image": (OwnImageState, "07-Own-Image"),
}


class State:
    """Read and write the entries of one mode.

    Example:
        state = State.load(settings)
        state.dataset = DatasetState.of_folder(settings, notebook="01-Prepare-Dataset-KR-News")
        state.save()
    """

    def __init__(self, path: Path, raw: dict[str, Any]) -> None:
        self.path = path
        self._raw = raw
        self._changed: dict[str, Any] = {}

    @classmethod
    def load(cls, settings: Settings) -> State:
        """Read state.json of the settings' mode; an absent file is an empty state.

        Raises:
            WorkshopError: The file is there and is not what `save` writes.
        """
        path = settings.home / FILE_NAME
        return cls(path, _read(path))

    def save(self) -> None:
        """Write the entries set since loading; entries that another kernel wrote meanwhile stay."""
        merged = {**_read(self.path), **self._changed}
        self._raw = {name: entry for name, entry in merged.items() if entry is not None}
        self._changed = {}
        text = json.dumps({"version": VERSION, "entries": self._raw}, ensure_ascii=False, indent=2)
        _write(self.path, text + "\n")

    @property
    def dataset(self) -> DatasetState:
        return self._entry("dataset")

    @dataset.setter
    def dataset(self, entry: DatasetState) -> None:
        self._set("dataset", entry)

    @property
    def model(self) -> ModelState:
        return self._entry("model")

    @model.setter
    def model(self, entry: ModelState) -> None:
        self._set("model", entry)

    @property
    def evaluation(self) -> EvaluationState:
        return self._entry("evaluation")

    @evaluation.setter
    def evaluation(self, entry: EvaluationState) -> None:
        self._set("evaluation", entry)

    @property
    def training_run(self) -> RunState:
        return self._entry("training_run")

    @property
    def training_job(self) -> TrainingJobState:
        return self._entry("training_job")

    @training_job.setter
    def training_job(self, entry: TrainingJobState) -> None:
        self._set("training_job", entry)

    @property
    def trained_model(self) -> TrainingJobState:
        """The training job, once it has left a model that can be served.

        Raises:
            WorkshopError: It was started, and not followed to its end; or it ended without a model.
        """
        job = self.training_job
        if job.status != "Completed" or not job.model_uri:
            raise WorkshopError(
                found=f"the training job {job.job_name} in {self.path}: {job.status}, and no model of it",
                expected="a job that has completed, and its model on this machine",
                next_step="run the notebook 03-SageMaker-Training again: it follows this job, starts none "
                "beside it, and downloads its model (of one that was stopped: START_AGAIN = True goes on)",
            )
        return job

    @property
    def long_training_run(self) -> RunState:
        return self._entry("long_training_run")

    @property
    def long_training_job(self) -> TrainingJobState:
        return self._entry("long_training_job")

    @long_training_job.setter
    def long_training_job(self, entry: TrainingJobState) -> None:
        self._set("long_training_job", entry)

    @property
    def endpoint(self) -> EndpointState:
        return self._entry("endpoint")

    @endpoint.setter
    def endpoint(self, entry: EndpointState) -> None:
        self._set("endpoint", entry)

    @property
    def embedding(self) -> EndpointState:
        return self._entry("embedding")

    @embedding.setter
    def embedding(self, entry: EndpointState) -> None:
        self._set("embedding", entry)

    @property
    def monitoring_run(self) -> RunState:
        return self._entry("monitoring_run")

    @property
    def rollout_run(self) -> RunState:
        return self._entry("rollout_run")

    @property
    def pipeline_run(self) -> RunState:
        return self._entry("pipeline_run")

    @property
    def own_image(self) -> OwnImageState:
        return self._entry("own_image")

    @own_image.setter
    def own_image(self, entry: OwnImageState) -> None:
        self._set("own_image", entry)

    @property
    def components(self) -> ComponentsState:
        return self._entry("components")

    @components.setter
    def components(self, entry: ComponentsState) -> None:
        self._set("components", entry)

    def keep(self, name: str, entry: Entry) -> Any:
        """Record an entry and save it, unless one is recorded: that one stays, and is returned."""
        if not self.has(name):
            self._set(name, entry)
            self.save()
        return self._entry(name)

    def remove(self, name: str) -> None:
        """Remove the entry of something that was deleted; `save` writes it."""
        assert name in ENTRIES, name
        self._raw.pop(name, None)
        self._changed[name] = None

    def has(self, name: str) -> bool:
        """Tell whether an entry is recorded (not whether its files still exist)."""
        return name in self._raw

    def _set(self, name: str, entry: Entry) -> None:
        assert type(entry) is ENTRIES[name][0], f"{name} takes a {ENTRIES[name][0].__name__}"
        self._raw[name] = self._changed[name] = entry.to_json(self.path.parent)

    def _entry(self, name: str) -> Any:
        kind, notebook = ENTRIES[name]
        if name not in self._raw:
            raise WorkshopError(
                found=f"no {name} in {self.path}",
                expected=f"a {name} made earlier in the same mode ({self.path.parent.name})",
                next_step=f"run the notebook {notebook} first",
            )
        entry = kind.from_json(name, self._raw[name], self.path, notebook)
        missing = [path for path in entry.paths() if not path.exists()]
        if missing:
            raise WorkshopError(
                found=f"{missing[0]} is gone (recorded as {name} in {self.path})",
                expected=f"the {name} that {entry.notebook} made at {entry.made_at}",
                next_step=f"run the notebook {notebook} again",
            )
        return entry


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION or not isinstance(content["entries"], dict):
            raise ValueError(f"version {content['version']}")
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as problem:
        raise WorkshopError(
            found=f"{path} cannot be read ({type(problem).__name__}: {problem})",
            expected=f"JSON of version {VERSION} as the notebooks write it",
            next_step=f"delete the file and run the notebooks again from {ENTRIES['dataset'][1]}",
        ) from None
    return content["entries"]


def _write(path: Path, text: str) -> None:
    """Replace the file as a whole: after a crash or a full disk it is the old one or the new one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, text, fsync=True)
    except OSError as problem:
        raise WorkshopError(
            found=f"{path} cannot be written: {problem.strerror}",
            expected="a writable folder with free space",
            next_step="free some space or set WORKSHOP_HOME to another folder, then run the cell again",
        ) from None
