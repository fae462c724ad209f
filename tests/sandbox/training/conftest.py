"""Jobs made with boto3: small Python programs as a container's entrypoint."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.container_paths import why_no_mounts

from ..conftest import RunningSandbox

BUCKET = "news-bucket"
ROLE = "arn:aws:iam::000000000000:role/workshop-sample"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
WAIT_S = 600
# These tests hold in both ways: SANDBOX_WITHOUT_MOUNTS=1 pytest tests/sandbox/training is the other.
MOUNTED = why_no_mounts() is None


class Jobs:
    """Training jobs of one sandbox, and its bucket.

    Args:
        sandbox: The running sandbox.
    """

    log_group, status_member, folder_name = LOG_GROUP, "TrainingJobStatus", "jobs"

    def __init__(self, sandbox: Any) -> None:
        self.sandbox = sandbox
        self._numbers = itertools.count(1)
        self.s3.create_bucket(Bucket=BUCKET)

    @property
    def sagemaker(self) -> Any:
        return self.sandbox.client("sagemaker")

    @property
    def s3(self) -> Any:
        return self.sandbox.client("s3")

    def request(self, program: str, **changes: Any) -> dict[str, Any]:
        """Return a request for a job that runs a Python program; None as a change leaves a member out.

        The program is the channel code's, as of a user; it finds /opt/ml in its environment as ML.
        """
        name = f"news-{next(self._numbers)}"
        self.put(f"code/{name}/program.py", program.encode())
        channels = [channel(f"s3://{BUCKET}/code/{name}/", "code"), *changes.pop("channels", [])]
        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/program.py"],
                **changes.pop("algorithm", {}),
            },
            "InputDataConfig": channels,
            "Environment": {"ML": "/opt/ml", **changes.pop("environment", {})},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **changes,
        }
        return {name: value for name, value in request.items() if value is not None}

    def create(self, program: str, **changes: Any) -> str:
        """Create a job and return its name."""
        request = self.request(program, **changes)
        self.sagemaker.create_training_job(**request)
        return request["TrainingJobName"]

    def describe(self, name: str) -> dict[str, Any]:
        return self.sagemaker.describe_training_job(TrainingJobName=name)

    def wait(self, name: str) -> dict[str, Any]:
        """Wait for a job's end and return its description."""
        return self._until(
            name, lambda job: job[self.status_member] in ("Completed", "Failed", "Stopped"), "its end"
        )

    def run(self, program: str, **changes: Any) -> dict[str, Any]:
        """Create a job, wait for its end and return its description."""
        return self.wait(self.create(program, **changes))

    def wait_for_line(self, name: str, line: str) -> None:
        """Wait until a line is in a job's log."""
        self._until(name, lambda _: line in self.lines(name), f"line {line!r}")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of the one log stream of a job, or of one of its hosts (news-1/algo-2)."""
        logs = self.sandbox.client("logs")
        prefix = name if "/" in name else f"{name}/"
        try:
            streams = logs.describe_log_streams(logGroupName=self.log_group, logStreamNamePrefix=prefix)
        except logs.exceptions.ResourceNotFoundException:
            return []
        if not streams["logStreams"]:
            return []
        (stream,) = streams["logStreams"]
        return logs.get_log_events(
            logGroupName=self.log_group, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]

    def lines(self, name: str) -> list[str]:
        """Return the lines of a log, but for the one that says that there is no mount here."""
        lines = [event["message"] for event in self.events(name)]
        return lines if MOUNTED or not lines else lines[1:]

    def streams(self, name: str) -> list[str]:
        """Return the names of a job's log streams."""
        logs = self.sandbox.client("logs")
        found = logs.describe_log_streams(logGroupName=self.log_group, logStreamNamePrefix=f"{name}/")
        return [stream["logStreamName"] for stream in found["logStreams"]]

    def put(self, key: str, body: bytes = b"x") -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def keys(self, prefix: str = "") -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"].removeprefix(prefix) for entry in listed.get("Contents", [])]

    def folder(self, name: str, host: str = "algo-1") -> Path:
        """Return the folder that is /opt/ml."""
        return self.sandbox.home / self.folder_name / "us-east-1" / name / host

    def _until(self, name: str, is_reached: Any, what: str) -> dict[str, Any]:
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            job = self.describe(name)
            if is_reached(job):
                return job
            ended = job[self.status_member] in ("Completed", "Failed", "Stopped")
            assert not ended, (what, job.get("FailureReason"), self.lines(name))
            time.sleep(0.03)
        raise AssertionError(f"{name} did not reach {what}: {self.describe(name)}, {self.lines(name)}")


def channel(uri: str, name: str = "train", **changes: Any) -> dict[str, Any]:
    """Return an input channel that reads a prefix."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, **changes.pop("source", {})}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **changes}


@pytest.fixture(scope="package")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """Jobs of one sandbox for all these modules, home and interpreter in a folder as people have."""
    folder = tmp_path_factory.mktemp("training") / "김's $HOME 집"
    folder.mkdir()
    prefix = folder / "가상 환경"
    prefix.symlink_to(sys.prefix)
    running = RunningSandbox(folder / "home", prefix=prefix)
    try:
        yield Jobs(running)
    finally:
        running.close()
