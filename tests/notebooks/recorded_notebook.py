"""Run notebooks' cells with every AWS request written down, and answered by a sandbox whatever its address.

    python recorded_notebook.py SANDBOX_URL RECORD_DIR NOTEBOOK...

All in one process, since the SDK takes seconds to import; each with variables of its own, as in a kernel.
In a mode of AWS the cells build their requests for amazonaws.com; here they are recorded, and only then sent
to the sandbox instead. A training of 8 billion parameters cannot run on this machine, so the program of every
training job, of a pipeline's too, is replaced, after the recording, by one that prints two steps and leaves a
small model, and that of an evaluation by one that counts the rows it was trained on: what is looked at here
is what was asked for.
"""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import botocore
import httpx2
import nbformat
import requests

_BUCKET_HOST = re.compile(r"^(?P<bucket>.+)\.s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com$")
_OF_CHILDREN = "SANDBOX_URL_OF_PYTEST"
_JOB = Path(__file__).with_name("two_step_job.py")
_EVALUATION = Path(__file__).with_name("counting_evaluation.py")


def _plain(value: Any) -> Any:
    """Return what JSON does not have: a time as AWS's JSON has it, of all else the type."""
    return value.timestamp() if isinstance(value, datetime) else f"<{type(value).__name__}>"


class Recorder:
    """The handlers of every botocore session of this process.

    Args:
        url: Of the sandbox.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[dict[str, Any]] = []

    def watch(self, session: Any) -> None:
        """Register with a session before it makes clients."""
        session.register("before-parameter-build", self.note)
        session.register("before-send", self.redirect)

    def note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        """Write a call down: its parameters as they go to AWS, tags included."""
        plain = json.loads(json.dumps(params, default=_plain))
        service = model.service_model.service_name
        self.requests.append({"service": service, "operation": model.name, "params": plain})

    def watch_openai(self) -> None:
        """Do the same with OpenAI's client, which is no client of botocore."""
        send = httpx2.HTTPTransport.handle_request

        def redirected(transport: Any, request: Any) -> Any:
            self.requests.append({"host": request.url.host})
            target = urlsplit(self.url)
            request.url = request.url.copy_with(scheme="http", host=target.hostname, port=target.port)
            request.headers["Host"] = target.netloc
            return send(transport, request)

        httpx2.HTTPTransport.handle_request = redirected

    def watch_mlflow(self) -> None:
        """Do the same with MLflow's client: AWS's plugin signs its requests and names the App in a header."""
        send = requests.adapters.HTTPAdapter.send

        def redirected(adapter: Any, request: Any, **how: Any) -> Any:
            if "x-sm-mlflow-app-arn" in request.headers:
                target = urlsplit(request.url)
                self.requests.append({"host": target.hostname, "mlflow": f"{request.method} {target.path}"})
                request.url = urlunsplit(("http", urlsplit(self.url).netloc, *target[2:]))
            return send(adapter, request, **how)

        requests.adapters.HTTPAdapter.send = redirected

    def redirect(self, request: Any, **_: Any) -> None:
        """Let a request go to the sandbox, with its bucket in the path."""
        target = urlsplit(request.url)
        host = target.hostname or ""
        self.requests.append({"host": host})
        match = _BUCKET_HOST.match(host)
        path = f"/{match['bucket']}{target.path}" if match else target.path
        request.url = urlunsplit(("http", self.url.removeprefix("http://"), path, target.query, ""))
        operation = request.headers.get("X-Amz-Target", b"")
        operation = operation.decode() if isinstance(operation, bytes) else operation
        if replace := _REPLACING.get(operation.rpartition(".")[2]):
            body = json.loads(request.body)
            replace(body)
            request.body = json.dumps(body).encode()
            request.headers["Content-Length"] = str(len(request.body))


def _replace_training(job: dict[str, Any]) -> None:
    algorithm = job["AlgorithmSpecification"]
    algorithm["ContainerEntrypoint"] = ["python", str(_JOB), "/opt/ml"]
    algorithm.pop("ContainerArguments", None)


def _replace_in_pipeline(pipeline: dict[str, Any]) -> None:
    definition = json.loads(pipeline["PipelineDefinition"])
    steps = {step["Name"]: step["Arguments"] for step in definition["Steps"]}
    if "Train" in steps:  # what only prepares has neither
        _replace_training(steps["Train"])
        steps["Evaluate"]["AppSpecification"]["ContainerEntrypoint"] = ["python", str(_EVALUATION)]
    pipeline["PipelineDefinition"] = json.dumps(definition)


_REPLACING = {
    "CreateTrainingJob": _replace_training,
    "CreatePipeline": _replace_in_pipeline,
    "UpdatePipeline": _replace_in_pipeline,
}


def pytest_configure() -> None:
    """Do the same in a pytest that a notebook starts, whose requests are not written down."""
    botocore.register_initializer(Recorder(os.environ[_OF_CHILDREN]).watch)


def run(notebook: Path) -> None:
    """Execute the code cells in this process, in the notebook's folder; the first error ends it."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.reset()
    os.chdir(notebook.parent)
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            shell.run_cell(cell.source).raise_error()


def main() -> None:
    url, record_dir, *notebooks = sys.argv[1:]
    recorder = Recorder(url)
    botocore.register_initializer(recorder.watch)
    recorder.watch_openai()
    recorder.watch_mlflow()
    here = str(Path(__file__).parent)
    os.environ |= {"PYTEST_PLUGINS": Path(__file__).stem, "PYTHONPATH": here, _OF_CHILDREN: url}
    for notebook in map(Path, notebooks):
        recorder.requests.clear()
        run(notebook)
        record = json.dumps(recorder.requests, ensure_ascii=False)
        (Path(record_dir) / f"{notebook.stem}.json").write_text(record, encoding="utf-8")


if __name__ == "__main__":
    main()
