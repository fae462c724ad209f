"""Automatic scaling of inference components: their scalable targets, and the alarms behind them."""

from __future__ import annotations

from collections.abc import Sequence

from workshop.aws.resources import delete_if_there
from workshop.aws.session import Aws
from workshop.aws.waits import Wait
from workshop.errors import WorkshopError

COPIES = "sagemaker:inference-component:DesiredCopyCount"


def wait_until_quiet(aws: Aws, alarm_name: str, *, timeout_s: float) -> str:
    """Show an alarm's state until it is not ALARM.

    Args:
        alarm_name: For example the AlarmLow of a target tracking policy.
        timeout_s: After this many seconds the wait ends.

    Returns:
        Its state: "OK" or "INSUFFICIENT_DATA".

    Raises:
        WorkshopError: There is no such alarm, or the wait timed out.
    """
    return Wait(
        title=alarm_name,
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        setting="scaling_timeout_s",
        expected="another state than ALARM",
        next_step="run the cell again to continue waiting, or look at the alarm in the CloudWatch console",
    ).until(lambda: _state(aws, alarm_name), is_done=lambda state: state != "ALARM", text=str)


def _state(aws: Aws, alarm_name: str) -> str:
    alarms = aws.client("cloudwatch").describe_alarms(AlarmNames=[alarm_name])["MetricAlarms"]
    if not alarms:
        raise WorkshopError(
            found=f"no alarm {alarm_name}",
            expected="one that the cells above have made",
            next_step="run the cell that puts the scaling policy or the alarm",
        )
    return alarms[0]["StateValue"]


def registered_targets(aws: Aws, components: Sequence[str]) -> list[str]:
    """Return which of these components are scaled automatically."""
    found = aws.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker",
        ResourceIds=[f"inference-component/{name}" for name in components],
        ScalableDimension=COPIES,
    )
    return [target["ResourceId"].partition("/")[2] for target in found["ScalableTargets"]]


def deregister_targets(aws: Aws, components: Sequence[str]) -> list[str]:
    """End the automatic scaling of components, with its policies and their alarms; their copies stay.

    Args:
        components: Names; those that are not registered are left out.

    Returns:
        The names that were registered.
    """
    names = registered_targets(aws, components)
    for name in names:
        deregister(aws, f"inference-component/{name}", COPIES)
    return names


def deregister(aws: Aws, resource_id: str, dimension: str) -> bool:
    """End the automatic scaling of one resource, with its policies and their alarms.

    Args:
        resource_id: For example "inference-component/NAME" or "endpoint/NAME/variant/VARIANT".
        dimension: For example COPIES.

    Returns:
        Whether it was registered.
    """
    return delete_if_there(
        aws.client("application-autoscaling").deregister_scalable_target,
        ServiceNamespace="sagemaker",
        ResourceId=resource_id,
        ScalableDimension=dimension,
    )
