"""MLflow, pointed at the workshop's App; imported and waited for only when a cell first uses it.

mlflow = connect_tracking(aws)      # right above what takes long: a training, an endpoint
...
with mlflow.start_run():            # the real module from here on
    mlflow.log_params(...)
"""

from __future__ import annotations

import os
import threading
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from workshop.errors import WorkshopError
from workshop.tracking.app import (
    WITHOUT,
    app_name,
    find_or_create_app,
    wait_quietly,
    wait_until_ready,
)
from workshop.tracking.off import Off

if TYPE_CHECKING:
    from types import ModuleType

    from workshop.aws.session import Aws
    from workshop.settings import Settings

_VARIABLES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # Of a run at its end: addresses that open only with a presigned URL, which `link_text` has.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4"}
"""Retries take half a minute with it, and four with MLflow's own 7."""

# A person's other server, its credentials and runs: none of that is for the App.
_ANOTHER_SERVERS = ("MLFLOW_TRACKING_", "MLFLOW_REGISTRY_", "MLFLOW_EXPERIMENT_", "MLFLOW_S3_ENDPOINT_URL")
_ANOTHER_RUN = ("MLFLOW_RUN_ID", "MLFLOW_WORKSPACE")


class Tracking:
    """Be the module mlflow for a cell: its first use waits for the import and for the App."""

    def __init__(self, aws: Aws, experiment: str) -> None:
        self._aws, self._experiment = aws, experiment
        self._arn = find_or_create_app(aws)
        self._module: ModuleType | None = None
        self._error: Exception | None = None
        self._begin()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what Jupyter asks every object for: no reason to wait
            raise AttributeError(name)
        return getattr(self._ready(), name)

    def __repr__(self) -> str:
        return f"mlflow on {self._arn}"

    def _begin(self) -> None:
        # The import takes 2 to 3 s, the App seconds to minutes: a notebook waits for a training or an
        # endpoint meanwhile.
        self._preparing = threading.Thread(target=self._prepare, name="prepare mlflow", daemon=True)
        self._preparing.start()

    def _prepare(self) -> None:
        try:
            import mlflow
            from sagemaker_mlflow.session import use_session

            wait_quietly(self._aws, self._arn)
            with use_session(self._aws.boto_session):
                _point(mlflow, self._arn, self._experiment)
            self._module = mlflow
        except Exception as error:  # raised where a cell first needs it
            self._error = error

    def _ready(self) -> ModuleType:
        if self._preparing.is_alive():
            wait_until_ready(self._aws, self._arn)
            self._preparing.join()
        if self._module is None:
            error = self._error
            self._begin()  # so that the cell can be run again
            raise _explained(error)
        # Each time: the plugin keeps it for the context, and Jupyter gives each cell one of its own. Without
        # it every request would look for credentials anew.
        from sagemaker_mlflow.session import set_session

        set_session(self._aws.boto_session)
        return self._module


def connect_tracking(where: Aws | Settings, experiment: str = "") -> Any:
    """Return mlflow for the cells: the real module on the workshop's App, or what does nothing when called.

    It finds or creates the App and returns at once: App and import go on in the background.

    Args:
        where: The notebook's connection; or its settings, where it has none: with `use_mlflow` it connects.
        experiment: That the runs go to; "" for the workshop's own.

    Raises:
        WorkshopError: AWS refuses an App, or cannot be reached; it names the setting that does without.
    """
    settings = getattr(where, "settings", where)
    if not settings.use_mlflow:
        return Off()
    _set_variables(os.environ)
    try:
        aws = where if where is not settings else _connected(settings)
        return Tracking(aws, experiment or aws.prefix)
    except WorkshopError as error:
        raise _explained(error) from None


def link_text(mlflow: Any, run: Any = None) -> str:
    """Return an address that opens the App in a browser, once and within five minutes; or that there is none.

    Args:
        mlflow: What `connect_tracking` has returned.
        run: To open its page.
    """
    if isinstance(mlflow, Off):
        return repr(mlflow)
    aws, arn = mlflow._aws, mlflow._arn
    wait_until_ready(aws, arn)
    url = aws.client("sagemaker").create_presigned_mlflow_app_url(Arn=arn)["AuthorizedUrl"]
    page = "" if run is None else f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    return f"MLflow App {app_name(aws)}, to be opened once within 5 minutes:\n{url}{page}"


def _connected(settings: Settings) -> Aws:
    from workshop.aws.session import connect

    return connect(settings)


def _explained(error: Exception) -> Exception:
    """Return an error that names the setting that does without."""
    if isinstance(error, ImportError):
        return WorkshopError(
            found=f"mlflow cannot be imported: {error}",
            expected="the packages of requirements.txt",
            next_step=f"run `make sample` once, or {WITHOUT}",
        )
    if not isinstance(error, WorkshopError) or WITHOUT in error.next_step:
        return error
    next_step = f"{error.next_step}; or {WITHOUT}"
    return WorkshopError(found=error.found, expected=error.expected, next_step=next_step)


def _set_variables(environ: MutableMapping[str, str]) -> None:
    for name in list(environ):
        if name.startswith(_ANOTHER_SERVERS) or name in _ANOTHER_RUN:
            del environ[name]
    environ |= _VARIABLES
    for name, value in _PATIENCE.items():
        environ.setdefault(name, value)


def _point(mlflow: ModuleType, arn: str, experiment: str) -> None:
    """Point MLflow at the App, and its errors at the setting that does without."""
    mlflow.exceptions.MlflowException._render_traceback_ = _three_lines
    mlflow.set_tracking_uri(arn)
    try:
        mlflow.set_experiment(experiment)
    except mlflow.exceptions.MlflowException:
        # Apps were seen to answer the question for a name that is not there with an error of another form.
        mlflow.create_experiment(experiment)
        mlflow.set_experiment(experiment)


def _three_lines(error: Exception) -> list[str]:
    """Show an error of MLflow in a notebook as the workshop's own; see WorkshopError."""
    first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return WorkshopError(
        found=f"MLflow: {first_line[:500]}",
        expected="an answer of the App; what was trained and scored is there all the same",
        next_step=f"run the notebook again from its first cell, which repeats no training, or {WITHOUT}",
    )._render_traceback_()
