"""An endpoint gets another configuration: what runs is replaced while it serves, and goes back on failure.

Blue/green: the new fleet is started beside the old one, gets the traffic in one or several steps, each
watched for a baking period, and only then the old one ends. Rolling: the same for a batch of instances at a
time. In both no request is lost: an instance that goes gets no new ones and ends when its last one has ended.

Source: SageMaker Developer Guide, "Deployment guardrails for updating models in production".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from sandbox.api.faults import LATER, Fault
from sandbox.hosting.component_move import ComponentMove
from sandbox.hosting.deployment_policy import DeploymentPolicy, batch_of
from sandbox.hosting.deployment_watch import DeploymentWatch
from sandbox.hosting.errors import DeploymentFailedError, RollbackFailedError, nothing_unforeseen
from sandbox.hosting.instance import Instance
from sandbox.hosting.running_endpoint import Fleet, RunningEndpoint
from sandbox.hosting.specs import Variant

if TYPE_CHECKING:
    from sandbox.context import Context

OPERATION = "UpdateEndpoint"


class FleetUpdate:
    """One update of an endpoint.

    Args:
        context: Has the faults that were asked for.
        endpoint: What is updated.
        variants: What it shall run.
        policy: How it gets there.
        config_name: Name of the configuration that the variants are of.
        moves: Of the inference components on the endpoint.
    """

    def __init__(
        self,
        context: Context,
        endpoint: RunningEndpoint,
        variants: Sequence[Variant],
        policy: DeploymentPolicy,
        *,
        config_name: str,
        moves: Iterable[ComponentMove] = (),
    ) -> None:
        self.config_name, self.variants = config_name, variants
        self.started_s = time.time()
        self.stage, self.stage_since_s = "Creating", self.started_s
        self.num_current = dict.fromkeys((variant.name for variant in variants), 0)
        self.endpoint, self.policy, self.moves = endpoint, policy, tuple(moves)
        self._context = context
        self.watch = DeploymentWatch(
            region=endpoint.region, alarms=policy.alarms, limit_s=policy.limit_s, stopped=endpoint.stopped
        )

    def run(self, begin_rollback: Callable[[], None]) -> None:
        """Update the endpoint, or bring it back to what it was.

        Args:
            begin_rollback: Called before it goes back.

        Raises:
            DeploymentFailedError: It is what it was; the text says why.
            RollbackFailedError: It could not be brought back, either.
        """
        steps = self._steps()
        try:
            with nothing_unforeseen():
                steps.go()
        except DeploymentFailedError as failure:
            if not self.endpoint.stopped.is_set():
                begin_rollback()
                steps.go_back(failure)
            raise
        steps.finish()

    def _steps(self) -> _BlueGreen | _Rolling:
        return _Rolling(self) if self.policy.batch else _BlueGreen(self)

    def enter(self, stage: str) -> None:
        """Note what is being done: one of AWS's values of VariantStatus."""
        self.stage, self.stage_since_s = stage, time.time()

    def take_fault(self) -> Fault | None:
        """Return the fault that was asked for what is started next."""
        return self._context.faults.take(OPERATION, *LATER)


class _BlueGreen:
    """A second fleet beside the first."""

    def __init__(self, update: FleetUpdate) -> None:
        self._update = update
        self._endpoint, self._policy, self._watch = update.endpoint, update.policy, update.watch
        self._green: Fleet = self._endpoint.new_fleet(update.variants)

    def go(self) -> None:
        update, endpoint = self._update, self._endpoint
        fault = update.take_fault()
        endpoint.launch_fleet(self._green, fault)
        for name, running in self._green.items():
            update.num_current[name] = running.num_instances
        for move in update.moves:
            move.go(self._green, fault)
        for share in self._policy.shares:
            update.enter("ActivatingTraffic")
            endpoint.shift(self._green, share)
            update.enter("Baking")
            self._watch.bake(self._policy.wait_s)
        self._watch.wait(self._policy.termination_wait_s)

    def finish(self) -> None:
        self._update.enter("Deleting")
        blue = self._endpoint.replace(self._green)
        for move in self._update.moves:
            move.finish()
        self._endpoint.retire(blue)

    def go_back(self, failure: DeploymentFailedError) -> None:
        self._endpoint.shift({}, 0.0)
        for move in self._update.moves:
            move.go_back()
        self._endpoint.retire(self._green)


class _Rolling:
    """A batch of instances at a time, of the one variant that there is."""

    def __init__(self, update: FleetUpdate) -> None:
        self._update, self._policy, self._watch = update, update.policy, update.watch
        (self._running,) = update.endpoint.variants.values()
        (self._new,) = update.variants
        self._old = self._running.spec
        self._remaining = list(self._running.copies)
        self._num_old = len(self._remaining)
        self._arrived: list[Instance] = []

    def go(self) -> None:
        update, total = self._update, self._new.num_instances
        size = batch_of(self._policy.batch, total)
        while len(self._arrived) < total:
            update.enter("Creating")
            self._start(self._new, min(size, total - len(self._arrived)), self._arrived)
            update.num_current[self._new.name] = len(self._arrived)
            update.enter("Baking")
            self._watch.bake(self._policy.wait_s)
            num_kept = self._num_old * (total - len(self._arrived)) // total
            self._retire(self._remaining, num_kept)

    def finish(self) -> None:
        self._running.adopt(self._new)

    def go_back(self, failure: DeploymentFailedError) -> None:
        size = batch_of(self._policy.rollback_batch, self._num_old)
        num_arrived = len(self._arrived)
        try:
            while num_missing := self._num_old - len(self._remaining):
                self._start(self._old, min(size, num_missing), self._remaining)
                num_kept = num_arrived * (self._num_old - len(self._remaining)) // self._num_old
                self._retire(self._arrived, num_kept)
        except DeploymentFailedError as second:
            raise RollbackFailedError(f"{failure} The rollback failed, too: {second}") from None
        self._retire(self._arrived, 0)

    def _start(self, variant: Variant, num: int, fleet: list[Instance]) -> None:
        instances = self._running.launch(variant, num, self._update.take_fault())
        self._running.admit(instances)
        fleet.extend(instances)

    def _retire(self, fleet: list[Instance], num_kept: int) -> None:
        leaving = fleet[num_kept:]
        del fleet[num_kept:]
        self._running.retire(leaving)
