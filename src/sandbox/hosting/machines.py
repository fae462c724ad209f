"""The machines of a variant without a model: what they have, and which copies of components are on them.

AWS calls them instances, too. Here an instance is a server process, a machine the place of several.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from sandbox import clock
from sandbox.hosting.errors import DeploymentFailedError
from sandbox.hosting.instance import new_id
from sandbox.hosting.instance_types import Resources, resources_of
from sandbox.hosting.specs import Variant


class NoCapacityError(DeploymentFailedError):
    """No machine has room for a copy, and none may be added; the text is the reason."""


# The first sentence is AWS's, as public deployment scripts quote it; the second is ours.
NO_CAPACITY = (
    "There is not enough hardware resources on the instances for this endpoint to create a copy of the"
    " inference component. Please lower its resource requirements, remove other inference components, or"
    " increase the number of instances."
)


# Of AWS, before a machine without a copy goes. Measured by others on AWS: 12 minutes from no copy to no
# instance, with 10 s periods of metrics in it. Source: measurements published with deployment scripts.
IDLE_S = 600


@dataclass(kw_only=True)
class Machine:
    """A host with room for copies of components.

    Args:
        id: As AWS names an instance, for example i-0123456789abcdef0.
        has: What it has.
        empty_since_s: time.monotonic() of when its last copy left, or of its start.
        given: What the copies on it need, by the copy's name.
    """

    id: str
    has: Resources
    empty_since_s: float
    given: dict[str, Resources] = field(default_factory=dict)

    def has_room_for(self, needs: Resources) -> bool:
        return sum(self.given.values(), needs).fits_into(self.has)


class Machines:
    """The machines of one variant; safe from any thread.

    With managed instance scaling one is added when a copy fits nowhere, and goes when it was empty for a
    while: the next look finds it gone.

    Args:
        variant: Gives their type, how many there are, and between how many.
    """

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self._has = resources_of(variant.instance_type)
        scaling = variant.managed_scaling or {}
        self.is_managed = is_managed = scaling.get("Status") == "ENABLED"
        # Source: API reference, ProductionVariantManagedInstanceScaling and its ScaleInPolicy.
        self._least = scaling.get("MinInstanceCount", 1) if is_managed else variant.num_instances
        self._most = scaling.get("MaxInstanceCount", self._least) if is_managed else variant.num_instances
        minutes = scaling.get("ScaleInPolicy", {}).get("CooldownInMinutes")
        self._idle_s = IDLE_S if minutes is None else minutes * 60
        self._lock = threading.Lock()
        self._machines = [self._new() for _ in range(variant.num_instances)]

    @property
    def num_instances(self) -> int:
        with self._lock:
            self._drop_idle()
            return len(self._machines)

    def num_places(self, needs: Resources) -> int:
        """Return how many copies could be placed now."""
        with self._lock:
            self._drop_idle()
            taken = [sum(machine.given.values(), Resources()) for machine in self._machines]
            taken += [Resources()] * (self._most - len(self._machines))
            return sum(needs.times_into(self._has - given) for given in taken)

    def resize(self, num_instances: int) -> None:
        """Have this many machines from now on.

        Raises:
            NoCapacityError: Copies are on more than that.
        """
        with self._lock:
            empty = [machine for machine in self._machines if not machine.given]
            surplus = max(len(self._machines) - num_instances, 0)
            if surplus > len(empty):
                num_used = len(self._machines) - len(empty)
                raise NoCapacityError(
                    f"Copies of inference components are on {num_used} instances; {num_instances} can not"
                    " hold them. Lower the copy counts, or delete inference components."
                )
            for machine in empty[:surplus]:
                self._machines.remove(machine)
            while len(self._machines) < num_instances:
                self._machines.append(self._new())
            self._least = self._most = num_instances

    def place(self, copy: str, needs: Resources, *, is_spread: bool = True) -> Machine:
        """Give a copy a place on a machine that has room.

        Args:
            copy: Name of the copy.
            needs: What it needs.
            is_spread: Take the machine with the fewest copies; the one with the most otherwise.

        Raises:
            NoCapacityError: There is none, and none may be added.
        """
        with self._lock:
            self._drop_idle()
            roomy = [machine for machine in self._machines if machine.has_room_for(needs)]
            if not roomy:
                roomy = [self._add(needs)]
            choose = min if is_spread else max
            machine = choose(roomy, key=lambda machine: len(machine.given))
            machine.given[copy] = needs
            return machine

    def release(self, copy: str) -> None:
        """Take a copy's place back."""
        with self._lock:
            for machine in self._machines:
                if machine.given.pop(copy, None) is not None and not machine.given:
                    machine.empty_since_s = time.monotonic()

    def _add(self, needs: Resources) -> Machine:
        if len(self._machines) >= self._most or not needs.fits_into(self._has):
            raise NoCapacityError(NO_CAPACITY)
        machine = self._new()
        self._machines.append(machine)
        return machine

    def _drop_idle(self) -> None:
        latest_s = time.monotonic() - clock.real_s(self._idle_s)
        idle = [each for each in self._machines if not each.given and each.empty_since_s <= latest_s]
        for machine in idle[: max(len(self._machines) - self._least, 0)]:
            self._machines.remove(machine)

    def _new(self) -> Machine:
        return Machine(id=new_id(), has=self._has, empty_since_s=time.monotonic())
