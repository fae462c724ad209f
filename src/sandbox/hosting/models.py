"""Models: an image, where its files are, and its environment."""

from __future__ import annotations

import time
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation, require
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of

KIND = "model"
MAX_ENVIRONMENT_BYTES = 32 * 1024


@operation("CreateModel")
def create_model(call: Call) -> dict[str, Any]:
    request = call.request
    containers = _containers(request)
    for container in containers:
        _check_container(container)
    _check_together(containers)
    if "ExecutionRoleArn" not in request:
        raise validation_error("ExecutionRoleArn is required to create a model with a container.")
    name = request["ModelName"]
    record = {
        "EnableNetworkIsolation": False,
        **request,
        "ModelArn": call.arn(KIND, name),
        "CreationTime": time.time(),
        "_tags": tags_of(call),
    }
    for container in containers:
        container.setdefault("Mode", "SingleModel")
    record.pop("Tags", None)
    if not call.context.resources.add(KIND, call.region, name, record):
        raise validation_error(f'Cannot create already existing model "{record["ModelArn"]}".')
    return {"ModelArn": record["ModelArn"]}


@operation("DescribeModel")
def describe_model(call: Call) -> dict[str, Any]:
    return only_members(call.operation, _record(call))


@operation("ListModels")
def list_models(call: Call) -> dict[str, Any]:
    return list_records(
        call,
        call.context.resources.all(KIND, call.region),
        answer_key="Models",
        name_key="ModelName",
        summary=lambda record: {key: record[key] for key in ("ModelName", "ModelArn", "CreationTime")},
    )


@operation("DeleteModel")
def delete_model(call: Call) -> dict[str, Any]:
    """Delete a model, even one that an endpoint uses: AWS allows it, and the endpoint goes on serving."""
    _record(call)
    call.context.resources.remove(KIND, call.region, call.request["ModelName"])
    return {}


def _containers(request: dict[str, Any]) -> list[dict[str, Any]]:
    primary, others = request.get("PrimaryContainer"), request.get("Containers", [])
    if bool(others) == (primary is not None):
        raise validation_error("Provide either PrimaryContainer or Containers, and not both.")
    return others or [primary]


def _check_container(container: dict[str, Any]) -> None:
    """Make sure that a container says what to run, and where its files are at most once.

    Source: API reference, ContainerDefinition and S3ModelDataSource. The wording is ours.
    """
    if "Image" not in container:
        raise validation_error("A container needs an Image or a ModelPackageName.")
    if "ModelDataUrl" in container and "ModelDataSource" in container:
        raise validation_error("A container has ModelDataUrl or ModelDataSource, not both.")
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    is_prefix = source.get("S3DataType") == "S3Prefix"
    if is_prefix and not source["S3Uri"].endswith("/"):
        raise validation_error(f"S3Uri {source['S3Uri']} with S3DataType S3Prefix must end with a slash (/).")
    if is_prefix and source["CompressionType"] != "None":
        raise validation_error("S3DataType S3Prefix goes only with CompressionType None.")


def _check_together(containers: list[dict[str, Any]]) -> None:
    """Make sure of what holds for all containers of a model; source and wording as above."""
    num_bytes = sum(
        len(f"{name}{value}".encode())
        for container in containers
        for name, value in container.get("Environment", {}).items()
    )
    if num_bytes > MAX_ENVIRONMENT_BYTES:
        raise validation_error(
            f"Environment is too large: {num_bytes} bytes of names and values in all containers, the limit is"
            f" {MAX_ENVIRONMENT_BYTES}."
        )
    names = [container["ContainerHostname"] for container in containers if "ContainerHostname" in container]
    if len(containers) > 1 and names and len(set(names)) < len(containers):
        raise validation_error(
            "ContainerHostname must be given for every container of a model, or for none, once."
        )


def _record(call: Call) -> dict[str, Any]:
    return require(call, KIND, call.request["ModelName"], what="model")
