"""The headers of an invocation: checked by botocore's model of the runtime, and handed to the container."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sandbox.api.errors import AwsError
from sandbox.api.patterns import compiled
from sandbox.api.service_model import service_model

# Parts of an invocation that the sandbox does not have; answered with their names.
_NOT_IMPLEMENTED = (
    "EnableExplanations",
    "SessionId",
    "TargetContainerHostname",
    "TargetModel",
)


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
    given = {}
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
    for member in _NOT_IMPLEMENTED:
        if member in given:
            raise AwsError("ValidationError", f"The sandbox does not implement {member}.")
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
    members = service_model("sagemaker-runtime").operation_model(operation).input_shape.members
    found = {}
    for member, shape in members.items():
        if shape.serialization.get("location") == "header":
            key = shape.serialization["name"].upper().replace("-", "_")
            found[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = (member, shape)
    return found


def _problem(shape: Any, value: str) -> str | None:
    limits = shape.metadata
    if len(value) > limits.get("max", len(value)):
        return f"Member must have length less than or equal to {limits['max']}"
    pattern = limits.get("pattern")
    if pattern and not compiled(pattern).fullmatch(value):
        return f"Member must satisfy regular expression pattern: {pattern}"
    return None
