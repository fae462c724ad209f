"""An endpoint that runs: its variants, and how requests are spread over them."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.api.faults import Fault
from sandbox.hosting.instance import Instance, stop_together
from sandbox.hosting.machines import Machines
from sandbox.hosting.pool import Pool, launch
from sandbox.hosting.specs import Variant

if TYPE_CHECKING:
    from sandbox.context import Context
    from sandbox.hosting.rollout import Rollout


class RunningVariant(Pool):
    """A variant: the instances that run its model or, without a model, the machines of inference components.

    Args:
        context: What the sandbox is made of.
        region: AWS region.
        endpoint: Name of its endpoint.
        variant: What runs.
        stopped: Set when the endpoint is to end.
    """

    owner = "endpoint"
    no_capacity = (
        "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please"
        " retry using a different ML instance type or after some time."
    )
    spec: Variant

    def __init__(
        self, context: Context, *, region: str, endpoint: str, variant: Variant, stopped: threading.Event
    ) -> None:
        super().__init__(
            context,
            region=region,
            variant_name=variant.name,
            spec=variant,
            folder=context.home / "endpoints" / region / endpoint / variant.name,
            log_group=f"/aws/sagemaker/Endpoints/{endpoint}",
            stopped=stopped,
        )
        self.machines = Machines(variant) if variant.container is None else None
        self.adopt(variant)

    @property
    def routes_at_random(self) -> bool:
        return self.spec.routes_at_random

    def adopt(self, spec: Variant) -> None:
        super().adopt(spec)
        self.weight = self.desired_weight = spec.weight
        self.num_desired = spec.num_instances
        self.resolved_s = time.time()  # when its images were looked up

    @property
    def num_instances(self) -> int:
        return self.machines.num_instances if self.machines else len(self.copies)

    @property
    def num_instances_desired(self) -> int:
        """How many there shall be; of managed machines it follows what the copies need, at once."""
        return self.num_instances if self.machines else self.num_desired


Fleet = dict[str, RunningVariant]


@dataclass(frozen=True)
class _Traffic:
    """Who gets the requests.

    Args:
        variants: Those of the configuration in service.
        arriving: Those that an update brings up.
        share: How much of the requests the arriving ones get, 0 to 1.
    """

    variants: Fleet
    arriving: Fleet
    share: float


@dataclass(frozen=True, kw_only=True)
class PendingUpdate:
    """An update in progress.

    Args:
        config_name: Name of the configuration that comes.
        variants: What it runs.
        rollout: How far it is.
    """

    config_name: str
    variants: Sequence[Variant]
    rollout: Rollout


class RunningEndpoint:
    """An endpoint.

    Args:
        context: What the sandbox is made of.
        region: AWS region.
        name: EndpointName.
        variants: What it runs.
    """

    def __init__(self, context: Context, *, region: str, name: str, variants: Iterable[Variant]) -> None:
        self.region, self.name = region, name
        self.is_in_service = False
        self.stopped = threading.Event()
        self.update: PendingUpdate | None = None  # the one in progress
        self.context = context
        self._folder = context.home / "endpoints" / region / name
        self._lock = threading.Lock()
        self._fleets: list[Fleet] = []  # every one that may have instances
        self._traffic = _Traffic(self.new_fleet(variants), {}, 0.0)

    @property
    def variants(self) -> Fleet:
        """The variants of the configuration in service, by name."""
        return self._traffic.variants

    def new_fleet(self, variants: Iterable[Variant]) -> Fleet:
        """Return variants that may be started; no request goes to them yet."""
        fleet = {
            variant.name: RunningVariant(
                self.context,
                region=self.region,
                endpoint=self.name,
                variant=variant,
                stopped=self.stopped,
            )
            for variant in variants
        }
        with self._lock:
            self._fleets.append(fleet)
        return fleet

    def deploy(self, fault: Fault | None) -> None:
        """Start everything that it runs.

        Args:
            fault: Fault that was asked for.

        Raises:
            DeploymentFailedError: An instance cannot be brought up; none is left then.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        self.launch_fleet(self.variants, fault)

    def launch(
        self, wanted: Iterable[tuple[RunningVariant, int]], fault: Fault | None
    ) -> list[tuple[RunningVariant, list[Instance]]]:
        """Start instances of several variants side by side; they take requests once they are admitted.

        Args:
            wanted: How many of which; a variant without a model has none to start.
            fault: Fault that was asked for.

        Raises:
            DeploymentFailedError: One of them cannot be brought up; none is left then.
        """
        starting = [(running, num) for running, num in wanted if not running.machines]
        launched = launch(
            [(running, running.spec, num) for running, num in starting],
            fault=fault,
            no_capacity=RunningVariant.no_capacity,
            stopped=self.stopped,
        )
        return [(running, copies) for (running, _), copies in zip(starting, launched, strict=True)]

    def launch_fleet(self, fleet: Fleet, fault: Fault | None) -> None:
        """Start all instances of variants and admit them; see launch."""
        for running, copies in self.launch(
            [(running, running.spec.num_instances) for running in fleet.values()], fault
        ):
            running.admit(copies)

    def choose_variant(self, target: str | None) -> RunningVariant | None:
        """Return the variant that answers a request: the target, or one by the weights; None if unknown."""
        traffic = self._traffic
        fleet = traffic.arriving if random.random() < traffic.share else traffic.variants
        if target is not None:
            return fleet.get(target)
        choices = list(fleet.values())
        weights = [running.weight for running in choices]
        if len(choices) == 1 or not sum(weights):
            return choices[0]
        return random.choices(choices, weights)[0]

    def shift(self, arriving: Fleet, share: float) -> None:
        """Send a share of the requests, 0 to 1, to the variants that an update brings up."""
        self._traffic = _Traffic(self.variants, arriving, share)

    def replace(self, fleet: Fleet) -> Fleet:
        """Put other variants in service, and return those that were; they go on running."""
        leaving = self.variants
        self._traffic = _Traffic(fleet, {}, 0.0)
        return leaving

    def retire(self, fleet: Fleet) -> None:
        """Let the requests of variants end, and end them; those in service take over what still comes."""
        successors = self.variants
        for name, running in fleet.items():
            successor = successors.get(name) or next(iter(successors.values()))
            running.retire(running.copies, successor=successor)
        with self._lock:
            self._fleets.remove(fleet)

    def terminate(self) -> None:
        """Ask every server process to end."""
        self.stopped.set()
        self.is_in_service = False
        for instance in self._living():
            instance.terminate()

    def stop(self, grace_s: float) -> None:
        """End every server process and remove its files.

        Args:
            grace_s: Seconds between SIGTERM and SIGKILL.
        """
        self.terminate()
        stop_together(self._living(), grace_s)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _living(self) -> list[Instance]:
        with self._lock:
            fleets = list(self._fleets)
        return [instance for fleet in fleets for running in fleet.values() for instance in running.living()]
