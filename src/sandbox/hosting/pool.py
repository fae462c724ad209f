"""A pool of copies that serve: the instances of a variant, or the copies of an inference component.

A copy is launched (its server starts and becomes healthy), admitted (it gets requests), started again when it
dies, and retired (it gets no new requests, and ends when its last one is answered).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sandbox import images
from sandbox.api.faults import Fault
from sandbox.hosting import model_files
from sandbox.hosting.errors import DeploymentFailedError
from sandbox.hosting.instance import Instance, stop_together
from sandbox.hosting.server_process import prepare_fork
from sandbox.hosting.specs import ContainerSpec
from sandbox.own_images import BASE_NAME

if TYPE_CHECKING:
    from sandbox.context import Context

# Source: SageMaker Developer Guide, "Use Your Own Inference Code with Hosting Services".
STOP_GRACE_S = 30.0
FAILED_GRACE_S = 5.0  # of a container that never was healthy
# Longer than a request may take (60 s, 8 minutes for a stream), so that a copy that goes cuts none off.
DRAIN_TIMEOUT_S = 490.0
_UNHEALTHY = (
    "The {container} container for production variant {variant} did not pass the ping health check. Please"
    " check CloudWatch logs for this {owner}."
)


class Pool:
    """Copies of what a variant or a component runs; safe from any thread.

    During an update copies of the old and of the new spec are in it side by side.

    Args:
        context: What the sandbox is made of.
        region: AWS region.
        variant_name: The production variant.
        spec: What its copies run.
        folder: Where its copies have their folders.
        log_group: Where the output of its copies goes.
        stopped: Set when its copies are to end for good.
    """

    owner: ClassVar[str]  # whose log it is, in AWS's words
    no_capacity: ClassVar[str]  # AWS's message for an InsufficientCapacity that was asked for
    routes_at_random: bool  # the variant's RoutingConfig says RANDOM

    def __init__(
        self,
        context: Context,
        *,
        region: str,
        variant_name: str,
        spec: ContainerSpec,
        folder: Path,
        log_group: str,
        stopped: threading.Event,
    ) -> None:
        self.context, self.region, self.variant_name = context, region, variant_name
        self.spec, self.folder, self.log_group, self.stopped = spec, folder, log_group, stopped
        # Those that take requests while they are healthy, the oldest first. Replaced as a whole, never
        # changed: who reads it sees one state, without a lock for each request.
        self.copies: tuple[Instance, ...] = ()
        self._successor: Pool | None = None
        self._lock = threading.Lock()
        self._living: list[Instance] = []  # every one with a process, also those that start or drain

    def launch(self, spec: ContainerSpec, num: int, fault: Fault | None = None) -> list[Instance]:
        """Start copies of one spec; see launch()."""
        (copies,) = launch(
            [(self, spec, num)], fault=fault, no_capacity=self.no_capacity, stopped=self.stopped
        )
        return copies

    def admit(self, copies: Iterable[Instance]) -> None:
        """Send requests to copies from now on."""
        with self._lock:
            self.copies = (*self.copies, *copies)
        self._copies_changed()

    def choose(self) -> Instance | None:
        """Begin a request on a healthy copy and return it, or None: that with the fewest, or any at random.

        A request that came here just before the last copy was retired goes to the pool's successor.
        """
        while (copies := self.copies) or not self._successor:
            healthy = [copy for copy in copies if copy.is_healthy]
            random.shuffle(healthy)
            if not self.routes_at_random:
                healthy.sort(key=lambda copy: copy.num_in_flight)
            chosen = next((copy for copy in healthy if copy.begin()), None)
            if chosen or copies is self.copies:  # else they were replaced meanwhile: look again
                return chosen
        return self._successor.choose()

    def retire(self, copies: Iterable[Instance], *, successor: Pool | None = None) -> None:
        """Send no more requests to copies, let those that they have end, and end them.

        Args:
            copies: Those that go.
            successor: Who answers when none is left here.
        """
        leaving = list(copies)
        with self._lock:
            self._successor = successor
            self.copies = tuple(copy for copy in self.copies if copy not in leaving)
        self._copies_changed()
        deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
        for copy in leaving:
            copy.drain(max(deadline_s - time.monotonic(), 0.0))
        self.end(leaving, STOP_GRACE_S)

    def adopt(self, spec: ContainerSpec) -> None:
        """Take over the settings of what all copies have been replaced by."""
        self.spec = spec

    def num_places(self, spec: ContainerSpec) -> float:
        """Return for how many more copies there is room; instances are always to be had."""
        return float("inf")

    def living(self) -> list[Instance]:
        """Return every copy that has, or may get, a server process."""
        with self._lock:
            return list(self._living)

    def end(self, copies: Iterable[Instance], grace_s: float) -> None:
        """End copies and give back what they hold.

        Args:
            copies: Those that go.
            grace_s: Seconds between SIGTERM and SIGKILL, of all of them together.
        """
        ending = list(copies)
        stop_together(ending, grace_s)
        for copy in ending:
            copy.release()
        with self._lock:
            self._living = [copy for copy in self._living if copy not in ending]

    def unhealthy(self, spec: ContainerSpec) -> DeploymentFailedError:
        return DeploymentFailedError(
            _UNHEALTHY.format(container=spec.container_name, variant=self.variant_name, owner=self.owner)
        )

    def start(self, spec: ContainerSpec, num: int, started: list[Instance]) -> None:
        """Bring a model's files to new copies and start their servers.

        Args:
            spec: What they run.
            num: How many.
            started: Gets each one before it starts.

        Raises:
            DeploymentFailedError: One cannot be started, or the pool is to end.
        """
        command = _program_of(spec)
        if num:
            prepare_fork(command, spec.environment)  # libraries are imported while the files are brought
        for _ in range(num):
            copy = self._new_copy(spec, command)
            with self._lock:  # whoever sets stopped sees it, or it sees that it is set
                self._living.append(copy)
            started.append(copy)
            if self.stopped.is_set():
                raise self.unhealthy(spec)
            if len(started) > 1:
                model_files.duplicate(started[0].model_folder, copy.model_folder)
            else:
                model_files.download(self.context, self.region, spec.container, copy.model_folder)
            if not copy.start():
                raise self.unhealthy(spec)

    def _new_copy(self, spec: ContainerSpec, command: list[str]) -> Instance:
        """Return a copy that has not started.

        Raises:
            DeploymentFailedError: There is no room for it.
        """
        return Instance(
            self.context,
            region=self.region,
            spec=spec,
            command=command,
            folder=self.folder,
            variant_name=self.variant_name,
            log_group=self.log_group,
        )

    def _copies_changed(self) -> None:
        """Report to whom it concerns that other copies take requests."""


def launch(
    wanted: Iterable[tuple[Pool, ContainerSpec, int]],
    *,
    fault: Fault | None,
    no_capacity: str,
    stopped: threading.Event,
) -> list[list[Instance]]:
    """Start copies side by side and wait until they are healthy; they take requests once they are admitted.

    Args:
        wanted: To which pool they go, what they run, and how many.
        fault: Fault that was asked for.
        no_capacity: Why it fails when the fault is InsufficientCapacity.
        stopped: Set when the pools are to end.

    Returns:
        The copies of each that was wanted.

    Raises:
        DeploymentFailedError: One of them cannot be brought up; none is left then.
    """
    if fault and fault.fault == "InsufficientCapacity":
        raise DeploymentFailedError(no_capacity)
    if fault and fault.fault == "SlowStart":
        stopped.wait(fault.delay_s)
    is_unhealthy = fault is not None and fault.fault == "FailedHealthCheck"
    launched: list[tuple[Pool, ContainerSpec, list[Instance]]] = []
    try:
        for pool, spec, num in wanted:
            launched.append((pool, spec, []))
            pool.start(spec, num, launched[-1][2])
        for pool, spec, copies in launched:
            for copy in copies:
                if is_unhealthy:
                    copy.write("the health check fails: this was asked for by PUT /_sandbox/faults")
                if is_unhealthy or not copy.wait_healthy():
                    raise pool.unhealthy(spec)
    except BaseException:
        for pool, _, copies in launched:
            pool.end(copies, FAILED_GRACE_S)
        raise
    for _, _, copies in launched:
        for copy in copies:
            copy.supervise()
    return [copies for _, _, copies in launched]


def _program_of(spec: ContainerSpec) -> list[str]:
    """Return the command that runs in place of an image's container.

    Raises:
        DeploymentFailedError: There is none.
    """
    try:
        command = images.command_for(spec.program_image) if spec.program_image else None
    except images.ImagesError as error:
        raise DeploymentFailedError(str(error)) from None
    if command is None:
        raise DeploymentFailedError(
            f"The image '{spec.image}' does not exist. (The sandbox has no program that emulates it: name one"
            f" in the file of {images.VARIABLE}, or say as the label {BASE_NAME} of an image of your own what"
            " it is built on, see src/sandbox/README.md.)"
        )
    return command
