"""What runs gets another configuration while it serves, and goes back when that fails: no request is lost.

Rolling: a batch of new copies is started beside the old ones, gets requests, is watched for a baking period,
and only then do as many old ones go; without a batch size all copies are one batch. Blue/green: a second
fleet is started beside the first, gets the traffic in one or several steps, each watched for a baking period,
and only then does the first one end. A copy that goes gets no new requests and ends when its last one has
ended.

Endpoints are updated either way, inference components rolling. Their copies move (Move) when a blue/green
update gives their endpoint other machines.

Source: SageMaker Developer Guide, "Deployment guardrails for updating models in production"; API reference,
InferenceComponentRollingUpdatePolicy; "Enhance deployment guardrails with inference component rolling updates
for Amazon SageMaker AI inference" (AWS Machine Learning Blog, 2025-03).
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from sandbox import clock
from sandbox.api.faults import Fault
from sandbox.hosting.deployment_policy import DeploymentPolicy, batch_of
from sandbox.hosting.errors import DeploymentFailedError, RollbackFailedError, nothing_unforeseen
from sandbox.hosting.instance import Instance
from sandbox.hosting.pool import Pool
from sandbox.hosting.running_component import RunningComponent
from sandbox.hosting.running_endpoint import Fleet, RunningEndpoint
from sandbox.hosting.specs import ContainerSpec, Variant

TakeFault = Callable[[], Fault | None]
_LOOK_AGAIN_S = 0.1  # an alarm does not notify when it changes; to look costs microseconds


class Rollout(ABC):
    """One update: forward, or back to what was.

    Args:
        policy: Batches or steps of the traffic, waits, alarms.
        region: Of the alarms that are watched.
        stopped: Set when what is updated is to end.
        take_fault: Gives the fault that was asked for what is started next.
    """

    def __init__(
        self, policy: DeploymentPolicy, *, region: str, stopped: threading.Event, take_fault: TakeFault
    ) -> None:
        self.started_s = time.time()
        self.stage, self.stage_since_s = "Creating", self.started_s
        self.num_arrived: dict[str, int] = {}  # new instances or copies, by variant
        self._policy, self._stopped, self._take_fault = policy, stopped, take_fault
        self._watch = Watch(region=region, alarms=policy.alarms, limit_s=policy.limit_s, stopped=stopped)

    def run(self, begin_rollback: Callable[[], None] = lambda: None) -> None:
        """Carry the update out, or bring everything back to what it was.

        Args:
            begin_rollback: Called before it goes back.

        Raises:
            DeploymentFailedError: Everything is what it was; the text says why.
            RollbackFailedError: It could not be brought back, either.
        """
        try:
            with nothing_unforeseen():
                self._go()
        except DeploymentFailedError as failure:
            if not self._stopped.is_set():
                with _failure_leaves_a_mix(f"{failure} The rollback failed, too: "):
                    begin_rollback()
                    self._go_back()
            raise
        with _failure_leaves_a_mix():
            self._finish()

    @abstractmethod
    def _go(self) -> None:
        """Bring the new copies up and let them serve."""

    @abstractmethod
    def _finish(self) -> None:
        """Leave only what is new."""

    @abstractmethod
    def _go_back(self) -> None:
        """Leave only what is old, after any part of _go."""

    def _enter(self, stage: str) -> None:
        """Note what is being done: one of AWS's values of VariantStatus."""
        self.stage, self.stage_since_s = stage, time.time()


class Rolling(Rollout):
    """A batch of copies at a time, of one pool: never fewer than there were, or than there shall be.

    Args:
        pool: What is updated: a variant, or an inference component.
        spec: What its copies shall run.
        num_copies: How many there shall be.
        policy: Size of the batches, baking periods.
        take_fault: As of Rollout.
    """

    def __init__(
        self,
        pool: Pool,
        spec: ContainerSpec,
        num_copies: int,
        policy: DeploymentPolicy,
        *,
        take_fault: TakeFault,
    ) -> None:
        super().__init__(policy, region=pool.region, stopped=pool.stopped, take_fault=take_fault)
        self._pool, self._spec, self._num_copies = pool, spec, num_copies
        self._old_spec, self._num_old = pool.spec, len(pool.copies)

    def _go(self) -> None:
        pool, old, num_arrived = self._pool, list(self._pool.copies), 0
        size = batch_of(self._policy.batch, self._num_copies)
        while num_arrived < self._num_copies:
            self._enter("Creating")
            batch = pool.launch(self._spec, min(size, self._num_copies - num_arrived), self._take_fault())
            pool.admit(batch)
            num_arrived += len(batch)
            self.num_arrived[pool.variant_name] = num_arrived
            self._enter("Baking")
            self._watch.bake(self._policy.wait_s)
            leaving, old = old[: len(batch)], old[len(batch) :]
            pool.retire(leaving)
        pool.retire(old)

    def _finish(self) -> None:
        self._pool.adopt(self._spec)

    def _go_back(self) -> None:
        """Bring the old copies back, in batches as large as there is room for, and end the new ones."""
        pool, size = self._pool, batch_of(self._policy.rollback_batch, self._num_old)
        while True:
            new = [copy for copy in pool.copies if copy.spec is not self._old_spec]
            num_spare = max(len(pool.copies) - self._num_old, 0)
            pool.retire(new[:num_spare])  # makes room, and leaves as many as there were
            missing = self._num_old - sum(copy.spec is self._old_spec for copy in pool.copies)
            if not missing:
                break
            room = max(pool.num_places(self._old_spec), 1)
            pool.admit(pool.launch(self._old_spec, min(size, missing, room), self._take_fault()))


class BlueGreen(Rollout):
    """A second fleet of an endpoint beside the first.

    Args:
        endpoint: What is updated.
        variants: What it shall run.
        policy: Steps of the traffic, baking periods.
        moves: One for each inference component on the endpoint.
        take_fault: As of Rollout.
    """

    def __init__(
        self,
        endpoint: RunningEndpoint,
        variants: Iterable[Variant],
        policy: DeploymentPolicy,
        moves: Iterable[Move],
        *,
        take_fault: TakeFault,
    ) -> None:
        super().__init__(policy, region=endpoint.region, stopped=endpoint.stopped, take_fault=take_fault)
        self._endpoint, self._moves = endpoint, tuple(moves)
        self._green = endpoint.new_fleet(variants)

    def _go(self) -> None:
        endpoint, green, fault = self._endpoint, self._green, self._take_fault()
        endpoint.launch_fleet(green, fault)
        self.num_arrived = {name: running.num_instances for name, running in green.items()}
        for move in self._moves:
            move.go(green, fault)
        for share in self._policy.shares:
            self._enter("ActivatingTraffic")
            endpoint.shift(green, share)
            self._enter("Baking")
            self._watch.bake(self._policy.wait_s)
        self._watch.wait(self._policy.termination_wait_s)

    def _finish(self) -> None:
        self._enter("Deleting")
        blue = self._endpoint.replace(self._green)
        for move in self._moves:
            move.finish()
        self._endpoint.retire(blue)

    def _go_back(self) -> None:
        self._endpoint.shift({}, 0.0)
        for move in self._moves:
            move.go_back()
        self._endpoint.retire(self._green)


def rollout_of(
    endpoint: RunningEndpoint,
    variants: Sequence[Variant],
    policy: DeploymentPolicy,
    components: Iterable[RunningComponent],
    *,
    take_fault: TakeFault,
) -> Rollout:
    """Return the update of an endpoint that a policy asks for.

    Args:
        endpoint: What is updated.
        variants: What it shall run.
        policy: How; a rolling one is of a single variant.
        components: What hosts models on the endpoint; none of them changes otherwise meanwhile.
        take_fault: Gives the fault that was asked for what is started next.
    """
    if policy.batch is None:
        moves = [Move(component) for component in components]
        return BlueGreen(endpoint, variants, policy, moves, take_fault=take_fault)
    (running,), (variant,) = endpoint.variants.values(), variants
    return Rolling(running, variant, variant.num_instances, policy, take_fault=take_fault)


class Move:
    """The copies of an inference component go to other machines: new ones beside the old, which then end.

    Args:
        component: Whose copies move.
    """

    def __init__(self, component: RunningComponent) -> None:
        self._component, self._old_machines = component, component.machines
        self._old: Sequence[Instance] = component.copies
        self._new: Sequence[Instance] = ()

    def go(self, fleet: Fleet, fault: Fault | None) -> None:
        """Start as many copies on other machines, and send requests to them too.

        Args:
            fleet: The variants that they go to.
            fault: One that was asked for.

        Raises:
            DeploymentFailedError: They have no place there, or cannot be brought up.
        """
        component = self._component
        component.machines = fleet[component.variant_name].machines
        self._new = component.launch(component.spec, len(self._old), fault)
        component.admit(self._new)

    def finish(self) -> None:
        """End the copies on the old machines."""
        self._component.retire(self._old)

    def go_back(self) -> None:
        """End the copies on the new machines."""
        self._component.retire(self._new)
        self._component.machines = self._old_machines


class Watch:
    """The watch over an update from now on: baking periods, the alarms that end it, how long it may take.

    Args:
        region: Of the alarms.
        alarms: Names of those that make it go back.
        limit_s: MaximumExecutionTimeoutInSeconds, of AWS; None for no limit.
        stopped: Set when what is updated is to end.
    """

    def __init__(
        self, *, region: str, alarms: Sequence[str], limit_s: float | None, stopped: threading.Event
    ) -> None:
        self._region, self._alarms, self._limit_s, self._stopped = region, alarms, limit_s, stopped
        self._started_s = time.monotonic()
        self._saved_s = 0.0  # seconds of AWS that waits took, less those that they took here

    def bake(self, wait_s: float) -> None:
        """Wait, and look at the alarms meanwhile: at least once.

        Args:
            wait_s: WaitIntervalInSeconds, of AWS.

        Raises:
            DeploymentFailedError: An alarm is in ALARM, the update takes too long, or it is to end.
        """
        real_s, began_s = clock.real_s(wait_s), time.monotonic()
        while True:
            self._check_alarms()
            left_s = began_s + real_s - time.monotonic()
            if left_s <= 0:
                break
            self._pause(min(left_s, _LOOK_AGAIN_S))
        self._saved_s += wait_s - real_s
        self._check_time()

    def wait(self, wait_s: float) -> None:
        """Wait without a look at the alarms.

        Args:
            wait_s: Seconds of AWS.

        Raises:
            DeploymentFailedError: The update is to end.
        """
        self._pause(clock.real_s(wait_s))

    def _check_time(self) -> None:
        """Make sure that the update has not taken longer than it may.

        Waits count as long as they would take on AWS, the start of containers as long as it takes here.

        Raises:
            DeploymentFailedError: It has.
        """
        spent_s = time.monotonic() - self._started_s + self._saved_s
        if self._limit_s is not None and spent_s > self._limit_s:
            raise DeploymentFailedError(
                f"The deployment took longer than {self._limit_s:g} seconds"
                " (MaximumExecutionTimeoutInSeconds) and was rolled back."
            )

    def _pause(self, real_s: float) -> None:
        if self._stopped.wait(real_s):
            raise DeploymentFailedError("The sandbox ends.")

    def _check_alarms(self) -> None:
        if not self._alarms:
            return
        from sandbox.scaling.alarms import in_alarm  # loads moto's CloudWatch, for those who ask for alarms

        tripped = in_alarm(self._region, self._alarms)
        if tripped:
            raise DeploymentFailedError(
                f"The deployment was rolled back: in state ALARM {'is' if len(tripped) == 1 else 'are'}"
                f" {', '.join(tripped)}."
            )


@contextmanager
def _failure_leaves_a_mix(before: str = "") -> Iterator[None]:
    """Let a block that must not fail do so in one way only.

    Args:
        before: What failed before that.

    Raises:
        RollbackFailedError: The block failed.
    """
    try:
        with nothing_unforeseen():
            yield
    except DeploymentFailedError as failure:
        raise RollbackFailedError(f"{before}{failure}") from None
