"""Requests that botocore's model allows, made from it."""

from __future__ import annotations

import base64
from typing import Any

from sandbox import docs
from sandbox.api import fields
from sandbox.api.constraints import violations
from sandbox.api.service_model import service_model

SERVICES = tuple(dict.fromkeys(service for service, _ in docs.implemented()))
# Of these one fits every pattern of a member that is required or refused.
TEXTS = (
    "a",
    "1",
    "s3://b/c/",
    "https://b/c",
    "arn:aws:iam::000000000000:role/r",
    "arn:aws:sagemaker:us-east-1:000000000000:pipeline/p/execution/e",
    "0123456789abcdef0123456789abcdef",
    "arn:aws:kms:us-east-1:000000000000:key/k",
    "arn:aws:sagemaker:us-east-1:000000000000:training-plan/p",
    "arn:aws:sagemaker:us-east-1:000000000000:hub-content/h/Model/m/1",
    "arn:aws:sagemaker:us-east-1:aws:hub-content/h/Model/m/1.0.0",
    "arn:aws:sagemaker:us-east-1:000000000000:model-package-group/g",
    "arn:aws:sagemaker:us-east-1:000000000000:mlflow-tracking-server/m",
    "arn:aws:sagemaker:us-east-1:000000000000:mlflow-app/app-M",
    "arn:aws:sagemaker:us-east-1:000000000000:evaluator/e",
    "arn:aws:sagemaker:us-east-1:000000000000:ml-reservation/m",
    "arn:aws:sns:us-east-1:000000000000:t",
    "arn:aws:lambda:us-east-1:000000000000:function:f",
    "fs-0123456789abcdef0",
    "d-0123456789ab",
    "text/csv",
    "application/json",
    "arn:aws:sagemaker:us-east-1:000000000000:hub-content/h/DataSet/d/1.0.0",
    "arn:aws:sagemaker:us-east-1:000000000000:model-package/g/1",
    "arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/t",
    "mig-1g.5gb",
    "/metrics",
    "4K",
    f"sha256:{'0' * 64}",
    "1.0.0",
    "arn:aws:secretsmanager:us-east-1:000000000000:secret:s",
    "abc.def",
)


def example(shape: Any, *, is_whole: bool) -> Any:
    """Return a value that botocore's model allows: with all members, or with those that are required."""
    match shape.type_name:
        case "structure":
            names = list(shape.members)[: 1 if shape.is_tagged_union else None]
            names = names if is_whole else shape.required_members
            return {name: example_of(shape, name, is_whole=is_whole) for name in names}
        case "list":
            return [example(shape.member, is_whole=is_whole)] * max(shape.metadata.get("min", 1), 1)
        case "map":
            key = example(shape.key, is_whole=is_whole)
            return {key: example(shape.value, is_whole=is_whole)}
        case "string":
            texts = (*shape.metadata.get("enum", ()), *TEXTS)
            found = next((text for text in texts if not any(violations(shape, text))), None)
            assert found is not None, f"no text for {shape.name}: {shape.metadata}"
            return found
        case "boolean":
            return True
        case "blob":
            return base64.b64encode(b"a").decode()
        case "timestamp":
            return 0
        case kind:
            least = max(shape.metadata.get("min", 2), 2)
            return float(least) if kind in ("float", "double") else int(least)


def example_of(structure: Any, member: str, *, is_whole: bool) -> Any:
    """Return a value of a structure's member, one that is done where not all are."""
    shape = structure.members[member]
    for service in SERVICES:
        if values := fields.structure(service, structure.name).only.get(member):
            return [values[0]] if shape.type_name == "list" else values[0]
    return example(shape, is_whole=is_whole)


def request_with(service: str, operation: str, path: str, value: Any = None) -> dict[str, Any]:
    """Return a request with what is required and a field, whole or of a value, with what is above it."""
    shape = service_model(service).operation_model(operation).input_shape
    request = example(shape, is_whole=False)
    put(request, shape, path, value)
    return request


def put(request: dict[str, Any], shape: Any, path: str, value: Any = None) -> None:
    """Give a request a field, with what is required above it."""
    *above, last = path.split(".")
    for name in above:
        shape = shape.members[name]
        request = request.setdefault(name, example(shape, is_whole=False))
        while shape.type_name == "list":
            shape, request = shape.member, request[0]
    request[last] = example_of(shape, last, is_whole=True) if value is None else value


def at(described: Any, path: str) -> Any:
    """Return the value of a field in a description; of a list its first entry's."""
    for name in path.split("."):
        described = (described[0] if isinstance(described, list) else described)[name]
    return described
