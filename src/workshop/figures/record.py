"""notebook/measured.yaml: what one run of every notebook took and scored, for each class of processor.

It lies beside the notebooks: it says what to expect of them. Nothing in it names a machine or a person.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import yaml

from processes.files import atomic_write
from workshop.errors import WorkshopError
from workshop.figures.processor import INSTRUCTIONS, Processor
from workshop.state import State

FILE_NAME = "measured.yaml"
LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "sagemaker")
HEADER = """\
# What one run of every notebook took (seconds) and scored (0 to 1) in sample mode, by class of processor.
# Written by `make figures`, which replaces the entry of the class that it runs on; `make tables` writes the
# figures into the READMEs and notebooks. Not to be edited: measure again. To imitate an older processor:
#   ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 CT2_FORCE_CPU_ISA=AVX2 make figures
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Figures of one run.

    Args:
        num_cores: That the run could use.
        masked_by: Variables that held instructions back; empty when the class is the processor's own.
        operating_system: Name and version.
        measured_on: Day, ISO 8601.
        load_before: Mean number of busy cores in the minute before the run.
        versions: Of Python and LIBRARIES.
        notebook_s: Seconds by notebook, its kernel's start included.
        training_s: Seconds by part of notebook 02's training; `all` is from launch to merged model.
        num_scored_articles: Articles behind every score.
        scores: System -> metric -> {"mean", "low", "high"}, between 0 and 1.
    """

    model: str
    num_cores: int
    masked_by: dict[str, str]
    operating_system: str
    measured_on: str
    load_before: float
    versions: dict[str, str]
    notebook_s: dict[str, float]
    training_s: dict[str, float]
    num_scored_articles: int
    scores: dict[str, dict[str, dict[str, float]]]

    @classmethod
    def of_state(
        cls, state: State, processor: Processor, notebook_s: Mapping[str, float], *, load_before: float
    ) -> Self:
        """Collect the figures of a run that just ended from what its notebooks recorded.

        Raises:
            WorkshopError: Something is not recorded, or the scores are another model's.
        """
        trained, scored = state.model, state.evaluation
        if scored.adapter_sha256 != trained.adapter_sha256:
            raise WorkshopError(
                found="scores of another model than the one that was trained last",
                expected="training and scores of one run",
                next_step=f"run the notebook {scored.notebook} again",
            )
        metrics = json.loads(trained.metrics_path.read_text(encoding="utf-8"))
        phases = {name.removesuffix("_s"): seconds for name, seconds in metrics["phases"].items()}
        return cls(
            model=processor.model,
            num_cores=processor.num_cores,
            masked_by=dict(processor.masked_by),
            operating_system=_operating_system(),
            measured_on=date.today().isoformat(),
            load_before=round(load_before, 2),
            versions={"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
            notebook_s={name: round(seconds, 2) for name, seconds in notebook_s.items()},
            training_s={**phases, "all": round(trained.train_seconds, 2)},
            num_scored_articles=scored.num_articles,
            scores={
                system: {
                    metric: {part: round(value, 6) for part, value in parts.items()}
                    for metric, parts in by_metric.items()
                }
                for system, by_metric in scored.scores.items()
            },
        )


def read_runs(path: Path) -> dict[str, Run]:
    """Return the run of each class of processor, those with more instructions first; {} without a file.

    Raises:
        WorkshopError: The file is not what `write_run` writes.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        wanted = {field.name for field in fields(Run)}
        for kind, entry in content.items():
            if set(entry) != wanted:
                raise ValueError(f"{kind}: {', '.join(sorted(set(entry) ^ wanted))}")
        runs = {kind: Run(**entry) for kind, entry in content.items()}
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as problem:
        raise WorkshopError(
            found=f"{path.name} that cannot be read ({' '.join(str(problem).split())})",
            expected="figures as `make figures` writes them",
            next_step=f"restore the file: git checkout notebook/{path.name}",
        ) from None
    return dict(sorted(runs.items(), key=lambda item: _rank(item[0])))


def write_run(path: Path, kind: str, run: Run) -> None:
    """Put a run in the place of the one of its class; those of other classes stay as they are."""
    runs = {**read_runs(path), kind: run}
    content = {kind: asdict(runs[kind]) for kind in sorted(runs, key=_rank)}
    text = HEADER + yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=200, default_flow_style=False
    )
    atomic_write(path, text)


class _Dumper(yaml.SafeDumper):
    """Write a score and its interval on one line."""


def _mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    is_score = set(value) == {"mean", "low", "high"}
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=is_score)


_Dumper.add_representer(dict, _mapping)


def _rank(kind: str) -> tuple[list[bool], str]:
    parts = kind.split(" + ")
    return [name not in parts for name in reversed(INSTRUCTIONS[1:])], kind


def _operating_system() -> str:
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()
