"""Run notebooks as a person does whom kernels fail: over and over, in one home, on a sandbox.

python run_all_twice.py SANDBOX_URL RECORD.json NOTEBOOK...

Each notebook runs from its first cell

- for each operation of CREATING until that request has arrived: its answer is lost, and the kernel with it
- then to the end, without the cells that delete, under other limits: the same training goes on under them
- then with them

RECORD.json has the names that were asked for: notebook -> operation -> names.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import botocore
import nbformat
from recorded_notebook import Recorder

CREATING = {
    "03-SageMaker-Training": ("CreateTrainingJob", "CreateMlflowApp"),
    "03-1-Option-SageMaker-Training": ("CreateTrainingJob",),
    "04-SageMaker-Inference": ("CreateModel", "CreateEndpointConfig", "CreateEndpoint"),
    "02-SageMaker-Inference-Component": (
        "CreateModel",
        "CreateEndpointConfig",
        "CreateEndpoint",
        "CreateInferenceComponent",
    ),
    # Their common function is left by kernels after the others, too, in tests/workshop/endpoint.
    "02-1-Option-Adapter-AB": ("CreateInferenceComponent",),
    "02-2-Option-Rolling-Update": ("CreateInferenceComponent",),
    "02-3-Option-Scale-to-Zero": ("CreateInferenceComponent",),
    "01-Evaluate-From-The-Start": ("CreateInferenceComponent",),
    # Its function is left by kernels after the other requests, too, in tests/workshop/endpoint.
    "02-RAG-Hybrid-Search": ("CreateEndpoint",),
    "03-Prompt-RAG-FineTune": ("CreateInferenceComponent",),
    # What its alarm starts is AWS's own request.
    "04-Monitoring": ("CreateEndpoint",),
    "05-Rollout-AB-Fallback": ("CreateEndpoint",),
    "06-Pipeline-Registry": (
        "CreateModelPackageGroup",
        "CreatePipeline",
        "StartPipelineExecution",
        "CreateModel",
        "CreateEndpoint",
    ),
    "07-Own-Image": ("CreateEndpoint",),
}
OTHER_LIMITS = {"WORKSHOP_MAX_RUN_S": "3000", "WORKSHOP_LONG_RUN_STEPS_PER_JOB": "50"}
_DELETING = ("delete_", "assert not left", "assert bool(left)")


class KernelDiedError(Exception):
    """The answer of an operation did not arrive."""


class Kernels(Recorder):
    """Loses the answer of an operation, once."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.lost = ""

    def watch(self, session: Any) -> None:
        super().watch(session)
        session.register("after-call.sagemaker", self.lose)

    def lose(self, model: Any, **_: Any) -> None:
        if model.name == self.lost:
            self.lost = ""
            raise KernelDiedError(model.name)

    def names(self) -> dict[str, list[str]]:
        """Return what was asked for: operation -> names."""
        found: dict[str, list[str]] = {}
        for request in self.requests:
            operation = request.get("operation", "")
            params = request.get("params", {})
            name = params.get(operation.removeprefix("Create") + "Name", params.get("Name"))
            name = params.get("PipelineExecutionDisplayName", name)
            # A link is no thing.
            makes = operation.startswith(("Create", "StartPipeline")) and "Presigned" not in operation
            if makes and request["service"] == "sagemaker":
                found.setdefault(operation, []).append(name)
        return found


def run(notebook: Path, *, deletes: bool) -> int:
    """Execute the code cells as a new kernel does, and return how many were left out; an error ends it."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.reset()
    os.chdir(notebook.parent)
    cells = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    executed = [cell for cell in cells if deletes or not any(word in cell for word in _DELETING)]
    for cell in executed:
        shell.run_cell(cell).raise_error()
    return len(cells) - len(executed)


def run_over_and_over(kernels: Kernels, notebook: Path) -> None:
    for kernels.lost in CREATING[notebook.stem]:
        try:
            run(notebook, deletes=False)
        except KernelDiedError:
            continue
        raise AssertionError(f"{notebook.stem} did not ask for {kernels.lost}")
    with patch.dict(os.environ, OTHER_LIMITS):
        num_left_out = run(notebook, deletes=False)
    if num_left_out:
        run(notebook, deletes=True)


def main() -> None:
    url, record, *notebooks = sys.argv[1:]
    kernels, asked = Kernels(url), {}
    botocore.register_initializer(kernels.watch)
    kernels.watch_openai()
    for notebook in map(Path, notebooks):
        kernels.requests.clear()
        # Where it is not looked at whether its App is made twice, runs are not logged: that takes time.
        uses_mlflow = "CreateMlflowApp" in CREATING[notebook.stem]
        with patch.dict(os.environ, {"WORKSHOP_USE_MLFLOW": str(uses_mlflow).lower()}):
            run_over_and_over(kernels, notebook)
        asked[notebook.stem] = kernels.names()
    Path(record).write_text(json.dumps(asked), encoding="utf-8")


if __name__ == "__main__":
    main()
