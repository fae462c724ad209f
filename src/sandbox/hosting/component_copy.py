"""A copy of an inference component: a server process, its place on an instance, and the adapters it loads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.hosting.adapters import AdapterError
from sandbox.hosting.connections import Connections
from sandbox.hosting.instance import Instance
from sandbox.hosting.machines import Machine, Machines
from sandbox.hosting.specs import ComponentSpec

if TYPE_CHECKING:
    from sandbox.hosting.running_component import RunningComponent


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
