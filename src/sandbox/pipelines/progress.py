"""How far an execution has come, read from its record alone: what can start, what runs, how it ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.pipelines.definition import Definition, Step

STEPS = "_steps"  # of an execution's record: by name, what ListPipelineExecutionSteps tells and what is ours
SELECTED = "_selected"  # of an execution of some steps: their names
PROPERTIES = "_properties"  # of a step that has succeeded: what Describe answers
RETRY_AT = "_retry_at_s"
CUT_OFF = "_is_cut_off"  # of a step that had not ended when the sandbox did
RUNNING = ("Starting", "Executing", "Stopping")
TERMINAL = ("Succeeded", "Failed", "Stopped")
DEFAULT_MAX_PARALLEL = 50  # "By default, the maximum parallel steps is 50": developer guide, pipelines
# Source: of executions that users show, and tests/integ/sagemaker/workflow of the SDK.
STEPS_FAILED = "Step failure: One or multiple steps failed."
_INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
_MAX_REASON_CHARS = 1300
Record = dict[str, Any]


def is_over(record: Record) -> bool:
    """Return whether an execution has its last status."""
    return record["PipelineExecutionStatus"] in TERMINAL


def is_stopping(record: Record) -> bool:
    return record["PipelineExecutionStatus"] == "Stopping"


def running(record: Record) -> dict[str, Record]:
    """Return the steps that have begun and not ended, by name."""
    return {name: step for name, step in record[STEPS].items() if step["StepStatus"] in RUNNING}


def has_failed(record: Record) -> bool:
    """Return whether a step did not succeed: nothing begins any more then, and what runs is not stopped."""
    return any(step["StepStatus"] in ("Failed", "Stopped") for step in record[STEPS].values())


def ready(definition: Definition, record: Record) -> list[Step]:
    """Return the steps that can begin: what they need has succeeded, and their branch was taken."""
    if has_failed(record):
        return []
    steps, selected = record[STEPS], record.get(SELECTED)
    return [
        step
        for step in definition.steps.values()
        if step.name not in steps and (selected is None or step.name in selected) and _can_begin(step, steps)
    ]


def _can_begin(step: Step, steps: dict[str, Record]) -> bool:
    if any(steps.get(name, {}).get("StepStatus") != "Succeeded" for name in step.needs):
        return False
    if step.branch is None:
        return True
    condition, outcome = step.branch
    return steps[condition][PROPERTIES]["Outcome"] is outcome


def num_free(record: Record) -> int:
    """Return how many more steps may run beside those that do."""
    limit = (record.get("ParallelismConfiguration") or {}).get("MaxParallelExecutionSteps")
    return (limit or DEFAULT_MAX_PARALLEL) - len(running(record))


def finish(record: Record, *, reason: str | None = None) -> None:
    """Give an execution of which nothing runs its last status.

    Args:
        record: Of the execution.
        reason: Why it ends before its end.
    """
    if is_stopping(record):
        status, reason = "Stopped", None
    elif reason or has_failed(record):
        status, reason = "Failed", reason or STEPS_FAILED
    else:
        status = "Succeeded"
    record["PipelineExecutionStatus"] = status
    record["LastModifiedTime"] = time.time()
    if reason:
        record["FailureReason"] = reason[:_MAX_REASON_CHARS]


def give_up(record: Record) -> None:
    """Give an execution its last status after a failure of ours; what its jobs do is not known then."""
    for step in running(record).values():
        step |= {"StepStatus": "Failed", "EndTime": time.time(), "FailureReason": _INTERNAL}
    finish(record, reason=_INTERNAL)
