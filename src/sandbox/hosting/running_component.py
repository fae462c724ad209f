"""An inference component that runs: its copies on the machines of a variant, and the adapters they load."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.hosting.adapters import AdapterError, RunningAdapter
from sandbox.hosting.connections import Connections
from sandbox.hosting.instance import Instance
from sandbox.hosting.machines import NO_CAPACITY, Machine, Machines
from sandbox.hosting.metrics import metrics
from sandbox.hosting.pool import Pool
from sandbox.hosting.specs import ComponentSpec

if TYPE_CHECKING:
    from sandbox.context import Context


class ComponentCopy(Instance):
    """One copy of a component: a server process that has its place on a machine of the variant.

    Args:
        component: What it is a copy of.
        spec: What it runs; the component may have another one by now.
        command: Program that runs in place of the container.
        machines: Gave it its place, and get it back.
        machine: Where it has its place.
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
        self._component, self._machines, self._number = component, machines, number
        super().__init__(
            component.context,
            region=component.region,
            spec=spec,
            command=command,
            folder=component.folder,
            variant_name=component.variant_name,
            log_group=component.log_group,
            id=f"{machine.id}-{number}",
        )

    def adapter_folder(self, name: str) -> Path:
        """Return where the files of an adapter lie for this copy."""
        return self._paths.local(f"/opt/ml/adapters/{name}")

    def inside(self, path: Path) -> str:
        """Return a path as the server process knows it."""
        return self._paths.name_of(path)

    def outside(self, text: str) -> str:
        """Return a text of the server process with the container's paths."""
        return self._paths.outside(text)

    def release(self) -> None:
        self._machines.release(self._number)
        super().release()

    def _begin_to_serve(self, connections: Connections) -> None:
        with self._component.changing_adapters() as adapters:
            for adapter in adapters.values():
                try:
                    adapter.load_into(self, connections)
                except AdapterError as error:
                    self.write(str(error))
            super()._begin_to_serve(connections)

    def _health_changed(self) -> None:
        self._component.report_copies()


class RunningComponent(Pool):
    """A component and its copies.

    Args:
        context: What the sandbox is made of.
        region: AWS region.
        name: InferenceComponentName.
        endpoint: Name of its endpoint.
        machines: Those of its variant.
        spec: What it runs.
    """

    owner = "inference component"
    no_capacity = NO_CAPACITY
    spec: ComponentSpec
    copies: tuple[ComponentCopy, ...]

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
        super().__init__(
            context,
            region=region,
            variant_name=machines.variant.name,
            spec=spec,
            folder=context.home / "components" / region / name,
            log_group=f"/aws/sagemaker/InferenceComponents/{name}",
            stopped=threading.Event(),
        )
        self.name, self.endpoint, self.machines = name, endpoint, machines
        self.is_in_service = False
        self._adapters: dict[str, RunningAdapter] = {}
        self._adapters_lock = threading.Lock()

    @property
    def routes_at_random(self) -> bool:
        return self.machines.variant.routes_at_random

    @contextmanager
    def changing_adapters(self) -> Iterator[dict[str, RunningAdapter]]:
        """Give the adapters by name, to one at a time: a copy that starts loads all of them, or sees none."""
        with self._adapters_lock:
            yield self._adapters

    def loaded_copies(self) -> list[ComponentCopy]:
        """Return every copy that has its adapters: also those that do not take requests yet, or no more."""
        return [copy for copy in self.living() if copy.is_healthy]

    @property
    def num_healthy(self) -> int:
        return sum(copy.is_healthy for copy in self.copies)

    def num_places(self, spec: ComponentSpec) -> int:
        return self.machines.num_places(spec.needs)

    def terminate(self) -> None:
        """Ask every server process to end."""
        self.stopped.set()
        self.is_in_service = False
        for copy in self.living():
            copy.terminate()

    def stop(self, grace_s: float) -> None:
        """End every server process and remove its files.

        Args:
            grace_s: Seconds for all of them together, between SIGTERM and SIGKILL.
        """
        self.terminate()
        with self._lock:
            self.copies = ()
        self.end(self.living(), grace_s)
        metrics.copies(region=self.region, component=self.name, num_copies=0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def report_copies(self) -> None:
        """Report to the metrics how many copies can answer."""
        if not self.stopped.is_set():
            metrics.copies(region=self.region, component=self.name, num_copies=self.num_healthy)

    def _new_copy(self, spec: ComponentSpec, command: list[str]) -> ComponentCopy:
        number, machines = secrets.token_hex(3), self.machines
        machine = machines.place(number, spec.needs, is_spread=spec.is_spread)
        try:
            return ComponentCopy(self, spec, command, machines=machines, machine=machine, number=number)
        except BaseException:  # no room on the disk, say
            machines.release(number)
            raise

    def _copies_changed(self) -> None:
        self.report_copies()
