"""A start that is repeated, because its answer was lost, starts nothing a second time."""

from __future__ import annotations

from pathlib import Path

from sandbox import operations
from sandbox.context import Context
from sandbox.events import targets
from sandbox.pipelines.calls import Caller

from ..pipelines.conftest import ROLE, definition, failure

REGION = "us-east-1"


def test_the_same_event_starts_a_target_once_and_another_one_again(tmp_path: Path) -> None:
    assert "StartPipelineExecution" in operations.SAGEMAKER.operations
    context = Context(tmp_path)
    made = Caller(context, REGION)(
        "CreatePipeline",
        {
            "PipelineName": "news",
            "PipelineDefinition": definition(failure("Drill", "a drill")),
            "RoleArn": ROLE,
            "ClientRequestToken": "0" * 32,
        },
    )
    target = {"Id": "t", "Arn": made["PipelineArn"], "RoleArn": ROLE}

    def start(rule: str, target_id: str, event_id: str) -> str:
        return targets.start(context, REGION, rule, {**target, "Id": target_id}, {"id": event_id})

    first = start("news-r", "t", "1")
    assert start("news-r", "t", "1") == first
    assert len({first, start("news-r", "t", "2"), start("news-r", "u", "1"), start("news-s", "t", "1")}) == 4
