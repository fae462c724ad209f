"""Pipelines made with boto3: definitions as text, whose jobs are tiny Python programs."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..conftest import RunningSandbox

BUCKET = "news-bucket"
ROLE = "arn:aws:iam::000000000000:role/workshop-sample"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:2.9.0-gpu-py312"
REPORT = '{"score": {"value": 0.75}, "count": 3}'
WAIT_S = 120
OVER = ("Succeeded", "Failed", "Stopped")
_OUTPUT = "/opt/ml/processing/output"


def processing(name: str, program: str = "", **more: Any) -> dict[str, Any]:
    """Return a step that runs a Python program, which finds the folder of its one output as its argument."""
    arguments = {
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", "-c", program or "print('did it')"],
            "ContainerArguments": [_OUTPUT],
        },
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "report",
                    "S3Output": {
                        "S3Uri": f"s3://{BUCKET}/out/{name}",
                        "LocalPath": _OUTPUT,
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        "RoleArn": ROLE,
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
        },
        **more.pop("arguments", {}),
    }
    return {"Name": name, "Type": "Processing", "Arguments": arguments, **more}


def reporting(name: str, report: str = REPORT, **more: Any) -> dict[str, Any]:
    """Return a step that writes a report, which JsonGet reads as the property file Report."""
    program = f"import sys, pathlib; pathlib.Path(sys.argv[1], 'report.json').write_text({report!r})"
    file = {"PropertyFileName": "Report", "OutputName": "report", "FilePath": "report.json"}
    return processing(name, program, PropertyFiles=[file], **more)


def training(name: str, program: str = "", **more: Any) -> dict[str, Any]:
    """Return a step that runs a Python program as a training job."""
    arguments = {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", program or "print('did it')"],
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models", "CompressionType": "NONE"},
        "RoleArn": ROLE,
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **more.pop("arguments", {}),
    }
    return {"Name": name, "Type": "Training", "Arguments": arguments, **more}


def condition(name: str, left: Any, right: Any, *, then: list[Any], otherwise: list[Any]) -> dict[str, Any]:
    """Return a step that goes on with `then` when left is at least right."""
    compared = {"Type": "GreaterThanOrEqualTo", "LeftValue": left, "RightValue": right}
    arguments = {"Conditions": [compared], "IfSteps": then, "ElseSteps": otherwise}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


def score_of(step: str) -> dict[str, Any]:
    """Return the value that the report of a step has."""
    file = {"Get": f"Steps.{step}.PropertyFiles.Report"}
    return {"Std:JsonGet": {"PropertyFile": file, "Path": "score.value"}}


def registration(name: str, training_step: str, group: str = "news") -> dict[str, Any]:
    """Return a step that registers the model of a training step."""
    uri = {"Get": f"Steps.{training_step}.ModelArtifacts.S3ModelArtifacts"}
    source = {"S3DataSource": {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}}
    arguments = {
        "ModelPackageGroupName": group,
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE, "ModelDataSource": source}],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "ModelApprovalStatus": "PendingManualApproval",
    }
    return {"Name": name, "Type": "RegisterModel", "Arguments": arguments}


def failure(name: str, message: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}}


def definition(*steps: dict[str, Any], parameters: tuple[dict[str, Any], ...] = ()) -> str:
    """Return the text of a definition."""
    content = {"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters, "Steps": steps}
    return json.dumps(content)


def walk(bar: float = 0.5) -> str:
    """Return the definition of a pipeline with every type of step but Model."""
    message = {"Std:Join": {"On": " ", "Values": ["below", {"Get": "Parameters.Bar"}]}}
    better = condition(
        "Better",
        score_of("Evaluate"),
        {"Get": "Parameters.Bar"},
        then=[registration("Register", "Train")],
        otherwise=[failure("TooWeak", message)],
    )
    evaluate = reporting("Evaluate", DependsOn=["Train"])
    train = training("Train", DependsOn=["Prepare"])
    bar_of = {"Name": "Bar", "Type": "Float", "DefaultValue": bar}
    return definition(processing("Prepare"), train, evaluate, better, parameters=(bar_of,))


class Pipelines:
    """Pipelines of one sandbox, and its bucket.

    Args:
        sandbox: The running sandbox.
    """

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.sandbox.client("s3").create_bucket(Bucket=BUCKET)

    @property
    def sagemaker(self) -> Any:
        return self.sandbox.client("sagemaker")

    def create(self, text: str, **more: Any) -> str:
        """Create a pipeline of a definition and return its name."""
        name = f"news-{uuid.uuid4().hex[:8]}"
        request = {"PipelineName": name, "PipelineDefinition": text, "RoleArn": ROLE, **more}
        self.sagemaker.create_pipeline(**request)
        return name

    def start(self, name: str, values: dict[str, str] | None = None, **more: Any) -> str:
        """Start an execution and return its ARN."""
        given = [{"Name": key, "Value": value} for key, value in (values or {}).items()]
        answer = self.sagemaker.start_pipeline_execution(PipelineName=name, PipelineParameters=given, **more)
        return answer["PipelineExecutionArn"]

    def describe(self, arn: str) -> dict[str, Any]:
        return self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)

    def status(self, arn: str) -> str:
        return self.describe(arn)["PipelineExecutionStatus"]

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        """Return the steps that have begun, by name, the oldest first."""
        answer = self.sagemaker.list_pipeline_execution_steps(
            PipelineExecutionArn=arn, MaxResults=100, SortOrder="Ascending"
        )
        return {step["StepName"]: step for step in answer["PipelineExecutionSteps"]}

    def statuses(self, arn: str) -> dict[str, str]:
        return {name: step["StepStatus"] for name, step in self.steps(arn).items()}

    def wait(self, arn: str) -> dict[str, Any]:
        """Wait for an execution's end and return its description."""
        return self.until(lambda: self.describe(arn), lambda it: it["PipelineExecutionStatus"] in OVER, arn)

    def run(self, text: str, values: dict[str, str] | None = None, **more: Any) -> str:
        """Create a pipeline, wait for the end of an execution of it and return the execution's ARN."""
        arn = self.start(self.create(text, **more), values)
        self.wait(arn)
        return arn

    def until(self, look: Any, is_so: Any, what: str) -> Any:
        """Look again and again until it is so, and return what was seen then."""
        deadline_s = time.monotonic() + WAIT_S
        while not is_so(seen := look()):
            assert time.monotonic() < deadline_s, f"{what}: {seen}\n{self.sandbox.log_path.read_text()}"
            time.sleep(0.02)
        return seen


def refused(call: Any, **request: Any) -> tuple[str, str]:
    """Return code and message of the error that a call answers with."""
    with pytest.raises(ClientError) as error:
        call(**request)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


@pytest.fixture(scope="package")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipelines]:
    """Pipelines of one sandbox for all these modules."""
    running = RunningSandbox(tmp_path_factory.mktemp("pipelines") / "home")
    try:
        yield Pipelines(running)
    finally:
        running.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
