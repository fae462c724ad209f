"""MLflow Apps of a real sandbox, and MLflow's own client on them."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

ROLE = "arn:aws:iam::000000000000:role/mlflow"
BUCKET = "mlflow-store"
TIMEOUT_S = 600


class Apps:
    """MLflow Apps of a running sandbox, through boto3 as it is."""

    def __init__(self, sandbox: Any) -> None:
        self.sandbox = sandbox

    @property
    def client(self) -> Any:
        return self.sandbox.client("sagemaker")

    def create(self, name: str, **members: Any) -> str:
        store = {"ArtifactStoreUri": f"s3://{BUCKET}/{name}", "RoleArn": ROLE}
        return self.client.create_mlflow_app(Name=name, **{**store, **members})["Arn"]

    def fault(self, operation: str, fault: str, **members: Any) -> None:
        body = json.dumps({"operation": operation, "fault": fault, **members}).encode()
        request = urllib.request.Request(f"{self.sandbox.url}/_sandbox/faults", body, method="PUT")
        urllib.request.urlopen(request).close()

    def wait(self, arn: str, *statuses: str) -> dict[str, Any]:
        deadline_s = time.monotonic() + TIMEOUT_S
        while (found := self.client.describe_mlflow_app(Arn=arn))["Status"] not in statuses:
            assert time.monotonic() < deadline_s, (found, self.sandbox.log_path.read_text())
            time.sleep(0.05)
        return found

    def wait_gone(self, arn: str) -> None:
        deadline_s = time.monotonic() + TIMEOUT_S
        while arn in [each["Arn"] for each in self.client.list_mlflow_apps(MaxResults=100)["Summaries"]]:
            assert time.monotonic() < deadline_s, "not deleted"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def apps(sandbox: Any) -> Apps:
    sandbox.client("s3").create_bucket(Bucket=BUCKET)
    return Apps(sandbox)


@pytest.fixture(scope="module")
def mlflow(sandbox: Any) -> Iterator[Any]:
    """The client as a notebook has it: AWS's plugin, with the address of the sandbox in the environment."""
    with pytest.MonkeyPatch.context() as patch, client_of(sandbox, patch) as mlflow:
        yield mlflow


@contextmanager
def client_of(sandbox: Any, patch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give the module mlflow, and leave nothing of what it was told in this process."""
    set_environment(patch, sandbox)
    import mlflow

    try:
        yield mlflow
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.tracking.fluent._active_experiment_id = None
        # It sets them for programs that this process starts.
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID"):
            os.environ.pop(name, None)


def set_environment(patch: pytest.MonkeyPatch, sandbox: Any) -> None:
    """Give this process what a client of the sandbox has; again after a restart: its address changes."""
    variables = {
        "AWS_ENDPOINT_URL": sandbox.url,
        "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT": sandbox.url,
        # MLflow keeps a client of S3 for each value of this one, and not for each of the first.
        "MLFLOW_S3_ENDPOINT_URL": sandbox.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    for name, value in variables.items():
        patch.setenv(name, value)
