"""The states of endpoints: which of them run, what may be changed now, and what is left after a restart."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import ACCOUNT_ID
from sandbox.hosting.instance import remove_scratch, stop_together
from sandbox.hosting.preloaded import preloaded_parent
from sandbox.hosting.running_endpoint import RunningEndpoint

if TYPE_CHECKING:
    from sandbox.context import Context

KIND = "endpoint"
ENDED_REASON = "The sandbox that ran this endpoint ended; delete the endpoint and create it again."
END_GRACE_S = 10.0  # of all endpoints together, when the sandbox itself ends
# Those in which an endpoint has what serves, or is about to; a restart ends it.
_LIVING = ("Creating", "InService", "Updating", "RollingBack", "UpdateRollbackFailed")
# Source: SageMaker Developer Guide, "Use rolling deployments": a failed rollback is left by another update.
_CHANGEABLE = ("InService", "UpdateRollbackFailed")

# A process is one sandbox: what it runs is known to it alone.
_running: dict[tuple[str, str], RunningEndpoint] = {}
_running_lock = threading.Lock()


def remember(endpoint: RunningEndpoint) -> None:
    """Note that an endpoint runs."""
    with _running_lock:
        _running[endpoint.region, endpoint.name] = endpoint


def forget(endpoint: RunningEndpoint) -> None:
    """Note that an endpoint runs no more."""
    with _running_lock:
        if _running.get((endpoint.region, endpoint.name)) is endpoint:
            del _running[endpoint.region, endpoint.name]


def running(region: str, name: str) -> RunningEndpoint | None:
    """Return the endpoint of a name, also one that starts or ends; None without one."""
    return _running.get((region, name))


def serving(region: str, name: str) -> RunningEndpoint | None:
    """Return the endpoint that answers invocations under a name, or None."""
    endpoint = running(region, name)
    return endpoint if endpoint and endpoint.is_in_service else None


def begin_change(context: Context, region: str, name: str, **members: Any) -> RunningEndpoint:
    """Say in its record that an endpoint is being updated, and return it.

    Args:
        context: Has the records.
        region: Of the endpoint.
        name: Its name.
        members: What else changes in its record.

    Raises:
        AwsError: There is no such endpoint, or it cannot be changed now.
    """
    arn = f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:{KIND}/{name.lower()}"
    try:
        with context.resources.change(KIND, region, name) as record:
            status, endpoint = record["EndpointStatus"], serving(region, name)
            if status == "Failed":  # the wording is ours
                raise validation_error(f'Cannot update endpoint "{arn}": it has failed; it can be deleted.')
            if status not in _CHANGEABLE or endpoint is None:
                raise validation_error(f'Cannot update in-progress endpoint "{arn}".')
            # Of the last update: it is there until another one begins.
            record.pop("FailureReason", None)
            record.update(EndpointStatus="Updating", LastModifiedTime=time.time(), **members)
            return endpoint
    except KeyError:
        raise validation_error(f'Could not find endpoint "{arn}".') from None


def begin_deletion(context: Context, region: str, name: str) -> RunningEndpoint | None:
    """Say in its record that an endpoint is being deleted; return it if it runs.

    Raises:
        AwsError: There is no such endpoint, it is being changed, or inference components are on it.

    Source: the message about components is quoted in github.com/gruntwork-io/cloud-nuke/pull/1142.
    """
    from sandbox.hosting.lifecycle import components_of

    arn = f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:{KIND}/{name.lower()}"
    try:
        with context.resources.change(KIND, region, name) as record:
            if record["EndpointStatus"] not in (*_CHANGEABLE, "Failed"):
                raise validation_error(f'Cannot update in-progress endpoint "{arn}".')
            if components_of(context, region, name):
                raise validation_error(
                    "Cannot delete endpoint with inference component associated. Please delete inference"
                    " component and try it again."
                )
            record.update(EndpointStatus="Deleting", LastModifiedTime=time.time())
    except KeyError:
        raise validation_error(f'Could not find endpoint "{arn}".') from None
    return running(region, name)


def set_status(context: Context, region: str, name: str, status: str, **members: Any) -> None:
    """Write a status, and what comes with it."""
    with context.resources.change(KIND, region, name) as record:
        record.update(EndpointStatus=status, LastModifiedTime=time.time(), **members)


def recover(context: Context) -> None:
    """Say of the endpoints of the sandbox that ran before on this home that they ended with it."""
    folder = context.home / "endpoints"
    remove_scratch(folder)
    shutil.rmtree(folder, ignore_errors=True)
    for record in context.resources.all(KIND):
        name, region = record["EndpointName"], record["_region"]
        if record["EndpointStatus"] in _LIVING:
            set_status(context, region, name, "Failed", FailureReason=ENDED_REASON)
        elif record["EndpointStatus"] == "Deleting":
            context.resources.remove(KIND, region, name)


def end_all(context: Context) -> None:
    """End every server process, because the sandbox ends."""
    with _running_lock:
        ending = list(_running.values())
        _running.clear()
    for endpoint in ending:
        endpoint.terminate()
    stop_together(ending, END_GRACE_S)
    preloaded_parent.end()
    recover(context)
