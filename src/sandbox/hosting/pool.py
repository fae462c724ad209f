"""A variant that runs: its instances from their start to their end, and who of them answers a request."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sandbox import images
from sandbox.api.faults import Fault
from sandbox.hosting import model_files
from sandbox.hosting.errors import DeploymentFailedError
from sandbox.hosting.instance import Instance, stop_together
from sandbox.hosting.machines import Machines
from sandbox.hosting.preloaded import is_forked, preloaded_parent
from sandbox.hosting.specs import Variant

if TYPE_CHECKING:
    from sandbox.context import Context

# Source: SageMaker Developer Guide, "Use Your Own Inference Code with Hosting Services".
STOP_GRACE_S = 30.0
FAILED_GRACE_S = 5.0  # of a container that never was healthy
# Longer than a request may take (60 s, 8 minutes for a stream), so that an instance that goes cuts none off.
DRAIN_TIMEOUT_S = 490.0
_INSUFFICIENT_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please"
    " retry using a different ML instance type or after some time."
)
_UNHEALTHY = (
    "The {container} container for production variant {variant} did not pass the ping health check. Please"
    " check CloudWatch logs for this endpoint."
)


class RunningVariant:
    """A variant and the instances that run it, or, without a model, those that inference components run on.

    Args:
        context: What the sandbox is made of.
        region: Region of the endpoint.
        endpoint: Its name.
        variant: What runs.
        stopped: Set when the endpoint is to end.
    """

    def __init__(
        self, context: Context, *, region: str, endpoint: str, variant: Variant, stopped: threading.Event
    ) -> None:
        self.variant = variant
        self.weight = self.desired_weight = variant.weight
        self.num_desired = variant.num_instances
        self.resolved_s = time.time()  # when its images were looked up
        # Replaced as a whole, never changed: who reads it sees one state, without a lock for each request.
        self.instances: tuple[Instance, ...] = ()
        self.machines = Machines(variant) if variant.container is None else None
        self._successor: RunningVariant | None = None
        self._context, self._region, self._endpoint, self._stopped = context, region, endpoint, stopped
        self._folder = context.home / "endpoints" / region / endpoint / variant.name
        self._lock = threading.Lock()
        self._living: list[Instance] = []  # every one with a process, also those that start or drain

    @property
    def num_instances(self) -> int:
        return self.machines.num_instances if self.machines else len(self.instances)

    def choose(self) -> Instance | None:
        """Begin a request on the healthy instance with the fewest in flight and return it, or None.

        A request that came here just before the last instance was retired goes to the variant's successor.
        """
        while (instances := self.instances) or not self._successor:
            chosen = least_busy(instances)
            if chosen or instances is self.instances:  # else they were replaced meanwhile: look again
                return chosen
        return self._successor.choose()

    def start(self, variant: Variant, num: int, started: list[Instance]) -> None:
        """Bring a model's files to new instances and start their servers.

        Args:
            variant: What they run; while an update goes on, that is another one than this.
            num: How many.
            started: Gets each one before it starts.

        Raises:
            DeploymentFailedError: One cannot be started, or the endpoint is to end.
        """
        command = program_of(variant.image)
        if is_forked(command, variant.environment):
            preloaded_parent.start(self._context.home)  # it imports while the files are brought
        for _ in range(num):
            instance = Instance(
                self._context,
                region=self._region,
                endpoint=self._endpoint,
                variant=variant,
                command=command,
                folder=self._folder,
            )
            with self._lock:  # terminate() sees it, or it sees that the endpoint is to end
                self._living.append(instance)
            started.append(instance)
            if self._stopped.is_set():
                raise _unhealthy(variant)
            try:
                if len(started) > 1:
                    model_files.duplicate(started[0].model_folder, instance.model_folder)
                else:
                    model_files.download(
                        self._context, self._region, variant.container, instance.model_folder
                    )
            except model_files.ModelDataError as error:
                raise DeploymentFailedError(str(error)) from None
            if not instance.start():
                raise _unhealthy(variant)

    def admit(self, instances: Iterable[Instance]) -> None:
        """Send requests to instances from now on."""
        with self._lock:
            self.instances = (*self.instances, *instances)

    def retire(self, instances: Iterable[Instance], *, successor: RunningVariant | None = None) -> None:
        """Send no more requests to instances, let those that they have end, and end them.

        Args:
            instances: Those that go.
            successor: Who answers when none is left here.
        """
        leaving = list(instances)
        with self._lock:
            self._successor = successor
            self.instances = tuple(instance for instance in self.instances if instance not in leaving)
        deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
        for instance in leaving:
            instance.drain(max(deadline_s - time.monotonic(), 0.0))
        self.end(leaving, STOP_GRACE_S)

    def become(self, variant: Variant) -> None:
        """Take over the settings of a variant that the instances have been replaced by."""
        self.variant = variant
        self.weight = self.desired_weight = variant.weight
        self.num_desired, self.resolved_s = variant.num_instances, time.time()

    def end(self, instances: Iterable[Instance], grace_s: float) -> None:
        """End instances and remove their files."""
        ending = list(instances)
        stop_together(ending, grace_s)
        for instance in ending:
            instance.remove_files()
        with self._lock:
            self._living = [instance for instance in self._living if instance not in ending]

    def living(self) -> list[Instance]:
        """Return every instance that has, or may get, a server process."""
        with self._lock:
            return list(self._living)


def launch(
    wanted: Iterable[tuple[RunningVariant, Variant, int]],
    *,
    fault: Fault | None,
    stopped: threading.Event,
) -> list[list[Instance]]:
    """Start instances and wait until they are healthy; they take requests once they are admitted.

    Args:
        wanted: To which variant they go, what they run, and how many.
        fault: Fault that was asked for.
        stopped: Set when the endpoint is to end.

    Returns:
        The instances of each that was wanted.

    Raises:
        DeploymentFailedError: One of them cannot be brought up; none is left then.
    """
    if fault and fault.fault == "InsufficientCapacity":
        raise DeploymentFailedError(_INSUFFICIENT_CAPACITY)
    if fault and fault.fault == "SlowStart":
        stopped.wait(fault.delay_s)
    is_unhealthy = fault is not None and fault.fault == "FailedHealthCheck"
    launched: list[tuple[RunningVariant, Variant, list[Instance]]] = []
    try:
        for running, variant, num in wanted:
            launched.append((running, variant, []))
            if not running.machines:
                running.start(variant, num, launched[-1][2])
        for _, variant, instances in launched:
            for instance in instances:
                if is_unhealthy:
                    instance.write("the health check fails: this was asked for by PUT /_sandbox/faults")
                if is_unhealthy or not instance.wait_healthy():
                    raise _unhealthy(variant)
    except BaseException:
        for running, _, instances in launched:
            running.end(instances, FAILED_GRACE_S)
        raise
    for _, _, instances in launched:
        for instance in instances:
            instance.supervise()
    return [instances for _, _, instances in launched]


def least_busy(instances: Iterable[Instance]) -> Instance | None:
    """Begin a request on the healthy instance with the fewest in flight and return it; None without one."""
    healthy = [instance for instance in instances if instance.is_healthy]
    healthy.sort(key=lambda instance: (instance.num_in_flight, random.random()))
    return next((instance for instance in healthy if instance.begin()), None)


def program_of(image: str) -> list[str]:
    """Return the command that stands for an image.

    Raises:
        DeploymentFailedError: There is none.
    """
    try:
        command = images.command_for(image)
    except images.ImagesError as error:
        raise DeploymentFailedError(str(error)) from None
    if command is None:
        raise DeploymentFailedError(
            f"The image '{image}' does not exist. (The sandbox has no program that stands for it: name one in"
            f" the file of {images.VARIABLE}, see src/sandbox/README.md.)"
        )
    return command


def _unhealthy(variant: Variant) -> DeploymentFailedError:
    return DeploymentFailedError(_UNHEALTHY.format(container=variant.container_name, variant=variant.name))
