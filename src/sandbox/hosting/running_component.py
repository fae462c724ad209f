"""An inference component that runs: its copies on the instances of a variant, and who answers a request."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.api.faults import Fault
from sandbox.hosting import model_files
from sandbox.hosting.adapters import AdapterError, RunningAdapter
from sandbox.hosting.connections import Connections
from sandbox.hosting.errors import DeploymentFailedError
from sandbox.hosting.instance import Instance, stop_together
from sandbox.hosting.machines import NO_CAPACITY, Machine, Machines, NoCapacityError
from sandbox.hosting.metrics import metrics
from sandbox.hosting.pool import (
    DRAIN_TIMEOUT_S,
    FAILED_GRACE_S,
    STOP_GRACE_S,
    least_busy,
    program_of,
)
from sandbox.hosting.preloaded import is_forked, preloaded_parent
from sandbox.hosting.specs import ComponentSpec

if TYPE_CHECKING:
    from sandbox.context import Context

# AWS's words for an endpoint but for the last two.
_UNHEALTHY = (
    "The {container} container for production variant {variant} did not pass the ping health check. Please"
    " check CloudWatch logs for this inference component."
)


class RunningComponent:
    """A component and its copies.

    Args:
        context: What the sandbox is made of.
        region: Its region.
        name: Its name.
        endpoint: Name of its endpoint.
        machines: The instances of its variant.
        spec: What it runs.
    """

    def __init__(
        self,
        context: Context,
        *,
        region: str,
        name: str,
        endpoint: str,
        machines: Machines,
        spec: ComponentSpec,
    ) -> None:
        self.context, self.region, self.name, self.endpoint = context, region, name, endpoint
        self.machines, self.variant = machines, machines.variant.name
        self.spec = spec
        self.folder = context.home / "components" / region / name
        self.log_group = f"/aws/sagemaker/InferenceComponents/{name}"
        self.is_in_service = False
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._living: list[ComponentCopy] = []  # every copy with a process, also those that start or drain
        self._serving: tuple[ComponentCopy, ...] = ()
        self._adapters: dict[str, RunningAdapter] = {}
        self._adapters_lock = threading.Lock()

    @contextmanager
    def changing_adapters(self) -> Iterator[dict[str, RunningAdapter]]:
        """Give the adapters by name, to one at a time: a copy that starts loads all of them, or sees none."""
        with self._adapters_lock:
            yield self._adapters

    def loaded_copies(self) -> list[ComponentCopy]:
        """Return every copy that has its adapters: also those that do not take requests yet, or no more."""
        with self._lock:
            return [copy for copy in self._living if copy.is_healthy]

    @property
    def copies(self) -> tuple[ComponentCopy, ...]:
        """The copies that take requests while they are healthy, the oldest first."""
        return self._serving

    @property
    def num_healthy(self) -> int:
        return sum(copy.is_healthy for copy in self._serving)

    @property
    def container_name(self) -> str:
        return self.spec.as_variant(self.variant).container_name

    def choose(self) -> ComponentCopy | None:
        """Begin a request on the healthy copy with the fewest in flight and return it, or None."""
        while True:
            copies = self._serving
            chosen = least_busy(copies)
            if chosen or copies is self._serving:  # else they were replaced meanwhile: look again
                return chosen

    def launch(self, spec: ComponentSpec, num: int, fault: Fault | None = None) -> list[ComponentCopy]:
        """Start copies and wait until they are healthy; they take requests once they are admitted.

        Args:
            spec: What they run.
            num: How many.
            fault: One that was asked for.

        Raises:
            DeploymentFailedError: One of them cannot be brought up; none is left then.
        """
        if fault and fault.fault == "InsufficientCapacity":
            raise DeploymentFailedError(NO_CAPACITY)
        if fault and fault.fault == "SlowStart":
            self.stopped.wait(fault.delay_s)
        command = program_of(spec.image)
        if num and is_forked(command, spec.container.get("Environment", {})):
            preloaded_parent.start(self.context.home)  # it imports while the files are brought
        started: list[ComponentCopy] = []
        try:
            for _ in range(num):
                self._start(spec, command, started)
            for copy in started:
                if fault and fault.fault == "FailedHealthCheck":
                    copy.write("the health check fails: this was asked for by PUT /_sandbox/faults")
                    raise self._unhealthy(spec)
                if not copy.wait_healthy():
                    raise self._unhealthy(spec)
        except BaseException:
            self._end(started, FAILED_GRACE_S)
            raise
        for copy in started:
            copy.supervise()
        return started

    def admit(self, copies: Iterable[ComponentCopy]) -> None:
        """Send requests to copies from now on."""
        with self._lock:
            self._serving = (*self._serving, *copies)
        self.tell_copies()

    def retire(self, copies: Iterable[ComponentCopy]) -> None:
        """Send no more requests to copies, let those that they have end, and end them."""
        leaving = list(copies)
        with self._lock:
            self._serving = tuple(copy for copy in self._serving if copy not in leaving)
        self.tell_copies()
        deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
        for copy in leaving:
            copy.drain(max(deadline_s - time.monotonic(), 0))
        self._end(leaving, STOP_GRACE_S)

    def terminate(self) -> None:
        """Ask every server process to end."""
        self.stopped.set()
        self.is_in_service = False
        with self._lock:
            living = list(self._living)
        for copy in living:
            copy.terminate()

    def stop(self, grace_s: float) -> None:
        """End every server process and remove its files.

        Args:
            grace_s: Seconds for all of them together, between SIGTERM and SIGKILL.
        """
        self.terminate()
        with self._lock:
            self._serving = ()
            living = list(self._living)
        self._end(living, grace_s)
        metrics.copies(region=self.region, component=self.name, num_copies=0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def tell_copies(self) -> None:
        """Tell the metrics how many copies can answer."""
        if not self.stopped.is_set():
            metrics.copies(region=self.region, component=self.name, num_copies=self.num_healthy)

    def _start(self, spec: ComponentSpec, command: list[str], started: list[ComponentCopy]) -> None:
        copy = self._placed(spec, command)
        started.append(copy)
        try:
            if len(started) > 1:
                model_files.duplicate(started[0].model_folder, copy.model_folder)
            else:
                model_files.download(self.context, self.region, spec.container, copy.model_folder)
        except model_files.ModelDataError as error:
            raise DeploymentFailedError(str(error)) from None
        with self._lock:  # terminate() sees it, or it is seen here
            self._living.append(copy)
        if self.stopped.is_set() or not copy.start():
            raise self._unhealthy(spec)

    def _placed(self, spec: ComponentSpec, command: list[str]) -> ComponentCopy:
        number = secrets.token_hex(3)
        try:
            machine = self.machines.place(number, spec.needs, is_spread=spec.is_spread)
        except NoCapacityError as error:
            raise DeploymentFailedError(str(error)) from None
        return ComponentCopy(self, spec, command, machines=self.machines, machine=machine, number=number)

    def _unhealthy(self, spec: ComponentSpec) -> DeploymentFailedError:
        container = spec.as_variant(self.variant).container_name
        return DeploymentFailedError(_UNHEALTHY.format(container=container, variant=self.variant))

    def _end(self, copies: list[ComponentCopy], grace_s: float) -> None:
        stop_together(copies, grace_s)
        for copy in copies:
            copy.machines.release(copy.number)
            copy.remove_files()
        with self._lock:
            self._living = [copy for copy in self._living if copy not in copies]


class ComponentCopy(Instance):
    """One copy of a component: a server process that has its place on an instance of the variant.

    Args:
        component: What it is a copy of.
        spec: What it runs; the component may have another one by now.
        command: Program that stands for the container.
        machines: Gave it its place, and get it back.
        machine: The instance it has its place on.
        number: Which place of all.
    """

    def __init__(
        self,
        component: RunningComponent,
        spec: ComponentSpec,
        command: list[str],
        *,
        machines: Machines,
        machine: Machine,
        number: str,
    ) -> None:
        self.spec, self.machines, self.machine, self.number = spec, machines, machine, number
        self._component = component
        super().__init__(
            component.context,
            region=component.region,
            endpoint=component.endpoint,
            variant=spec.as_variant(component.variant),
            command=command,
            folder=component.folder,
            id=f"{machine.id}-{number}",
            log_group=component.log_group,
        )

    def adapter_folder(self, name: str) -> Path:
        """Return where the files of an adapter lie for this copy."""
        return self._paths.local(f"/opt/ml/adapters/{name}")

    def inside(self, path: Path) -> str:
        """Return a path as the server process knows it."""
        return self._paths.inside(self._paths.outside(str(path)))

    def outside(self, text: str) -> str:
        """Return a text of the server process with the container's paths."""
        return self._paths.outside(text)

    def _begin_to_serve(self, connections: Connections) -> None:
        with self._component.changing_adapters() as adapters:
            for adapter in adapters.values():
                try:
                    adapter.load_into(self, connections)
                except AdapterError as error:
                    self.write(str(error))
            super()._begin_to_serve(connections)

    def _tell_health(self) -> None:
        self._component.tell_copies()
