"""The processing job that scores captures: found again by a new kernel, and waited for.

name = scoring_job(aws, prefix)            # None: none was started, or the last one failed
if name is None: processor.run(...)
print(wait_for_job(aws, name, timeout_s=3600))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workshop.aws.waits import Wait
from workshop.errors import WorkshopError

if TYPE_CHECKING:
    from workshop.aws.session import Aws

_OF_NO_USE = ("Failed", "Stopping", "Stopped")


def scoring_job(aws: Aws, prefix: str) -> str | None:
    """Return the newest job whose name begins like this and that runs or has completed; None for none."""
    pages = aws.client("sagemaker").get_paginator("list_processing_jobs").paginate(
        NameContains=prefix, SortBy="CreationTime", SortOrder="Descending"
    )  # fmt: skip
    for one in pages.build_full_result()["ProcessingJobSummaries"]:
        if one["ProcessingJobStatus"] not in _OF_NO_USE:
            return one["ProcessingJobName"]
    return None


def wait_for_job(aws: Aws, name: str, *, timeout_s: float) -> str:
    """Show a processing job's status until it has completed, and return what it said at its end.

    Raises:
        WorkshopError: It failed or was stopped (with what it said), or the wait timed out.
    """
    describe = aws.client("sagemaker").describe_processing_job
    ended = Wait(
        title=name,
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        expected="Completed",
        next_step="run the cell again to continue waiting: the job itself goes on",
        subject=f"the job {name} is",
    ).until(
        lambda: describe(ProcessingJobName=name),
        is_done=lambda job: job["ProcessingJobStatus"] == "Completed",
        text=lambda job: job["ProcessingJobStatus"],
        failure=_failure,
    )
    return ended.get("ExitMessage", "").strip()


def _failure(job: dict[str, Any]) -> WorkshopError | None:
    if job["ProcessingJobStatus"] not in _OF_NO_USE:
        return None
    said = job.get("ExitMessage", "").strip() or job.get("FailureReason", "no reason given")
    return WorkshopError(
        found=f"the job {job['ProcessingJobName']}: {job['ProcessingJobStatus']}: {said}",
        expected="a job that scores every captured request",
        next_step="correct what it says, then run the cell again: it starts another job",
    )
