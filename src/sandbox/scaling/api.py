"""Application Auto Scaling: its operations, its namespace and its pages."""

from __future__ import annotations

import base64
import json
from typing import Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import Call, Service

NAMESPACE = "sagemaker"
# The most that a page may have, and what it has when nothing is asked for. botocore's model has no limits for
# it, the texts in it do; a test compares.
MAX_RESULTS = {"DescribeScalableTargets": 50, "DescribeScalingActivities": 50, "DescribeScalingPolicies": 10}


def _check_namespace(call: Call) -> None:
    namespace = call.request.get("ServiceNamespace", NAMESPACE)
    if namespace != NAMESPACE:
        raise validation_error(
            f"The sandbox scales nothing of the service namespace {namespace}; it has {NAMESPACE} only"
            " (src/sandbox/README.md)."
        )


AUTO_SCALING = Service(
    name="application-autoscaling",
    title="Application Auto Scaling",
    target="AnyScaleFrontendService",
    check=_check_namespace,
)
operation = AUTO_SCALING.operation


def check_dimension(call: Call, member: str) -> None:
    """Make sure that who filters by a dimension names a resource, too.

    Args:
        call: A call that describes something.
        member: That names resources: ResourceId or ResourceIds.

    Raises:
        AwsError: ValidationException.
    """
    if "ScalableDimension" in call.request and not call.request.get(member):
        raise validation_error(f"{member} must be specified when ScalableDimension is specified")


def page(call: Call, items: list[dict[str, Any]], answer_key: str) -> dict[str, Any]:
    """Return the page of a list that a request asks for.

    Raises:
        AwsError: InvalidNextTokenException, or ValidationException for MaxResults out of range.
    """
    start, limit = 0, MAX_RESULTS[call.operation]
    size = call.request.get("MaxResults", limit)
    if not 1 <= size <= limit:
        raise validation_error(f"MaxResults must be between 1 and {limit}, not {size}.")
    if "NextToken" in call.request:
        try:
            operation_name, start = json.loads(base64.urlsafe_b64decode(call.request["NextToken"]))
        except (ValueError, TypeError):
            operation_name = None
        if operation_name != call.operation:
            raise AwsError("InvalidNextTokenException", "Invalid NextToken: it is not of this list.")
    end = start + size
    answer: dict[str, Any] = {answer_key: items[start:end]}
    if len(items) > end:
        answer["NextToken"] = base64.urlsafe_b64encode(json.dumps([call.operation, end]).encode()).decode()
    return answer
