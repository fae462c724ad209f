"""The executions of the workshop's pipelines, and what their steps have made.

AWS gives such jobs and models their names, and no request of this machine does: the ledger has none of them,
and tags only where the pipeline's definition has some. The execution says what its steps made.
"""

from __future__ import annotations

from typing import Any

from workshop.account.found import Found, Problem, noted
from workshop.account.ownership import Ownership
from workshop.aws.resources import described_or_none, is_missing
from workshop.aws.session import Aws
from workshop.aws.waits import Wait

RUNNING = ("Executing", "Stopping")
_MADE = ("TrainingJob", "ProcessingJob", "Model")
"""Kinds by their names in a step's metadata, with their ARNs there. What is registered stays its group's."""


def find_executions(
    aws: Aws, ownership: Ownership, pipelines: list[Found], problems: list[Problem]
) -> list[Found]:
    """Return the executions that run, and let the ownership know what all of them have made.

    Args:
        ownership: From then on what a step has made is whose its pipeline is.
        pipelines: Of the kind Pipeline.
        problems: Get what AWS refuses to say.
    """
    sagemaker, found = aws.client("sagemaker"), list[Found]()
    for pipeline in pipelines:
        with noted(problems, f"the executions of {pipeline.name}"):
            pages = sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=pipeline.name)
            for execution in (one for page in pages for one in page["PipelineExecutionSummaries"]):
                arn = execution["PipelineExecutionArn"]
                _adopt_what_was_made(sagemaker, ownership, pipeline, arn)
                if execution["PipelineExecutionStatus"] in RUNNING:
                    found.append(_found(pipeline, execution))
    return found


def stop_execution(aws: Aws, execution: Found) -> None:
    """Ask AWS to stop an execution and the jobs that it runs; one that has ended a moment ago is none."""
    from botocore.exceptions import ClientError

    try:
        aws.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=execution.details["arn"])
    except ClientError as error:
        has_ended = error.response["Error"].get("Code") in ("ValidationException", "ConflictException")
        if not has_ended and not is_missing(error):  # what counts is what Describe says
            raise


def wait_until_execution_ended(aws: Aws, execution: Found, timeout_s: float) -> None:
    """Wait for the end of an execution that is being stopped."""
    describe = aws.client("sagemaker").describe_pipeline_execution
    Wait(
        title=execution.name,
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        setting="endpoint_timeout_s",
        expected="the end of the execution",
        next_step="run the cleanup again; its jobs have 120 s to save, then their results are uploaded",
    ).until(
        lambda: described_or_none(describe, PipelineExecutionArn=execution.details["arn"]),
        is_done=lambda one: one is None or one["PipelineExecutionStatus"] not in RUNNING,
        text=lambda one: "gone" if one is None else one["PipelineExecutionStatus"],
    )


def _adopt_what_was_made(sagemaker: Any, ownership: Ownership, pipeline: Found, arn: str) -> None:
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(PipelineExecutionArn=arn)
    for step in (one for page in pages for one in page["PipelineExecutionSteps"]):
        for kind in _MADE:
            if made := step.get("Metadata", {}).get(kind, {}).get("Arn"):
                ownership.adopt(kind, made.rpartition("/")[2], pipeline.sources, pipeline.mode)


def _found(pipeline: Found, execution: dict[str, Any]) -> Found:
    arn = execution["PipelineExecutionArn"]
    return Found(
        kind="PipelineExecution",
        name=f"{pipeline.name}/{arn.rpartition('/')[2]}",
        sources=pipeline.sources,
        mode=pipeline.mode,
        made_at=execution["StartTime"],
        what=f"{execution['PipelineExecutionStatus']}, costs what its jobs cost",
        details={"arn": arn, "is_adapter": False, "has_ended": False},
    )
