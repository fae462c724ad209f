"""The states of inference components: which of them run, what may be changed now, and how a change ended."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import ACCOUNT_ID
from sandbox.hosting.adapters import RunningAdapter
from sandbox.hosting.errors import DeploymentFailedError, RollbackFailedError, nothing_unforeseen
from sandbox.hosting.instance import remove_scratch, stop_together
from sandbox.hosting.running_component import RunningComponent

if TYPE_CHECKING:
    from sandbox.context import Context

KIND = "inference-component"
STATUS = "InferenceComponentStatus"
ENDED_REASON = "The sandbox that ran this inference component ended; delete it and create it again."
END_GRACE_S = 10.0  # of all components together, when the sandbox itself ends
# What AWS calls the state of a component that can not be changed now.
# Source: public deployment scripts quote "Cannot delete inference component ... while it is in state
# CREATE_IN_PROGRESS", UPDATE_RC_IN_PROGRESS for a change of the copy count, and DELETE_IN_PROGRESS.
_CREATING, _DELETING = "CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS"
_SCALING, _UPDATING = "UPDATE_RC_IN_PROGRESS", "UPDATE_IN_PROGRESS"

Running = RunningComponent | RunningAdapter
# A process is one sandbox: what it runs is known to it alone.
_running: dict[tuple[str, str], Running] = {}
_running_lock = threading.Lock()


def running(region: str, name: str) -> Running | None:
    """Return a component that runs, or None."""
    return _running.get((region, name))


def remember(component: Running) -> None:
    """Note that a component runs."""
    with _running_lock:
        _running[component.region, component.name] = component


def forget(region: str, name: str) -> Running | None:
    """Note that a component runs no more, and return it."""
    with _running_lock:
        return _running.pop((region, name), None)


def components_of(context: Context, region: str, endpoint: str) -> list[dict[str, Any]]:
    """Return the records of an endpoint's components."""
    return [record for record in context.resources.all(KIND, region) if record["EndpointName"] == endpoint]


def check_settled(record: dict[str, Any], verb: str) -> None:
    """Make sure that a component may be changed now.

    Raises:
        AwsError: It is being created, updated or deleted.
    """
    states = {"Creating": _CREATING, "Updating": record.get("_state", _UPDATING), "Deleting": _DELETING}
    if state := states.get(record[STATUS]):
        arn = record["InferenceComponentArn"]
        raise validation_error(f'Cannot {verb} inference component "{arn}" while it is in state {state}.')


def begin_change(
    context: Context,
    region: str,
    name: str,
    *,
    num_copies: int | None = None,
    is_specification: bool = False,
    config: dict[str, Any] | None = None,
) -> Any:
    """Say in its record that a component is being changed, and return it.

    Args:
        context: Has the records.
        region: Of the component.
        name: Its name.
        num_copies: How many copies are wanted from now on; None for as many as before.
        is_specification: It is not only the number of copies that changes.
        config: DeploymentConfig of the change.

    Raises:
        AwsError: There is no such component, or it can not be changed now.
    """
    arn = f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:{KIND}/{name.lower()}"
    try:
        with context.resources.change(KIND, region, name) as record:
            check_settled(record, "update")
            component = running(region, name)
            if component is None:
                raise validation_error(f'Inference component "{arn}" has failed; it can only be deleted.')
            if num_copies is not None:
                if "RuntimeConfig" not in record:
                    raise validation_error(f'Inference component "{arn}" is an adapter: it has no copies.')
                record["_desired_before"] = record["RuntimeConfig"]["DesiredCopyCount"]
                record["RuntimeConfig"]["DesiredCopyCount"] = num_copies
            record.update({STATUS: "Updating", "LastModifiedTime": time.time()})
            record["_state"] = _UPDATING if is_specification else _SCALING
            if config is not None:
                record["LastDeploymentConfig"] = config
            record.pop("FailureReason", None)
    except KeyError:
        raise validation_error(f'Could not find inference component "{arn}".') from None
    return component


def begin_moves(context: Context, region: str, endpoint: str) -> list[RunningComponent]:
    """Say of all components with copies on an endpoint that they are being changed, and return them.

    Raises:
        AwsError: One can not be changed now; none is then.
    """
    moving: list[RunningComponent] = []
    try:
        for record in components_of(context, region, endpoint):
            name = record["InferenceComponentName"]
            # Adapters are where the copies of their base are, what failed has no copies, and what is being
            # deleted needs none elsewhere.
            if record[STATUS] != "Deleting" and isinstance(running(region, name), RunningComponent):
                moving.append(begin_change(context, region, name, is_specification=True))
    except AwsError:
        end_moves(context, moving)
        raise
    return moving


def end_moves(context: Context, components: Iterable[RunningComponent]) -> None:
    """Say of components that they may be changed again."""
    for component in components:
        set_status(context, component.region, component.name, "InService")


def begin_deletion(context: Context, region: str, name: str) -> Running | None:
    """Say in its record that a component is being deleted, and return it if it runs.

    It is to be forgotten once it has ended, so that it is ended with the sandbox until then.

    Raises:
        AwsError: There is no such component, it is being changed, or adapters are on it.
    """
    arn = f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:{KIND}/{name.lower()}"
    try:
        with context.resources.change(KIND, region, name) as record:
            check_settled(record, "delete")
            if any(
                each["Specification"].get("BaseInferenceComponentName") == name
                for each in context.resources.all(KIND, region)
            ):
                raise validation_error(
                    f'Inference component "{arn}" is a base inference component for one or more associated'
                    " adapter inference components. Delete those first."
                )
            record.update({STATUS: "Deleting", "LastModifiedTime": time.time()})
    except KeyError:
        raise validation_error(f'Could not find inference component "{arn}".') from None
    component = running(region, name)
    if component:
        component.is_in_service = False
    return component


def carry_out(
    context: Context, component: Running, work: Callable[[], None], *, is_creation: bool = False
) -> None:
    """Do what takes long on a thread of its own, and say in the record how it ended."""
    region, name = component.region, component.name

    def run() -> None:
        status, reason = _tried(work, is_creation=is_creation)
        if component.stopped.is_set():
            return
        if status == "Failed" and is_creation:
            forget(region, name)
        else:
            component.is_in_service = True
        set_status(context, region, name, status, reason)

    threading.Thread(target=run, name=f"component {name}", daemon=True).start()


def set_status(context: Context, region: str, name: str, status: str, reason: str | None = None) -> None:
    """Write a status, and why something failed; a change of the copy count that failed is taken back."""
    with context.resources.change(KIND, region, name) as record:
        before = record.pop("_desired_before", None)
        if reason is not None:
            record["FailureReason"] = reason[:1024]
            if before is not None:
                record["RuntimeConfig"]["DesiredCopyCount"] = before
        record.update({STATUS: status, "LastModifiedTime": time.time()})


def recover(context: Context) -> None:
    """Say of the components of the sandbox that ran before on this home that they ended with it."""
    folder = context.home / "components"
    remove_scratch(folder)
    shutil.rmtree(folder, ignore_errors=True)
    for record in context.resources.all(KIND):
        name, region = record["InferenceComponentName"], record["_region"]
        if record[STATUS] == "Deleting":
            context.resources.remove(KIND, region, name)
        elif record[STATUS] != "Failed":
            set_status(context, region, name, "Failed", ENDED_REASON)


def end_all(context: Context) -> None:
    """End every copy, because the sandbox ends."""
    with _running_lock:
        ending = [each for each in _running.values() if isinstance(each, RunningComponent)]
        _running.clear()
    for component in ending:
        component.terminate()
    stop_together(ending, END_GRACE_S)
    recover(context)


def _tried(work: Callable[[], None], *, is_creation: bool) -> tuple[str, str | None]:
    """Do the work and return the status that it leaves, with a reason when it failed."""
    try:
        with nothing_unforeseen():
            work()
    except RollbackFailedError as failure:
        return "Failed", str(failure)
    except DeploymentFailedError as failure:
        return ("Failed" if is_creation else "InService"), str(failure)
    return "InService", None
