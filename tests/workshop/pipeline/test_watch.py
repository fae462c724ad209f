"""Executions on the AWS of this machine: watched, drawn, and those that fail."""

from __future__ import annotations

import json
import uuid
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from workshop.aws.session import Aws
from workshop.errors import WorkshopError
from workshop.pipeline.execution import read_execution
from workshop.pipeline.graph import execution_graph
from workshop.pipeline.watch import watch

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:2.9.0-gpu-py312"
TIMEOUT_S = 600


def job_step(aws: Aws, name: str, exit_status: Any, **more: Any) -> dict[str, Any]:
    program = "import sys, pathlib; pathlib.Path('/opt/ml/output/message').write_text('no rows'); sys.exit("
    words = [f"{program}int(sys.argv[1]))", exit_status]
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "-c"],
                "ContainerArguments": words,
            },
            "RoleArn": aws.role_arn,
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
            },
        },
        **more,
    }


class News:
    """A pipeline that looks, compares its parameter, and either goes on or says that it is too weak."""

    def __init__(self, aws: Aws) -> None:
        self.aws, self.name = aws, f"news-{uuid.uuid4().hex[:8]}"
        parameters = [
            {"Name": "Score", "Type": "Float", "DefaultValue": 0.7},
            {"Name": "ExitStatus", "Type": "String", "DefaultValue": "0"},
        ]
        cached = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"}}
        compared = {
            "Type": "GreaterThanOrEqualTo", "LeftValue": {"Get": "Parameters.Score"}, "RightValue": 0.5,
        }  # fmt: skip
        message = {"Std:Join": {"On": " ", "Values": ["too weak:", {"Get": "Parameters.Score"}]}}
        better = {
            "Name": "Better",
            "Type": "Condition",
            "DependsOn": ["Look"],
            "Arguments": {
                "Conditions": [compared],
                "IfSteps": [job_step(aws, "GoOn", "0")],
                "ElseSteps": [{"Name": "TooWeak", "Type": "Fail", "Arguments": {"ErrorMessage": message}}],
            },
        }
        steps = [job_step(aws, "Look", {"Get": "Parameters.ExitStatus"}, **cached), better]
        definition = {"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters, "Steps": steps}
        aws.client("sagemaker").create_pipeline(
            PipelineName=self.name,
            PipelineDefinition=json.dumps(definition),
            RoleArn=aws.role_arn,
            ClientRequestToken=uuid.uuid4().hex,
        )

    def start(self, **parameters: str) -> str:
        return self.aws.client("sagemaker").start_pipeline_execution(
            PipelineName=self.name,
            PipelineParameters=[{"Name": name, "Value": value} for name, value in parameters.items()],
            ClientRequestToken=uuid.uuid4().hex,
        )["PipelineExecutionArn"]


def test_an_execution_is_watched_to_its_end_with_a_line_for_each_change_of_a_step(
    sample_aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    news = News(sample_aws)
    execution = watch(sample_aws, news.start(), timeout_s=TIMEOUT_S)
    assert (execution.status, execution.pipeline) == ("Succeeded", news.name)
    assert [(step.name, step.type, step.status) for step in execution.steps] == [
        ("Look", "Processing", "Succeeded"),
        ("Better", "Condition", "Succeeded"),
        ("GoOn", "Processing", "Succeeded"),
        ("TooWeak", "Fail", "Not run"),
    ]
    assert execution["Better"].outcome == "True"
    assert execution["GoOn"].after == ("Better",)
    assert execution["Look"].seconds > 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("Look     Processing  Succeeded · ") for line in lines) == 1
    assert lines.count("GoOn     Processing  Waiting") == 1
    assert lines[-1].startswith("execution ")
    # The same job again, and another branch: what is not run again is said, and a Fail step is no error.
    failed = watch(sample_aws, news.start(Score="0.2"), timeout_s=TIMEOUT_S)
    assert (failed.status, failed.failure_reason) == ("Failed", "too weak: 0.2")
    assert failed["Look"].is_cached
    assert (failed["TooWeak"].status, failed["GoOn"].status) == ("Failed", "Not run")
    shown = capsys.readouterr().out.splitlines()
    assert "Look     Processing  Succeeded · from the cache" in shown
    assert any(line.startswith("TooWeak  Fail        Failed") and "too weak: 0.2" in line for line in shown)
    # One that has ended is shown as a whole, and drawn as a picture of a notebook's width.
    assert (
        watch(sample_aws, failed.arn, timeout_s=TIMEOUT_S) == failed == read_execution(sample_aws, failed.arn)
    )
    with Image.open(BytesIO(execution_graph(sample_aws, failed.arn)._repr_png_())) as image:
        assert 1_200 <= image.width <= 1_280


def test_a_job_that_failed_is_an_error_with_its_reason_and_the_way_on(sample_aws: Aws) -> None:
    arn = News(sample_aws).start(ExitStatus="3")
    with pytest.raises(WorkshopError) as error:
        watch(sample_aws, arn, timeout_s=TIMEOUT_S)
    assert error.value.found.startswith("the execution failed (Look): ")
    assert "no rows" in error.value.found
    assert f'retry_pipeline_execution(PipelineExecutionArn="{arn}")' in error.value.next_step


def test_a_wait_that_is_over_says_how_to_go_on(sample_aws: Aws) -> None:
    arn = News(sample_aws).start()
    with pytest.raises(WorkshopError) as error:
        watch(sample_aws, arn, timeout_s=0)
    assert "is Executing after" in error.value.found
    assert f'stop_pipeline_execution(PipelineExecutionArn="{arn}")' in error.value.next_step
    assert watch(sample_aws, arn, timeout_s=TIMEOUT_S).status == "Succeeded"
