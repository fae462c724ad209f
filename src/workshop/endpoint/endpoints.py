"""Wait for an endpoint, and say why when it does not come."""

from __future__ import annotations

import time
from typing import Any

from workshop.aws.session import Aws
from workshop.errors import WorkshopError
from workshop.view.live import make_view

LOG_GROUP = "/aws/sagemaker/Endpoints/"
NUM_LOG_LINES = 15


def wait_until_in_service(aws: Aws, endpoint_name: str, *, timeout_s: float) -> dict[str, Any]:
    """Show an endpoint's status until it serves.

    Args:
        aws: Where it is.
        endpoint_name: Endpoint.
        timeout_s: After this many seconds the wait ends; the endpoint goes on, and goes on costing.

    Returns:
        What DescribeEndpoint says of it.

    Raises:
        WorkshopError: It failed (with the last lines of its containers), or the time is over.
    """
    sagemaker = aws.client("sagemaker")
    view, started_s, shown = make_view(endpoint_name), time.monotonic(), ""
    while True:
        described = sagemaker.describe_endpoint(EndpointName=endpoint_name)
        status, lasted_s = described["EndpointStatus"], time.monotonic() - started_s
        if status != shown:
            view.status(shown := status)
        view.tick()
        if status == "InService":
            view.end("done", f"{endpoint_name} · InService after {lasted_s:.1f} s")
            return described
        if status in ("Failed", "OutOfService", "UpdateRollbackFailed"):
            view.end("failed", f"{endpoint_name} · {status}")
            raise _failure(aws, described)
        if lasted_s > timeout_s:
            view.end("failed", f"{endpoint_name} · {status} after {lasted_s:.0f} s")
            raise WorkshopError(
                found=f"the endpoint {endpoint_name} is {status} after {lasted_s:.0f} s",
                expected=f"InService within {timeout_s:.0f} s (endpoint_timeout_s in workshop.yaml)",
                next_step="run the cell again to go on waiting, or the cells under Cleanup to delete it: "
                "it costs money as long as it is there",
            )
        time.sleep(aws.settings.poll_interval_s)


def _failure(aws: Aws, described: dict[str, Any]) -> WorkshopError:
    name = described["EndpointName"]
    last = "".join(f"\n  | {line}" for line in last_log_lines(aws, name)) or " none"
    return WorkshopError(
        found=f"the endpoint {name} failed: {described.get('FailureReason', 'no reason given')}\n"
        f"the last lines of its log:{last}",
        expected="a container that answers /ping",
        next_step="delete it with the cells under Cleanup, correct what the reason or the log names "
        f"and create it again; the whole log is in CloudWatch, {LOG_GROUP}{name}",
    )


def last_log_lines(aws: Aws, endpoint_name: str, num_lines: int = NUM_LOG_LINES) -> list[str]:
    """Return what an endpoint's containers wrote last; nothing when there is no log yet."""
    return last_lines_of(aws, LOG_GROUP + endpoint_name, num_lines)


def last_lines_of(aws: Aws, log_group: str, num_lines: int = NUM_LOG_LINES) -> list[str]:
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
