"""Watch an execution of a pipeline until it ends: a line for each step, which changes as the step does.

    execution = watch(aws, execution_arn, timeout_s=settings.training_timeout_s)
    execution.status              # Succeeded, Stopped, or Failed where a Fail step ended it

The execution does not need anybody to watch it: interrupt the cell, restart the kernel, and call this again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workshop.aws.waits import Wait
from workshop.errors import WorkshopError
from workshop.pipeline.execution import Execution, Step, read_definition, read_execution

if TYPE_CHECKING:
    from workshop.aws.session import Aws

_LONG_S = 120
"""From here on minutes are counted."""


def watch(aws: Aws, execution_arn: str, *, timeout_s: float) -> Execution:
    """Show an execution until it ends; one that has ended already is shown as a whole.

    Args:
        aws: Where it runs.
        execution_arn: Of StartPipelineExecution.
        timeout_s: After this many seconds the wait ends; the execution continues.

    Returns:
        The execution at its end: one that a Fail step ended, too, as that is what it was made for.

    Raises:
        WorkshopError: A step failed, or the wait timed out.
        ClientError: There is no such execution.
    """
    name, definition = execution_arn.rpartition("/")[2], read_definition(aws, execution_arn)
    return Wait(
        title=f"execution {name}",
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        expected="its end",
        next_step="run the cell again to continue watching: the execution itself goes on; or stop it: "
        f'aws.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn="{execution_arn}")',
        subject=f"the execution {name} is",
    ).until(
        lambda: read_execution(aws, execution_arn, definition),
        is_done=lambda execution: execution.has_ended and not _is_failure(execution),
        text=lambda execution: execution.status,
        failure=lambda execution: _failure(aws, execution),
        rows=step_lines,
    )


def step_lines(execution: Execution) -> list[str]:
    """Return a line for each step: name, type, status, seconds."""
    widths = [max(len(text) for text in texts) for texts in zip(*map(_begin, execution.steps), strict=True)]
    return [
        "  ".join(
            (*(text.ljust(width) for text, width in zip(_begin(step), widths, strict=True)), _end(step))
        )
        for step in execution.steps
    ]


def status_text(step: Step) -> str:
    """Return what became of a step in few words, for example "Succeeded · 4.2 s"."""
    parts = [step.status]
    if step.is_cached:
        parts.append("from the cache")
    elif step.outcome:
        parts.append(step.outcome)
    elif step.seconds is not None:
        is_long = step.seconds >= _LONG_S
        parts.append(f"{step.seconds / 60:,.0f} min" if is_long else f"{step.seconds:.1f} s")
    return " · ".join(parts)


def _begin(step: Step) -> tuple[str, str]:
    return step.name, step.type


def _end(step: Step) -> str:
    first_line = next(iter(step.reason.splitlines()), "")
    return f"{status_text(step)}{f' · {first_line}' if first_line else ''}"


def _is_failure(execution: Execution) -> bool:
    return execution.status == "Failed" and not execution.has_failed_by_itself


def _failure(aws: Aws, execution: Execution) -> WorkshopError | None:
    if not _is_failure(execution):
        return None
    failed = [step for step in execution.steps if step.status == "Failed"]
    names = ", ".join(step.name for step in failed) or "no step"
    said = "".join(f"\n{message}" for step in failed if (message := _exit_message(aws, step)))
    return WorkshopError(
        found=f"the execution failed ({names}): {execution.failure_reason or 'no reason given'}{said}",
        expected="an execution that ends as Succeeded, or in a Fail step",
        next_step="correct what the reason names; then start the pipeline again, or let this execution go on "
        'from that step: aws.client("sagemaker").retry_pipeline_execution('
        f'PipelineExecutionArn="{execution.arn}")',
    )


def _exit_message(aws: Aws, step: Step) -> str:
    """Return what a processing job said at its end; AWS's reason of its step does not repeat it."""
    kind, _, name = step.arn.rpartition(":")[2].partition("/")
    if kind != "processing-job":
        return ""
    job = aws.client("sagemaker").describe_processing_job(ProcessingJobName=name)
    return job.get("ExitMessage", "").strip()
