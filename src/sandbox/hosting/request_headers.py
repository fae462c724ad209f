"""The headers of an invocation: checked by botocore's model of the runtime, and handed to the container."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sandbox.api import fields
from sandbox.api.errors import AwsError
from sandbox.api.patterns import compiled
from sandbox.api.service_model import service_model

_SERVICE = "sagemaker-runtime"
_OF_SAGEMAKER = "HTTP_X_AMZN_SAGEMAKER_"


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What an invocation says beside its body.

    Args:
        target_variant: Variant that has to answer, None for any.
        component: Inference component that has to answer, None on an endpoint whose variants have models.
        headers: Headers for the container.
        path: Of the container.
    """

    target_variant: str | None
    component: str | None
    headers: dict[str, str]
    path: str = "/invocations"


def checked_invocation(operation: str, environ: dict[str, Any]) -> Invocation:
    """Return what the headers of a request say.

    Raises:
        AwsError: ValidationError for a value that AWS's model does not allow, or that the sandbox cannot do.
    """
    given: dict[str, str] = {}
    refused = []
    for key, (member, shape) in _header_members(operation).items():
        value = environ.get(key)
        if not value:
            continue
        problem = _problem(shape, value)
        if problem:
            name = member[:1].lower() + member[1:]
            raise AwsError(
                "ValidationError",
                f"1 validation error detected: Value at '{name}' failed to satisfy constraint: {problem}",
            )
        given[member] = value
        if why := fields.refused_value(_SERVICE, _input_shape(operation).name, member, value):
            refused.append(f"{member}: {why}")
    for key in environ.keys() - _header_members(operation).keys():
        if key.startswith(_OF_SAGEMAKER):
            name = key.removeprefix("HTTP_").replace("_", "-").title()
            refused.append(f"the header {name}: {fields.UNKNOWN}")
    if refused:
        raise AwsError("ValidationError", fields.refusal(refused))
    headers = {
        "Content-Type": given.get("ContentType", "application/octet-stream"),
        "Accept": given.get("Accept"),
        "X-Amzn-SageMaker-Custom-Attributes": given.get("CustomAttributes"),
        "X-Amzn-SageMaker-Inference-Id": given.get("InferenceId"),
    }
    return Invocation(
        target_variant=given.get("TargetVariant"),
        component=given.get("InferenceComponentName"),
        headers={name: value for name, value in headers.items() if value is not None},
    )


@cache
def _header_members(operation: str) -> dict[str, tuple[str, Any]]:
    """Return WSGI variable -> (member, shape) of the operation's headers."""
    found = {}
    for member, shape in _input_shape(operation).members.items():
        if shape.serialization.get("location") == "header":
            key = shape.serialization["name"].upper().replace("-", "_")
            found[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = (member, shape)
    return found


def _input_shape(operation: str) -> Any:
    return service_model(_SERVICE).operation_model(operation).input_shape


def _problem(shape: Any, value: str) -> str | None:
    limits = shape.metadata
    if len(value) > limits.get("max", len(value)):
        return f"Member must have length less than or equal to {limits['max']}"
    pattern = limits.get("pattern")
    if pattern and not compiled(pattern).fullmatch(value):
        return f"Member must satisfy regular expression pattern: {pattern}"
    return None
