"""Application Auto Scaling: its operations, its namespace and its pages."""

from __future__ import annotations

import base64
import json
from typing import Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import Call, Service

NAMESPACE = "sagemaker"
_MAX_RESULTS = 50


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


def page(call: Call, items: list[dict[str, Any]], answer_key: str) -> dict[str, Any]:
    """Return the page of a list that a request asks for.

    Raises:
        AwsError: InvalidNextTokenException.
    """
    start = 0
    if "NextToken" in call.request:
        try:
            operation_name, start = json.loads(base64.urlsafe_b64decode(call.request["NextToken"]))
        except (ValueError, TypeError):
            operation_name = None
        if operation_name != call.operation:
            raise AwsError("InvalidNextTokenException", "Invalid NextToken: it is not of this list.")
    end = start + min(call.request.get("MaxResults", _MAX_RESULTS), _MAX_RESULTS)
    answer: dict[str, Any] = {answer_key: items[start:end]}
    if len(items) > end:
        answer["NextToken"] = base64.urlsafe_b64encode(json.dumps([call.operation, end]).encode()).decode()
    return answer
