"""The status of a training job and its history, in AWS's words."""

from __future__ import annotations

import time
from typing import Any

from sandbox.jobs.lifecycle import MAX_REASON_CHARS, TERMINAL

Record = dict[str, Any]
# Source: the log of jobs as the SDK prints it ("2021-06-01 07:31:50 Uploading - Uploading generated ...").
_MESSAGES = {
    "Starting": "Launching requested ML instances",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    "Interrupted": "Training job interrupted: the managed spot instances were taken away",
}


def enter(record: Record, secondary: str, message: str | None = None) -> None:
    """Move a job to a secondary status; the one before it ends. A message alone replaces the last one."""
    now = time.time()
    message = message or _MESSAGES[secondary]
    transitions = record.setdefault("SecondaryStatusTransitions", [])
    if transitions and transitions[-1]["Status"] == secondary:
        transitions[-1]["StatusMessage"] = message
    else:
        if transitions:
            transitions[-1]["EndTime"] = now
        transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message})
    record["SecondaryStatus"] = secondary
    record["LastModifiedTime"] = now


def finish(
    record: Record,
    status: str,
    *,
    secondary: str | None = None,
    reason: str | None = None,
    billed_s: float | None = None,
) -> None:
    """Move a job to its last status, with what was billed and why it failed.

    Args:
        record: The job's.
        status: One of TERMINAL.
        secondary: Its secondary status; the same word when None.
        reason: Why it failed.
        billed_s: Seconds on hosts, of all attempts; the whole time since the first one's start when None.
    """
    assert status in TERMINAL
    enter(record, secondary or status)
    now = record["LastModifiedTime"]
    record["SecondaryStatusTransitions"][-1]["EndTime"] = now
    record["TrainingJobStatus"] = status
    if reason:
        record["FailureReason"] = reason[:MAX_REASON_CHARS]
    if "TrainingStartTime" in record:
        record["TrainingEndTime"] = now
        seconds = max(1, round(now - record["TrainingStartTime"]))
        record["TrainingTimeInSeconds"] = seconds
        record["BillableTimeInSeconds"] = seconds if billed_s is None else max(1, round(billed_s))
