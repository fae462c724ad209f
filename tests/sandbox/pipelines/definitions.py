"""Definitions as SDK v3 writes them, built of small parts."""

from __future__ import annotations

import json
from typing import Any

ROLE = "arn:aws:iam::000000000000:role/pipeline"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:2.9.0"


def get(path: str) -> dict[str, str]:
    """Return a reference."""
    return {"Get": path}


def join(*values: Any, on: str = "") -> dict[str, Any]:
    """Return a Std:Join."""
    return {"Std:Join": {"On": on, "Values": list(values)}}


def json_get(path: str, step: str = "Prepare", file: str = "Report") -> dict[str, Any]:
    """Return a Std:JsonGet of a property file."""
    return {"Std:JsonGet": {"PropertyFile": get(f"Steps.{step}.PropertyFiles.{file}"), "Path": path}}


def processing(
    name: str = "Prepare", *, outputs: tuple[str, ...] = ("train",), **more: Any
) -> dict[str, Any]:
    """Return a Processing step; more are members of the step, or of its arguments."""
    arguments = {
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
        },
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["python3", "-c", "pass"]},
        "RoleArn": ROLE,
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": each,
                    "S3Output": {
                        "S3Uri": f"s3://news/{name}/{each}",
                        "LocalPath": f"/opt/ml/processing/output/{each}",
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for each in outputs
            ]
        },
    }
    return _step(name, "Processing", arguments, more)


def training(name: str = "Train", **more: Any) -> dict[str, Any]:
    """Return a Training step; more are members of the step, or of its arguments."""
    arguments = {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://news/training"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30},
        "RoleArn": ROLE,
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
    return _step(name, "Training", arguments, more)


def fail(name: str = "TooWeak", message: Any = "too weak") -> dict[str, Any]:
    """Return a Fail step."""
    return _step(name, "Fail", {"ErrorMessage": message}, {})


def condition(
    name: str = "Better", *conditions: Any, then: Any = (), otherwise: Any = (), **more: Any
) -> Any:
    """Return a Condition step."""
    arguments = {"Conditions": list(conditions), "IfSteps": list(then), "ElseSteps": list(otherwise)}
    return _step(name, "Condition", arguments, more)


def compare(kind: str, left: Any, right: Any) -> dict[str, Any]:
    """Return a condition of two values."""
    return {"Type": kind, "LeftValue": left, "RightValue": right}


def definition(*steps: Any, parameters: Any = (), **more: Any) -> str:
    """Return a definition as text, as the SDK sends it."""
    content = {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": list(parameters),
        "PipelineExperimentConfig": {
            "ExperimentName": get("Execution.PipelineName"),
            "TrialName": get("Execution.PipelineExecutionId"),
        },
        "MlflowConfig": None,
        "Steps": list(steps),
    }
    return json.dumps(content | more)


_OF_STEPS = {"DependsOn", "CacheConfig", "PropertyFiles", "RetryPolicies", "DisplayName", "Description"}


def _step(name: str, kind: str, arguments: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    members = {key: value for key, value in more.items() if key in _OF_STEPS}
    own = {key: value for key, value in more.items() if key not in _OF_STEPS}
    return {"Name": name, "Type": kind, "Arguments": arguments | own, **members}
