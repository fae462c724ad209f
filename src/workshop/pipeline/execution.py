"""An execution as AWS describes it: every step of its definition, and what became of it so far."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workshop.aws.session import Aws

WAITING, NOT_RUN = "Waiting", "Not run"
"""Of a step that AWS does not list: while the execution runs, and afterwards."""

RUNNING = ("Executing", "Stopping")
"""Of an execution that has not ended."""

Tree = Any  # what JSON holds


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of an execution.

    Attributes:
        name: In the definition.
        type: Processing, Training, Condition, RegisterModel, Fail, ...
        after: Names of the steps that it waits for, by DependsOn, by what it reads, or as part of a branch.
        condition: Name of the condition step whose branch it is in; "" for none.
        branch: Which one: "True" or "False"; "" for none.
        status: AWS's StepStatus, WAITING or NOT_RUN.
        seconds: From its start to its end; None before its end.
        outcome: Of a condition: "True" or "False"; "" before it is known.
        is_cached: Whether the result of an earlier execution was taken.
        reason: Why it failed, or a Fail step's message.
        arn: Of the job, model or version that it made; "" for none.
    """

    name: str
    type: str
    after: tuple[str, ...] = ()
    condition: str = ""
    branch: str = ""
    status: str = WAITING
    seconds: float | None = None
    outcome: str = ""
    is_cached: bool = False
    reason: str = ""
    arn: str = ""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """An execution at one moment.

    Attributes:
        arn: Its PipelineExecutionArn.
        pipeline: Name of its pipeline.
        status: Executing, Stopping, Stopped, Failed, Succeeded or CompletedWithFailures.
        failure_reason: A Fail step's message, a step's reason, or AWS's own; "" when it has not failed.
        steps: In the definition's order; a condition's branches come right after it.
    """

    arn: str
    pipeline: str
    status: str
    failure_reason: str
    steps: tuple[Step, ...]

    @property
    def has_ended(self) -> bool:
        return self.status not in RUNNING

    @property
    def has_failed_by_itself(self) -> bool:
        """Whether it is a Fail step that ended it: the pipeline did what it was made for."""
        return any(step.type == "Fail" and step.status == "Failed" for step in self.steps)

    def __getitem__(self, name: str) -> Step:
        """Return a step by its name."""
        return next(step for step in self.steps if step.name == name)


def read_definition(aws: Aws, execution_arn: str) -> dict[str, Any]:
    """Return the definition that an execution began with; the pipeline may have another one by now.

    Raises:
        ClientError: There is no execution of this ARN, or AWS refuses.
    """
    sagemaker = aws.client("sagemaker")
    answer = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=execution_arn)
    return json.loads(answer["PipelineDefinition"])


def read_execution(aws: Aws, execution_arn: str, definition: Mapping[str, Any] | None = None) -> Execution:
    """Ask AWS for an execution: its status, its steps.

    Args:
        aws: Where it is.
        execution_arn: Of StartPipelineExecution.
        definition: Its own, which does not change; None to ask for it.

    Raises:
        ClientError: There is none of this ARN, or AWS refuses.
    """
    sagemaker = aws.client("sagemaker")
    definition = definition or read_definition(aws, execution_arn)
    # The execution first: once it has ended, the steps that are listed after that are at their end.
    described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution_arn)
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=execution_arn
    )
    return execution_of(
        described, definition, [step for page in pages for step in page["PipelineExecutionSteps"]]
    )


def execution_of(
    described: Mapping[str, Any], definition: Mapping[str, Any], listed: list[Mapping[str, Any]]
) -> Execution:
    """Return an execution by what AWS has answered.

    Args:
        described: DescribePipelineExecution.
        definition: PipelineDefinition of DescribePipelineDefinitionForExecution, parsed.
        listed: PipelineExecutionSteps of ListPipelineExecutionSteps.
    """
    status = described["PipelineExecutionStatus"]
    by_name = {step["StepName"]: step for step in listed}
    default = WAITING if status in RUNNING else NOT_RUN
    steps = tuple(_step(step, by_name.get(step.name), default) for step in _defined(definition["Steps"]))
    failed = [step for step in steps if step.status == "Failed" and step.reason]
    # A Fail step's own words before those of the steps that fell with it.
    failed.sort(key=lambda step: step.type != "Fail")
    reason = failed[0].reason if failed else described.get("FailureReason", "")
    return Execution(
        arn=described["PipelineExecutionArn"],
        pipeline=described["PipelineArn"].rpartition("/")[2],
        status=status,
        failure_reason=reason if status == "Failed" else "",
        steps=steps,
    )


def _defined(steps: list[Tree], condition: str = "", branch: str = "") -> Iterator[Step]:
    """Yield the steps of a definition as they are before anything has begun."""
    for step in steps:
        arguments = step.get("Arguments", {})
        is_condition = step["Type"] == "Condition"
        read = arguments.get("Conditions") if is_condition else [arguments, step.get("Description")]
        after = [*([condition] if condition else []), *step.get("DependsOn", ()), *_read_steps(read)]
        after = [name for name in dict.fromkeys(after) if name != step["Name"]]
        yield Step(
            name=step["Name"], type=step["Type"], after=tuple(after), condition=condition, branch=branch
        )
        if is_condition:
            yield from _defined(arguments.get("IfSteps", []), step["Name"], "True")
            yield from _defined(arguments.get("ElseSteps", []), step["Name"], "False")


def _read_steps(value: Tree) -> Iterator[str]:
    """Yield the names of the steps that a value reads from: {"Get": "Steps.NAME.ModelArtifacts"}."""
    if isinstance(value, Mapping):
        got = value.get("Get")
        if isinstance(got, str) and got.startswith("Steps."):
            yield got.split(".")[1]
        for inner in value.values():
            yield from _read_steps(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _read_steps(inner)


def _step(step: Step, listed: Mapping[str, Any] | None, default: str) -> Step:
    if listed is None:
        return Step(**{**vars(step), "status": default})
    metadata = listed.get("Metadata", {})
    seconds = None
    if "EndTime" in listed and "StartTime" in listed:
        seconds = (listed["EndTime"] - listed["StartTime"]).total_seconds()
    return Step(
        **{
            **vars(step),
            "status": listed["StepStatus"],
            "seconds": seconds,
            "outcome": str(metadata.get("Condition", {}).get("Outcome", "")),
            "is_cached": bool(listed.get("CacheHitResult")),
            "arn": next((made["Arn"] for made in metadata.values() if "Arn" in made), ""),
            "reason": metadata.get("Fail", {}).get("ErrorMessage") or listed.get("FailureReason", ""),
        }
    )
