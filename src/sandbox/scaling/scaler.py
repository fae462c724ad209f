"""What happens when an alarm runs a scaling policy: bounds, cooldowns, other policies, and the change.

Source: Application Auto Scaling User Guide, "Define cooldown periods" and "Multiple scaling policies".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox import clock
from sandbox.api.errors import AwsError
from sandbox.scaling import activities, alarm_records
from sandbox.scaling.alarm_evaluation import ALARM
from sandbox.scaling.alarms import ActionFailedError, newest_values
from sandbox.scaling.capacity import Capacity, Scaled, scaled
from sandbox.scaling.step_scaling import stepped
from sandbox.scaling.target_tracking import LOW, SCALE_IN_AFTER_S, tracked

if TYPE_CHECKING:
    from sandbox.context import Context

_TARGET_KIND = "scalable-target"
_DEFAULT_COOLDOWN_S = 300  # of SageMaker's dimensions
_TRACKING, _STEPS = "TargetTrackingScalingPolicyConfiguration", "StepScalingPolicyConfiguration"

Record = dict[str, Any]


class Scaler:
    """Runs scaling policies.

    Args:
        context: Holds targets, policies and activities.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()  # two alarms at once must not count the same capacity

    def run(self, region: str, policy_arn: str, alarm: Any, values: list[float]) -> None:
        """Run a policy because an alarm is in a state whose action it is.

        Args:
            policy_arn: The policy.
            alarm: moto's.
            values: The data points it was evaluated with, the newest last.

        Raises:
            ActionFailedError: There is no such policy, or nothing to count with.
        """
        with self._lock:
            activities.reconcile(self._context)
            target_record, policy = self._found(region, policy_arn)
            if not values:
                raise ActionFailedError("Metric data points must be provided")
            target = scaled(target_record["ResourceId"], target_record["ScalableDimension"])
            try:
                capacity = target.read(self._context, region)
            except AwsError as error:
                raise ActionFailedError(error.message) from None
            change = _Change(self._context, region, target_record, target, capacity)
            cause = (
                f"monitor alarm {alarm.name} in state {alarm.state_value} triggered policy"
                f" {policy['PolicyName']}"
            )
            if _STEPS in policy:
                change.step(policy[_STEPS], values, float(alarm.threshold), cause)
            elif f"-{LOW}-" in alarm.name:
                change.track_in(policy[_TRACKING], cause)
            else:
                change.track_out(policy[_TRACKING], values[-1], cause)

    def _found(self, region: str, policy_arn: str) -> tuple[Record, Record]:
        for record in self._context.resources.all(_TARGET_KIND, region):
            for policy in record["_policies"].values():
                if policy["PolicyARN"] == policy_arn:
                    return record, policy
        raise ActionFailedError("there is no such scaling policy")


class _Change:
    """One run of a policy on a target."""

    def __init__(
        self, context: Context, region: str, record: Record, target: Scaled, capacity: Capacity
    ) -> None:
        self._context, self._region, self._record = context, region, record
        self._target, self._capacity = target, capacity
        self._activities = [
            each for each in activities.of_target(context, region, target) if each["StatusCode"] != "Failed"
        ]

    def step(self, configuration: Record, values: list[float], threshold: float, cause: str) -> None:
        """Take the step that the breach asks for."""
        cooldown_s = configuration.get("Cooldown", _DEFAULT_COOLDOWN_S)

        def wanted(capacity: int) -> int:
            return stepped(configuration, capacity, values, threshold)

        desired = self._capacity.desired
        if wanted(desired) > desired:
            self._out(wanted, cooldown_s, cause)
        elif wanted(desired) < desired:
            self._in(wanted(desired), cooldown_s, cause)

    def track_out(self, configuration: Record, value: float, cause: str) -> None:
        """Scale out so far that the metric comes to its target."""
        cooldown_s = configuration.get("ScaleOutCooldown", _DEFAULT_COOLDOWN_S)
        self._out(lambda capacity: tracked(capacity, value, configuration["TargetValue"]), cooldown_s, cause)

    def track_in(self, configuration: Record, cause: str) -> None:
        """Scale in when every policy that tracks a target agrees, to the largest capacity of theirs."""
        # Most of the data points are of the time without a copy, when a step policy has just woken the
        # component: the alarm would take it away at once.
        if self._cooling(is_out=True, cooldown_s=SCALE_IN_AFTER_S):
            return
        wanted = []
        for policy in self._record["_policies"].values():
            tracking = policy.get(_TRACKING)
            if tracking is None or tracking["DisableScaleIn"]:
                continue
            value = self._low_value(policy)
            if value is None:
                return
            wanted.append(tracked(self._capacity.desired, value, tracking["TargetValue"]))
        cooldown_s = configuration.get("ScaleInCooldown", _DEFAULT_COOLDOWN_S)
        self._in(max(wanted, default=self._capacity.desired), cooldown_s, cause)

    def _low_value(self, policy: Record) -> float | None:
        """Return the newest value of a policy's metric, if that calls for less capacity."""
        alarms = alarm_records.backend(self._region).alarms
        for named in policy["Alarms"]:
            alarm = alarms.get(named["AlarmName"])
            if alarm is not None and f"-{LOW}-" in alarm.name and alarm.state_value == ALARM:
                values = newest_values.get((self._region, alarm.name))
                return values[-1] if values else None
        return None

    def _out(self, wanted: Callable[[int], int], cooldown_s: float, cause: str) -> None:
        """Scale out; what the last one added counts as part of it while that cools down."""
        if self._record["SuspendedState"].get("DynamicScalingOutSuspended"):
            return
        last = self._cooling(is_out=True, cooldown_s=cooldown_s)
        desired = self._within(wanted(last["_from"] if last else self._capacity.desired))
        if desired > self._capacity.desired:
            self._apply(desired, cause)

    def _in(self, wanted: int, cooldown_s: float, cause: str) -> None:
        """Scale in, unless something is being changed or the last scale-in cools down."""
        if self._record["SuspendedState"].get("DynamicScalingInSuspended"):
            return
        if not self._capacity.is_settled or self._cooling(is_out=False, cooldown_s=cooldown_s):
            return
        desired = self._within(wanted)
        if desired < self._capacity.desired:
            self._apply(desired, cause)

    def _cooling(self, *, is_out: bool, cooldown_s: float) -> Record | None:
        """Return the last change by a policy, if it was in that direction and is not over yet."""
        by_policy = [each for each in self._activities if "_from" in each]
        if not by_policy or (by_policy[-1]["_to"] > by_policy[-1]["_from"]) != is_out:
            return None
        last = by_policy[-1]
        if activities.is_open(last) or time.time() - last["EndTime"] < clock.real_s(cooldown_s):
            return last
        return None

    def _within(self, capacity: int) -> int:
        return min(max(capacity, self._record["MinCapacity"]), self._record["MaxCapacity"])

    def _apply(self, desired: int, cause: str) -> None:
        activities.change(
            self._context,
            self._region,
            self._target,
            desired=desired,
            cause=cause,
            _from=self._capacity.desired,
        )
