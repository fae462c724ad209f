"""Endpoints: wait until one is in service, and read its log; a failure shows its reason."""

from __future__ import annotations

from typing import Any

from workshop.aws.denied import advice_for_role
from workshop.aws.resources import described_or_none
from workshop.aws.session import Aws
from workshop.aws.waits import Wait
from workshop.errors import WorkshopError
from workshop.view.process_output import NUM_ERROR_LINES, last_lines

LOG_GROUP = "/aws/sagemaker/Endpoints/"
GONE = "gone"
_FAILED = ("Failed", "OutOfService", "UpdateRollbackFailed")


def wait_until_in_service(aws: Aws, endpoint_name: str, *, timeout_s: float) -> dict[str, Any]:
    """Show an endpoint's status until it serves.

    Args:
        timeout_s: After this many seconds the wait ends; the endpoint stays, and costs.

    Returns:
        Its DescribeEndpoint.

    Raises:
        WorkshopError: It failed (with the last lines of its containers), is gone, or the wait timed out.
    """
    describe = aws.client("sagemaker").describe_endpoint
    return Wait(
        title=endpoint_name,
        subject=f"the endpoint {endpoint_name} is",
        timeout_s=timeout_s,
        setting="endpoint_timeout_s",
        interval_s=aws.settings.poll_interval_s,
        expected="InService",
        next_step="run the cell again to continue waiting, or the cells under Delete to delete it: "
        "it costs money as long as it is there",
    ).until(
        lambda: described_or_none(describe, EndpointName=endpoint_name) or _gone(endpoint_name),
        is_done=lambda described: described["EndpointStatus"] == "InService",
        text=lambda described: described["EndpointStatus"],
        failure=lambda described: _failure(aws, described),
    )


def _gone(endpoint_name: str) -> dict[str, Any]:
    """Return a description of what has none: it was deleted while it was waited for, or before."""
    return {"EndpointName": endpoint_name, "EndpointStatus": GONE}


def _failure(aws: Aws, described: dict[str, Any]) -> WorkshopError | None:
    name = described["EndpointName"]
    if described["EndpointStatus"] == GONE:
        return WorkshopError(
            found=f"no endpoint {name}: somebody deleted it",
            expected="an endpoint that is made, and then waited for",
            next_step="run the notebook again from its first cell, which makes it anew",
        )
    if described["EndpointStatus"] not in _FAILED:
        return None
    reason = described.get("FailureReason", "no reason given")
    correct = advice_for_role(reason) or "correct what the reason or the log names"
    return WorkshopError(
        found=f"the endpoint {name} failed: {reason}\n"
        f"the last lines of its log:{last_lines(last_log_lines(aws, name))}",
        expected="a container that answers /ping",
        next_step=f"delete it with the cells under Delete, {correct} "
        f"and create it again; the whole log is in CloudWatch, {LOG_GROUP}{name}",
    )


def last_log_lines(aws: Aws, endpoint_name: str, num_lines: int = NUM_ERROR_LINES) -> list[str]:
    """Return what an endpoint's containers wrote last; nothing when there is no log yet."""
    return last_lines_of(aws, LOG_GROUP + endpoint_name, num_lines)


def last_lines_of(aws: Aws, log_group: str, num_lines: int = NUM_ERROR_LINES) -> list[str]:
    """Return the last lines of a log group, all streams together; nothing when it is not there."""
    logs = aws.client("logs")
    try:
        streams = logs.describe_log_streams(logGroupName=log_group)["logStreams"]
        events = [
            event
            for stream in streams
            for event in logs.get_log_events(
                logGroupName=log_group, logStreamName=stream["logStreamName"], limit=num_lines
            )["events"]
        ]
    except logs.exceptions.ResourceNotFoundException:
        return []
    events.sort(key=lambda event: event["timestamp"])
    return [event["message"].rstrip() for event in events[-num_lines:]]
