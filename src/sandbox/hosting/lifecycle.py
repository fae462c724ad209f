"""The states of endpoints and of inference components: what runs, what may be changed now, how it ended.

    Creating -> InService | Failed
    InService -> Updating -> InService     changed; or what it was, with a FailureReason (an endpoint by way
                                           of RollingBack)
                          -> UpdateRollbackFailed (an endpoint), Failed (a component): a mix, which serves
    InService | Failed | UpdateRollbackFailed -> Deleting -> gone

A record on disk is what a client is shown; what runs is known to this process alone. After a restart all that
ran is Failed, with a reason, and what was being deleted is gone.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import ACCOUNT_ID
from sandbox.hosting.adapters import RunningAdapter
from sandbox.hosting.errors import DeploymentFailedError, RollbackFailedError, nothing_unforeseen
from sandbox.hosting.instance import remove_scratch, stop_together
from sandbox.hosting.running_component import RunningComponent
from sandbox.hosting.running_endpoint import RunningEndpoint

if TYPE_CHECKING:
    from sandbox.context import Context

END_GRACE_S = 10.0  # of all endpoints, or of all components, together when the sandbox itself ends
_MAX_REASON_CHARACTERS = 1024  # of a FailureReason

Running = TypeVar("Running", RunningEndpoint, RunningComponent | RunningAdapter)
Work = Callable[[], dict[str, Any] | None]


class Lifecycle(Generic[Running]):
    """The states of the resources of one kind."""

    kind: ClassVar[str]  # as in the ARN
    title: ClassVar[str]  # the kind in AWS's words
    name: ClassVar[str]  # members of a record
    status: ClassVar[str]
    folder: ClassVar[str]  # of their files, in the sandbox's home
    ended_reason: ClassVar[str]
    rollback_failed: ClassVar[str]  # the status after neither the new nor the old could be brought up

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], Running] = {}
        self._lock = threading.Lock()

    def register(self, running: Running) -> None:
        """Note that a resource runs."""
        with self._lock:
            self._running[running.region, running.name] = running

    def unregister(self, running: Running) -> None:
        """Note that a resource runs no more."""
        with self._lock:
            if self._running.get((running.region, running.name)) is running:
                del self._running[running.region, running.name]

    def running(self, region: str, name: str) -> Running | None:
        """Return the resource of a name, also one that starts or ends; None without one."""
        return self._running.get((region, name))

    def serving(self, region: str, name: str) -> Running | None:
        """Return the resource that answers invocations under a name, or None."""
        running = self.running(region, name)
        return running if running and running.is_in_service else None

    def region_serving(self, name: str) -> str | None:
        """Return a region in which a resource of that name answers, or None."""
        with self._lock:
            found = [key for key, running in self._running.items() if running.is_in_service]
        return next((region for region, each in found if each == name), None)

    def set_status(
        self,
        context: Context,
        region: str,
        name: str,
        status: str,
        reason: str | None = None,
        **members: Any,
    ) -> None:
        """Write a status, why something failed, and what else changes in the record."""
        with context.resources.change(self.kind, region, name) as record:
            if reason is not None:
                record["FailureReason"] = reason[:_MAX_REASON_CHARACTERS]
            self._conclude(record, has_failed=reason is not None)
            record.update({self.status: status, "LastModifiedTime": time.time(), **members})

    def carry_out(self, context: Context, running: Running, work: Work, *, is_creation: bool = False) -> None:
        """Do what takes long on a thread of its own, and say in the record how it ended.

        Args:
            running: What is created or changed.
            work: Returns what else changes in the record; raises DeploymentFailedError when nothing has
                changed, RollbackFailedError when neither old nor new could be brought up everywhere.
            is_creation: After a failure nothing is left that runs.
        """

        def run() -> None:
            status, reason, members = "InService", None, {}
            try:
                with nothing_unforeseen():
                    members = work() or {}
            except RollbackFailedError as failure:
                status, reason = self.rollback_failed, str(failure)
            except DeploymentFailedError as failure:
                status, reason = "Failed" if is_creation else "InService", str(failure)
            if running.stopped.is_set():
                return
            if is_creation and reason is not None:
                self.unregister(running)
            else:
                running.is_in_service = True
            self.set_status(context, running.region, running.name, status, reason, **members)

        threading.Thread(target=run, name=f"{self.kind} {running.name}", daemon=True).start()

    def carry_out_deletion(
        self,
        context: Context,
        region: str,
        name: str,
        running: Running | None,
        end: Callable[[Running], None],
    ) -> None:
        """End a resource on a thread of its own, and remove its record.

        It is registered until it has ended, so that it is ended with the sandbox until then.
        """

        def run() -> None:
            if running:
                end(running)
                self.unregister(running)
            context.resources.remove(self.kind, region, name)

        threading.Thread(target=run, name=f"delete {name}", daemon=True).start()

    def recover(self, context: Context) -> None:
        """Say of the resources of the sandbox that ran before on this home that they ended with it."""
        folder = context.home / self.folder
        remove_scratch(folder)
        shutil.rmtree(folder, ignore_errors=True)
        for record in context.resources.all(self.kind):
            name, region = record[self.name], record["_region"]
            if record[self.status] == "Deleting":
                context.resources.remove(self.kind, region, name)
            elif record[self.status] != "Failed":
                self.set_status(context, region, name, "Failed", self.ended_reason)

    def end_all(self, context: Context) -> None:
        """End everything that runs, because the sandbox ends."""
        with self._lock:
            ending = list(self._running.values())
            self._running.clear()
        for running in ending:
            running.terminate()
        stop_together(ending, END_GRACE_S)
        self.recover(context)

    @contextmanager
    def _changing(self, context: Context, region: str, name: str) -> Iterator[tuple[dict[str, Any], str]]:
        """Give the record that is changed, and the resource's ARN.

        Raises:
            AwsError: There is no such resource.
        """
        arn = f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:{self.kind}/{name.lower()}"
        try:
            with context.resources.change(self.kind, region, name) as record:
                yield record, arn
        except KeyError:
            raise validation_error(f'Could not find {self.title} "{arn}".') from None

    def _conclude(self, record: dict[str, Any], *, has_failed: bool) -> None:
        """Change in a record what goes with the end of a change."""


class EndpointLifecycle(Lifecycle[RunningEndpoint]):
    """The states of endpoints."""

    kind, title, folder = "endpoint", "endpoint", "endpoints"
    name, status = "EndpointName", "EndpointStatus"
    ended_reason = "The sandbox that ran this endpoint ended; delete the endpoint and create it again."
    rollback_failed = "UpdateRollbackFailed"
    # Source: SageMaker Developer Guide, "Use rolling deployments": another update leads out of a failed
    # rollback.
    _changeable = ("InService", "UpdateRollbackFailed")

    def begin_change(self, context: Context, region: str, name: str, **members: Any) -> RunningEndpoint:
        """Say in its record that an endpoint is being updated, and return it.

        Args:
            members: What else changes in its record.

        Raises:
            AwsError: There is no such endpoint, or it cannot be changed now.
        """
        with self._changing(context, region, name) as (record, arn):
            status, endpoint = record[self.status], self.serving(region, name)
            if status == "Failed":  # the wording is ours
                raise validation_error(f'Cannot update endpoint "{arn}": it has failed; it can be deleted.')
            if status not in self._changeable or endpoint is None:
                raise validation_error(f'Cannot update in-progress endpoint "{arn}".')
            # Of the last update: it is there until another one begins.
            record.pop("FailureReason", None)
            record.update({self.status: "Updating", "LastModifiedTime": time.time(), **members})
            return endpoint

    def begin_deletion(self, context: Context, region: str, name: str) -> RunningEndpoint | None:
        """Say in its record that an endpoint is being deleted; return it if it runs.

        Raises:
            AwsError: There is no such endpoint, it is being changed, or inference components are on it.

        Source: the message about components is quoted in github.com/gruntwork-io/cloud-nuke/pull/1142.
        """
        with self._changing(context, region, name) as (record, arn):
            if record[self.status] not in (*self._changeable, "Failed"):
                raise validation_error(f'Cannot update in-progress endpoint "{arn}".')
            if components.of_endpoint(context, region, name):
                raise validation_error(
                    "Cannot delete endpoint with inference component associated. Please delete inference"
                    " component and try it again."
                )
            record.update({self.status: "Deleting", "LastModifiedTime": time.time()})
        endpoint = self.running(region, name)
        if endpoint:
            endpoint.is_in_service = False
        return endpoint


class ComponentLifecycle(Lifecycle[RunningComponent | RunningAdapter]):
    """The states of inference components.

    Source: public deployment scripts quote "Cannot delete inference component ... while it is in state
    CREATE_IN_PROGRESS", UPDATE_RC_IN_PROGRESS for a change of the copy count, and DELETE_IN_PROGRESS.
    """

    kind, title, folder = "inference-component", "inference component", "components"
    name, status = "InferenceComponentName", "InferenceComponentStatus"
    ended_reason = "The sandbox that ran this inference component ended; delete it and create it again."
    rollback_failed = "Failed"
    # What AWS calls the state of a component that can not be changed now.
    _creating, _deleting = "CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS"
    _scaling, _updating = "UPDATE_RC_IN_PROGRESS", "UPDATE_IN_PROGRESS"

    def of_endpoint(self, context: Context, region: str, endpoint: str) -> list[dict[str, Any]]:
        """Return the records of an endpoint's components."""
        return [
            record
            for record in context.resources.all(self.kind, region)
            if record["EndpointName"] == endpoint
        ]

    def begin_change(
        self,
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
            num_copies: How many copies are wanted from now on; None for as many as before.
            is_specification: It is not only the number of copies that changes.
            config: DeploymentConfig of the change.

        Raises:
            AwsError: There is no such component, or it can not be changed now.
        """
        with self._changing(context, region, name) as (record, arn):
            self._check_idle(record, "update")
            component = self.running(region, name)
            if component is None:
                raise validation_error(f'Inference component "{arn}" has failed; it can only be deleted.')
            if num_copies is not None:
                if "RuntimeConfig" not in record:
                    raise validation_error(f'Inference component "{arn}" is an adapter: it has no copies.')
                record["_desired_before"] = record["RuntimeConfig"]["DesiredCopyCount"]
                record["RuntimeConfig"]["DesiredCopyCount"] = num_copies
            record.update({self.status: "Updating", "LastModifiedTime": time.time()})
            record["_state"] = self._updating if is_specification else self._scaling
            if config is not None:
                record["LastDeploymentConfig"] = config
            record.pop("FailureReason", None)
            return component

    def begin_moves(self, context: Context, region: str, endpoint: str) -> list[RunningComponent]:
        """Say of all components with copies on an endpoint that they are being changed, and return them.

        Raises:
            AwsError: One can not be changed now; none is then.
        """
        moving: list[RunningComponent] = []
        try:
            for record in self.of_endpoint(context, region, endpoint):
                name = record[self.name]
                # Adapters are where the copies of their base are, what failed has no copies, and what is
                # being deleted needs none elsewhere.
                is_leaving = record[self.status] == "Deleting"
                if not is_leaving and isinstance(self.running(region, name), RunningComponent):
                    moving.append(self.begin_change(context, region, name, is_specification=True))
        except AwsError:
            self.end_moves(context, moving)
            raise
        return moving

    def end_moves(self, context: Context, moving: Iterable[RunningComponent]) -> None:
        """Say of components that they may be changed again."""
        for component in moving:
            try:
                self.set_status(context, component.region, component.name, "InService")
            except OSError:  # a full disk; what became of the update is said first
                logging.getLogger("sandbox").exception("the status of %s cannot be kept", component.name)

    def begin_deletion(
        self, context: Context, region: str, name: str
    ) -> RunningComponent | RunningAdapter | None:
        """Say in its record that a component is being deleted, and return it if it runs.

        Raises:
            AwsError: There is no such component, it is being changed, or adapters are on it.
        """
        with self._changing(context, region, name) as (record, arn):
            self._check_idle(record, "delete")
            if any(
                each["Specification"].get("BaseInferenceComponentName") == name
                for each in context.resources.all(self.kind, region)
            ):
                raise validation_error(
                    f'Inference component "{arn}" is a base inference component for one or more associated'
                    " adapter inference components. Delete those first."
                )
            record.update({self.status: "Deleting", "LastModifiedTime": time.time()})
        component = self.running(region, name)
        if component:
            component.is_in_service = False
        return component

    def _check_idle(self, record: dict[str, Any], verb: str) -> None:
        """Make sure that a component may be changed now.

        Raises:
            AwsError: It is being created, updated or deleted.
        """
        states = {
            "Creating": self._creating,
            "Updating": record.get("_state", self._updating),
            "Deleting": self._deleting,
        }
        if state := states.get(record[self.status]):
            arn = record["InferenceComponentArn"]
            raise validation_error(f'Cannot {verb} inference component "{arn}" while it is in state {state}.')

    def _conclude(self, record: dict[str, Any], *, has_failed: bool) -> None:
        """Take a change of the copy count back when it has failed."""
        before = record.pop("_desired_before", None)
        if has_failed and before is not None:
            record["RuntimeConfig"]["DesiredCopyCount"] = before


# A process is one sandbox: what it runs is known to it alone.
endpoints, components = EndpointLifecycle(), ComponentLifecycle()
