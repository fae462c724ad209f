"""What Application Auto Scaling may change: the copies of inference components."""

from __future__ import annotations

from collections.abc import Sequence

from workshop.aws.session import Aws

COPIES = "sagemaker:inference-component:DesiredCopyCount"


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
        aws: Where they are.
        components: Names; those that are not registered are left out.

    Returns:
        The names that were registered.
    """
    names = registered_targets(aws, components)
    for name in names:
        aws.client("application-autoscaling").deregister_scalable_target(
            ServiceNamespace="sagemaker", ResourceId=f"inference-component/{name}", ScalableDimension=COPIES
        )
    return names
