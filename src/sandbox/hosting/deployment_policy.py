"""How an endpoint or an inference component is updated: what a DeploymentConfig asks for, checked.

Source: API reference, BlueGreenUpdatePolicy, RollingUpdatePolicy, TrafficRoutingConfig,
InferenceComponentRollingUpdatePolicy (limits of the sizes); SageMaker Developer Guide, "Deployment
guardrails", "Exclusions" (same variant names, no rolling deployment of several variants). The wording of the
errors is ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.hosting.specs import Variant

_PERCENT = "CAPACITY_PERCENT"
_MIN_PERCENT, _MAX_PERCENT = 5, 50  # of a component's copies in a batch


@dataclass(frozen=True, kw_only=True)
class DeploymentPolicy:
    """A deployment; without a DeploymentConfig everything is replaced at once and nothing is watched.

    Args:
        shares: Share of the requests that the new fleet gets after each step of a blue/green deployment.
        batch: MaximumBatchSize of a rolling deployment. None: of an endpoint, blue/green; of a component, all
            copies in one batch.
        rollback_batch: RollbackMaximumBatchSize; None for all at once.
        wait_s: Baking period after each step, in seconds of AWS.
        termination_wait_s: Seconds of AWS before the old fleet ends.
        limit_s: MaximumExecutionTimeoutInSeconds, of AWS; None for no limit.
        alarms: Names of the alarms that make it go back.
    """

    shares: tuple[float, ...] = (1.0,)
    batch: Mapping[str, Any] | None = None
    rollback_batch: Mapping[str, Any] | None = None
    wait_s: float = 0.0
    termination_wait_s: float = 0.0
    limit_s: float | None = None
    alarms: tuple[str, ...] = ()


def endpoint_policy(
    config: Mapping[str, Any] | None, *, old: Sequence[Variant], new: Sequence[Variant]
) -> DeploymentPolicy:
    """Return the policy of an endpoint's DeploymentConfig.

    Args:
        config: As in the request; None when there is none.
        old: The variants in service.
        new: Those to come.

    Raises:
        AwsError: It cannot be carried out.
    """
    if not config:
        return DeploymentPolicy()
    blue_green, rolling = config.get("BlueGreenUpdatePolicy"), config.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise validation_error("DeploymentConfig has a BlueGreenUpdatePolicy and a RollingUpdatePolicy.")
    alarms = _alarms(config)
    if not blue_green and not rolling:
        return DeploymentPolicy(alarms=alarms)
    old_names, new_names = ({variant.name for variant in variants} for variants in (old, new))
    if old_names != new_names:
        raise validation_error(
            "A deployment needs the same variant names in the old and the new endpoint configuration: found"
            f" {', '.join(sorted(old_names))} and {', '.join(sorted(new_names))}."
        )
    return _blue_green(blue_green, new, alarms) if blue_green else _rolling(rolling, new, alarms)


def component_policy(config: Mapping[str, Any] | None, num_copies: int) -> DeploymentPolicy:
    """Return the policy of an inference component's DeploymentConfig.

    Args:
        config: As in the request; None when there is none.
        num_copies: How many copies there shall be.

    Raises:
        AwsError: A batch is smaller or larger than AWS allows.
    """
    if config is None:
        return DeploymentPolicy()
    policy = config["RollingUpdatePolicy"]
    batch = policy["MaximumBatchSize"]
    is_percent = batch["Type"] == _PERCENT
    lowest, highest = (_MIN_PERCENT, _MAX_PERCENT) if is_percent else (1, max(num_copies // 2, 1))
    if not lowest <= batch["Value"] <= highest:
        raise validation_error(
            f"MaximumBatchSize must be between {_MIN_PERCENT}% and {_MAX_PERCENT}% of the copy count of the"
            f" inference component: found {batch['Value']} {batch['Type']} of {num_copies} copies."
        )
    return _in_batches(policy, _alarms(config))


def batch_of(size: Mapping[str, Any] | None, num_copies: int) -> int:
    """Return the instances or copies of a batch: 1 or more, all of them when no size is given.

    Args:
        size: CapacitySize, or InferenceComponentCapacitySize.
        num_copies: Of all together.
    """
    if size is None:
        return max(num_copies, 1)
    if size["Type"] == _PERCENT:
        return max(math.floor(num_copies * size["Value"] / 100), 1)
    return size["Value"]


def _blue_green(
    policy: Mapping[str, Any], new: Sequence[Variant], alarms: tuple[str, ...]
) -> DeploymentPolicy:
    routing = policy["TrafficRoutingConfiguration"]
    shares = (1.0,)
    match routing["Type"]:
        case "CANARY":
            shares = (_share(routing, "CanarySize", new, lowest=0.0), 1.0)
        case "LINEAR":
            step = _share(routing, "LinearStepSize", new, lowest=0.1)
            num_steps = math.ceil(round(1 / step, 6))
            shares = (*(step * number for number in range(1, num_steps)), 1.0)
    return DeploymentPolicy(
        shares=shares,
        wait_s=routing["WaitIntervalInSeconds"],
        termination_wait_s=policy.get("TerminationWaitInSeconds", 0),
        limit_s=policy.get("MaximumExecutionTimeoutInSeconds"),
        alarms=alarms,
    )


def _rolling(policy: Mapping[str, Any], new: Sequence[Variant], alarms: tuple[str, ...]) -> DeploymentPolicy:
    if len(new) > 1:
        raise validation_error("A rolling deployment is not supported for an endpoint with several variants.")
    _share(policy, "MaximumBatchSize", new, lowest=0.05)
    return _in_batches(policy, alarms)


def _in_batches(policy: Mapping[str, Any], alarms: tuple[str, ...]) -> DeploymentPolicy:
    return DeploymentPolicy(
        batch=policy["MaximumBatchSize"],
        rollback_batch=policy.get("RollbackMaximumBatchSize"),
        wait_s=policy["WaitIntervalInSeconds"],
        limit_s=policy.get("MaximumExecutionTimeoutInSeconds"),
        alarms=alarms,
    )


def _alarms(config: Mapping[str, Any]) -> tuple[str, ...]:
    alarms = config.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    return tuple(alarm["AlarmName"] for alarm in alarms)


def _share(given: Mapping[str, Any], member: str, new: Sequence[Variant], *, lowest: float) -> float:
    """Return a CapacitySize as a share of the fleet.

    Raises:
        AwsError: It is missing, or not between the lowest share and one half.
    """
    size = given.get(member)
    if size is None:
        raise validation_error(f"{member} is required for traffic routing of type {given['Type']}.")
    num_instances = min(variant.num_instances for variant in new)
    is_percent = size["Type"] == _PERCENT
    share = size["Value"] / (100 if is_percent else num_instances)
    if not lowest <= share <= 0.5:
        limits = f"between {lowest:.0%} and 50%" if lowest else "at most 50%"
        raise validation_error(
            f"{member} must be {limits} of the variant's total instance count: found {size['Value']}"
            f" {size['Type']} of {num_instances} instances."
        )
    return share
