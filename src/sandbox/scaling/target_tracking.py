"""Target tracking: the capacity that brings a metric to its target, and the two alarms that watch it.

Source: Application Auto Scaling User Guide, "How target tracking scaling works" (proportional, rounded up
both ways, so that the metric does not come out above its target). Names, descriptions and periods of the
alarms as public issue threads show them: above the target for 3 periods, below 90 % of it for 15 minutes. The
metrics with HighResolution have a period of 10 s: 3 of them out, 90 in. Which statistic those use is not
published; ConcurrentRequestsPerCopy has Min and Max, and the largest is the cautious one.
"""

from __future__ import annotations

import math
import uuid
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.hosting.metrics import NAMESPACE
from sandbox.scaling.capacity import COPIES, INSTANCES, Scaled

HIGH, LOW = "AlarmHigh", "AlarmLow"
_TOLERANCE = 1e-9  # 3 copies at 2/3 of the target are 2, not 2.0000000000000004 and so 3
_SCALE_IN_BELOW = 0.9  # of the target
_NUM_PERIODS_OUT, SCALE_IN_AFTER_S = 3, 900
# Predefined metric -> what it scales, metric in CloudWatch, statistic, period in seconds
_PREDEFINED = {
    "SageMakerInferenceComponentInvocationsPerCopy": (COPIES, "InvocationsPerCopy", "Sum", 60),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": (
        COPIES,
        "ConcurrentRequestsPerCopy",
        "Maximum",
        10,
    ),
    "SageMakerVariantInvocationsPerInstance": (INSTANCES, "InvocationsPerInstance", "Sum", 60),
}


def tracked(capacity: int, value: float, target_value: float) -> int:
    """Return the capacity that brings a metric which is counted per copy to its target.

    Args:
        capacity: Copies or instances that the value was measured with; with none it stays none.
        value: Of the metric.
        target_value: What it shall be at most.
    """
    return math.ceil(capacity * value / target_value - _TOLERANCE)


def metric_of(target: Scaled, configuration: dict[str, Any]) -> dict[str, Any]:
    """Return the metric of a target tracking configuration, as members of PutMetricAlarm in moto's spelling.

    Raises:
        AwsError: ValidationException, when it names none, both kinds, or one that is not of the resource.
    """
    predefined = configuration.get("PredefinedMetricSpecification")
    customized = configuration.get("CustomizedMetricSpecification")
    if (predefined is None) == (customized is None):
        raise validation_error(
            "Give either PredefinedMetricSpecification or CustomizedMetricSpecification, and not both."
        )
    if customized is not None:
        return _customized(customized)
    kind = predefined["PredefinedMetricType"]
    dimension, name, statistic, period_s = _PREDEFINED.get(kind, (None, "", "", 0))
    if dimension != target.dimension:
        valid = [each for each, (of, *_) in _PREDEFINED.items() if of == target.dimension]
        raise validation_error(
            f"The sandbox does not track {kind} for {target.dimension}; it tracks {', '.join(valid)}."
        )
    return {
        "namespace": NAMESPACE,
        "metric_name": name,
        "statistic": statistic,
        "period": period_s,
        "dimensions": target.metric_dimensions,
    }


def alarms_of(
    target: Scaled, configuration: dict[str, Any], policy_arn: str, known: list[str]
) -> list[dict[str, Any]]:
    """Return the alarms of a policy, as moto's CloudWatch takes them.

    Args:
        target: What is scaled.
        configuration: TargetTrackingScalingPolicyConfiguration.
        policy_arn: What they run.
        known: Names of those that the policy has: it keeps them.
    """
    metric, target_value = metric_of(target, configuration), configuration["TargetValue"]
    shared = {
        **metric,
        "alarm_actions": [policy_arn],
        "description": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy_arn}.",
    }
    high = {
        "name": _name(target, HIGH, known),
        "comparison_operator": "GreaterThanThreshold",
        "threshold": target_value,
        "evaluation_periods": _NUM_PERIODS_OUT,
    }
    low = {
        "name": _name(target, LOW, known),
        "comparison_operator": "LessThanThreshold",
        "threshold": round(target_value * _SCALE_IN_BELOW, 12),
        "evaluation_periods": SCALE_IN_AFTER_S // metric["period"],
    }
    return [shared | each for each in ([high] if configuration["DisableScaleIn"] else [high, low])]


def _customized(given: dict[str, Any]) -> dict[str, Any]:
    for member in ("Namespace", "MetricName", "Statistic"):
        if member not in given:
            raise validation_error(f"{member} is required for a customized metric.")
    return {
        "namespace": given["Namespace"],
        "metric_name": given["MetricName"],
        "statistic": given["Statistic"],
        "period": 60,
        "unit": given.get("Unit"),
        "dimensions": given.get("Dimensions", []),
    }


def _name(target: Scaled, role: str, known: list[str]) -> str:
    fresh = f"TargetTracking-{target.resource_id}-{role}-{uuid.uuid4()}"
    return next((name for name in known if f"-{role}-" in name), fresh)
