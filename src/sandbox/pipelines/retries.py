"""When a step is tried again: its retry policies, and those that it has without any.

Source: developer guide, "Retry Policy for Pipeline Steps". How often AWS repeats a call by itself it does not
say; here three times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import AwsError
from sandbox.pipelines.calls import is_fault, is_throttled

if TYPE_CHECKING:
    from sandbox.pipelines.definition import Step

THROTTLING, SERVICE_FAULT = "Step.THROTTLING", "Step.SERVICE_FAULT"
INTERNAL_ERROR, CAPACITY_ERROR = "SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR"
RESOURCE_LIMIT = "SageMaker.RESOURCE_LIMIT"
_DEFAULTS = [{"ExceptionType": [THROTTLING, SERVICE_FAULT], "MaxAttempts": 3}]


@dataclass(frozen=True)
class Problem:
    """Why a step did not succeed.

    Args:
        reason: Its FailureReason.
        exception_type: As retry policies call it; None for what is never tried again.
        is_stopped: What it made was stopped.
    """

    reason: str
    exception_type: str | None = None
    is_stopped: bool = False


def of_call(operation: str, error: AwsError, step: Step, *, execution_arn: str) -> Problem:
    """Return what an error of a call is to the step that made it; the wording as users quote it."""
    reason = f"ClientError: Failed to invoke sagemaker:{operation}. Error Details: {error.message}"
    match error.code:
        case "ResourceLimitExceeded" if any(
            RESOURCE_LIMIT in policy["ExceptionType"] for policy in step.retry_policies
        ):
            return Problem(reason, RESOURCE_LIMIT)
        case "ResourceLimitExceeded":
            more = (
                f"\nRetry not appropriate on execution of step with PipelineExecutionArn {execution_arn} and"
                f" StepId {step.name}. No retry policy configured for the exception type"
                " SAGEMAKER_RESOURCE_LIMIT."
            )
            return Problem(reason + more, RESOURCE_LIMIT)
    if is_throttled(error):
        return Problem(reason, THROTTLING)
    return Problem(reason, SERVICE_FAULT if is_fault(error) else None)


def of_look(error: AwsError) -> Problem:
    """Return what it is to a step that it cannot be seen what has become of what it made."""
    return Problem(f"ClientError: {error.message}")


def of_job(reason: str, *, is_stopped: bool) -> Problem:
    """Return what the end of a job is to its step."""
    kind = None
    if reason.startswith("CapacityError"):
        kind = CAPACITY_ERROR
    elif reason.startswith("InternalServerError"):
        kind = INTERNAL_ERROR
    return Problem(f"ClientError: {reason}", kind, is_stopped)


def wait_s(
    policies: list[dict[str, Any]], problem: Problem, *, num_attempts: int, running_s: float
) -> float | None:
    """Return how long to wait before a step is tried again; None when it is not.

    Args:
        policies: Of the step; the first that names the problem counts.
        problem: Of the last attempt.
        num_attempts: So far.
        running_s: Since the first attempt began.
    """
    for policy in [*policies, *_DEFAULTS]:
        if problem.exception_type not in policy["ExceptionType"]:
            continue
        expires_min, max_attempts = policy.get("ExpireAfterMin"), policy.get("MaxAttempts")
        if expires_min is None and max_attempts is None:
            max_attempts = 5
        is_spent = max_attempts is not None and num_attempts > max_attempts
        is_late = bool(expires_min) and running_s > expires_min * 60
        if is_spent or is_late:
            return None
        return policy.get("IntervalSeconds", 1) * policy.get("BackoffRate", 2.0) ** (num_attempts - 1)
    return None
