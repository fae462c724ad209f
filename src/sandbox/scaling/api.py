"""Application Auto Scaling's protocol: which operations there are, and how a call reaches its function."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from sandbox.api import service_model
from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import Call, Implementation, registrar

if TYPE_CHECKING:
    from sandbox.context import Context

SERVICE = "application-autoscaling"
TARGET = "AnyScaleFrontendService"
NAMESPACE = "sagemaker"
_MAX_RESULTS = 50

OPERATIONS: dict[str, Implementation] = {}
"""By name; sandbox.operations imports the modules that fill it."""
operation = registrar(OPERATIONS)


def dispatch(name: str, request: Any, *, region: str, context: Context) -> dict[str, Any]:
    """Run an operation and return its checked answer.

    Raises:
        AwsError: As AWS would; 400 UnknownOperationException for what is not implemented here.
    """
    if name not in service_model.operation_names(SERVICE):
        raise AwsError("UnknownOperationException", f"Application Auto Scaling has no operation {name}.")
    function = OPERATIONS.get(name)
    if function is None:
        raise AwsError(
            "UnknownOperationException",
            f"The sandbox does not implement {name} of {SERVICE}. What it implements is listed in"
            " src/sandbox/README.md; use an AWS account (a mode other than sample) for the rest.",
        )
    request = service_model.check_request(name, request, SERVICE)
    _check_namespace(request)
    answer = function(Call(operation=name, request=request, region=region, context=context))
    return service_model.check_answer(name, answer, SERVICE)


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


def _check_namespace(request: dict[str, Any]) -> None:
    namespace = request.get("ServiceNamespace", NAMESPACE)
    if namespace != NAMESPACE:
        raise validation_error(
            f"The sandbox scales nothing of the service namespace {namespace}; it has {NAMESPACE} only"
            " (src/sandbox/README.md)."
        )
