"""Processing jobs made with boto3: small Python programs as a container's entrypoint."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..conftest import RunningSandbox
from ..training.conftest import BUCKET, ROLE, Jobs

PROCESSING = "/opt/ml/processing"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:2.9.0-gpu-py312"


class ProcessingJobs(Jobs):
    """Processing jobs of one sandbox, and its bucket."""

    log_group = "/aws/sagemaker/ProcessingJobs"
    status_member, folder_name = "ProcessingJobStatus", "processing-jobs"

    def request(self, program: str, **changes: Any) -> dict[str, Any]:
        """Return a request for a job that runs a Python program; None as a change leaves a member out.

        The program is the input code's, as the SDK's is; it finds /opt/ml in its environment as ML.
        """
        name = f"news-{next(self._numbers)}"
        self.put(f"code/{name}/program.py", program.encode())
        inputs = [from_s3(f"code/{name}/program.py", "input/code"), *changes.pop("inputs", [])]
        outputs = changes.pop("outputs", [])
        request = {
            "ProcessingJobName": name,
            "ProcessingInputs": inputs,
            "ProcessingOutputConfig": {"Outputs": outputs} if outputs else None,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", f"{PROCESSING}/input/code/program.py"],
                **changes.pop("application", {}),
            },
            "Environment": {"ML": "/opt/ml", **changes.pop("environment", {})},
            "RoleArn": ROLE,
            "ProcessingResources": {"ClusterConfig": cluster(**changes.pop("cluster", {}))},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **changes,
        }
        return {name: value for name, value in request.items() if value is not None}

    def create(self, program: str, **changes: Any) -> str:
        """Create a job and return its name."""
        request = self.request(program, **changes)
        self.sagemaker.create_processing_job(**request)
        return request["ProcessingJobName"]

    def describe(self, name: str) -> dict[str, Any]:
        return self.sagemaker.describe_processing_job(ProcessingJobName=name)

    def ask_for(self, kind: str, **members: Any) -> None:
        """Ask for a fault of the next job."""
        self.put_into("faults", {"operation": "CreateProcessingJob", "fault": kind, **members})

    def put_into(self, table: str, entry: dict[str, Any] | None) -> None:
        """Put an entry into a table of the sandbox's, or take back what was put there."""
        body, method = json.dumps(entry).encode(), "DELETE" if entry is None else "PUT"
        request = urllib.request.Request(f"{self.sandbox.url}/_sandbox/{table}", body, method=method)
        urllib.request.urlopen(request, timeout=300).close()


def cluster(**changes: Any) -> dict[str, Any]:
    given = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30, **changes}
    return {name: value for name, value in given.items() if value is not None}


def from_s3(key: str, place: str, name: str | None = None, **changes: Any) -> dict[str, Any]:
    """Return an input that brings a prefix of the bucket to a folder of the container."""
    source = {"S3Uri": f"s3://{BUCKET}/{key}", "LocalPath": f"{PROCESSING}/{place}", "S3DataType": "S3Prefix"}
    return {"InputName": name or place.rpartition("/")[2], "S3Input": {**source, **changes}}


def to_s3(key: str, place: str, mode: str = "EndOfJob", **changes: Any) -> dict[str, Any]:
    """Return an output that uploads a folder of the container."""
    target = {"S3Uri": f"s3://{BUCKET}/{key}", "LocalPath": f"{PROCESSING}/{place}", "S3UploadMode": mode}
    return {"OutputName": place.rpartition("/")[2], "S3Output": {**target, **changes}}


def refused(call: Any, **request: Any) -> tuple[str, str]:
    """Return code and message of the error that a call answers with."""
    with pytest.raises(ClientError) as error:
        call(**request)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


@pytest.fixture(scope="package")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessingJobs]:
    """Jobs of one sandbox for all these modules, home and interpreter in a folder as people have."""
    folder = tmp_path_factory.mktemp("processing") / "김's $HOME 집"
    folder.mkdir()
    prefix = folder / "가상 환경"
    prefix.symlink_to(sys.prefix)
    running = RunningSandbox(folder / "home", prefix=prefix)
    try:
        yield ProcessingJobs(running)
    finally:
        running.close()
