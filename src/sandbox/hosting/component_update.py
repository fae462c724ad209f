"""An inference component gets another specification, in batches, and goes back when that fails.

Each batch is started, gets requests, is watched for the baking period, and only then takes the place of old
copies, so that there are never fewer copies than before. Without a rolling update policy all copies are one
batch (blue/green).

Source: API reference, InferenceComponentRollingUpdatePolicy; "Enhance deployment guardrails with inference
component rolling updates for Amazon SageMaker AI inference" (AWS Machine Learning Blog, 2025-03). That a
component is InService with a FailureReason after a rollback, as an endpoint is, is our guess.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.hosting.deployment_watch import DeploymentWatch
from sandbox.hosting.errors import DeploymentFailedError, RollbackFailedError, nothing_unforeseen
from sandbox.hosting.running_component import ComponentCopy, RunningComponent
from sandbox.hosting.specs import ComponentSpec

_PERCENT = "CAPACITY_PERCENT"
_MIN_PERCENT, _MAX_PERCENT = 5, 50


@dataclass(frozen=True, kw_only=True)
class UpdatePlan:
    """How a component is updated.

    Args:
        batch: MaximumBatchSize, None for all copies at once.
        rollback_batch: RollbackMaximumBatchSize, None for all copies at once.
        wait_s: Baking period of each batch, in seconds of AWS.
        limit_s: MaximumExecutionTimeoutInSeconds, of AWS; None for no limit.
        alarms: Names of the alarms that make it go back.
    """

    batch: dict[str, Any] | None = None
    rollback_batch: dict[str, Any] | None = None
    wait_s: float = 0.0
    limit_s: float | None = None
    alarms: tuple[str, ...] = ()


def plan_of(config: dict[str, Any] | None, num_copies: int) -> UpdatePlan:
    """Return the plan of a DeploymentConfig.

    Args:
        config: As in the request.
        num_copies: How many copies there shall be.

    Raises:
        AwsError: A batch is smaller or larger than AWS allows. The wording is ours.
    """
    if config is None:
        return UpdatePlan()
    policy, rollback = config["RollingUpdatePolicy"], config.get("AutoRollbackConfiguration", {})
    batch = policy["MaximumBatchSize"]
    is_percent = batch["Type"] == _PERCENT
    lowest, highest = (_MIN_PERCENT, _MAX_PERCENT) if is_percent else (1, max(num_copies // 2, 1))
    if not lowest <= batch["Value"] <= highest:
        raise validation_error(
            f"MaximumBatchSize must be between {_MIN_PERCENT}% and {_MAX_PERCENT}% of the copy count of the"
            f" inference component: found {batch['Value']} {batch['Type']} of {num_copies} copies."
        )
    return UpdatePlan(
        batch=batch,
        rollback_batch=policy.get("RollbackMaximumBatchSize"),
        wait_s=policy["WaitIntervalInSeconds"],
        limit_s=policy.get("MaximumExecutionTimeoutInSeconds"),
        alarms=tuple(alarm["AlarmName"] for alarm in rollback.get("Alarms", [])),
    )


class ComponentUpdate:
    """One update of a component.

    Args:
        component: What is updated.
        spec: What it shall run.
        num_copies: How many copies it shall have.
        plan: How.
        launch: Starts copies of a specification; RunningComponent.launch, or with a fault that was asked for.
    """

    def __init__(
        self,
        component: RunningComponent,
        spec: ComponentSpec,
        num_copies: int,
        plan: UpdatePlan,
        launch: Callable[[ComponentSpec, int], list[ComponentCopy]],
    ) -> None:
        self._component, self._spec, self._num_copies, self._plan = component, spec, num_copies, plan
        self._launch = launch
        self._old_spec, self._num_old = component.spec, len(component.copies)
        self._watch = DeploymentWatch(
            region=component.region, alarms=plan.alarms, limit_s=plan.limit_s, stopped=component.stopped
        )

    def run(self) -> None:
        """Update the component, or bring it back to what it was.

        Raises:
            DeploymentFailedError: It is what it was; the text says why.
            RollbackFailedError: It could not be brought back, either.
        """
        try:
            with nothing_unforeseen():
                self._replace()
        except DeploymentFailedError as failure:
            if not self._component.stopped.is_set():
                self._go_back(failure)
            raise
        self._component.adopt(self._spec)

    def _replace(self) -> None:
        component, plan = self._component, self._plan
        old, num_new = list(component.copies), 0
        size = _copies_of(plan.batch, self._num_copies)
        while num_new < self._num_copies:
            batch = self._launch(self._spec, min(size, self._num_copies - num_new))
            component.admit(batch)
            num_new += len(batch)
            self._watch.bake(plan.wait_s)
            leaving, old = old[: len(batch)], old[len(batch) :]
            component.retire(leaving)
        component.retire(old)

    def _go_back(self, failure: DeploymentFailedError) -> None:
        """Bring the old copies back, in batches as large as there is room for, and end the new ones."""
        component = self._component
        size = _copies_of(self._plan.rollback_batch, self._num_old)
        try:
            while True:
                new = [copy for copy in component.copies if copy.spec is not self._old_spec]
                num_spare = max(len(component.copies) - self._num_old, 0)
                component.retire(new[:num_spare])  # makes room, and leaves as many as there were
                missing = self._num_old - sum(copy.spec is self._old_spec for copy in component.copies)
                if not missing:
                    break
                room = max(component.num_places(self._old_spec), 1)
                component.admit(component.launch(self._old_spec, min(size, missing, room)))
        except DeploymentFailedError as second:
            raise RollbackFailedError(f"{failure} The rollback failed, too: {second}") from None


def _copies_of(size: dict[str, Any] | None, num_copies: int) -> int:
    """Return the copies of a batch: 1 or more, all of them when no size is given."""
    if size is None:
        return max(num_copies, 1)
    if size["Type"] == _PERCENT:
        return max(math.floor(num_copies * size["Value"] / 100), 1)
    return size["Value"]
