"""Models: an image, where its files are, and its environment, or a model package that says so."""

from __future__ import annotations

import time
from typing import Any

from sandbox import own_images
from sandbox.api.errors import validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation, require
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.base_images import MANIFEST_TYPE
from sandbox.hosting.model_source import RESOLVED, check_source
from sandbox.model_registry.specification import containers_for_model

KIND = "model"
MAX_ENVIRONMENT_BYTES = 32 * 1024


@operation("CreateModel")
def create_model(call: Call) -> dict[str, Any]:
    request = call.request
    containers = _containers(request)
    resolved = [each for container in containers for each in _resolved(call, container)]
    _check_together(resolved)
    for each in resolved:
        _check_image(each["Image"])
    if "ExecutionRoleArn" not in request:
        raise validation_error("ExecutionRoleArn is required to create a model with a container.")
    name = request["ModelName"]
    record = {
        "EnableNetworkIsolation": False,
        **request,
        "ModelArn": call.arn(KIND, name),
        "CreationTime": time.time(),
        "_tags": tags_of(call),
        RESOLVED: resolved,
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


def _resolved(call: Call, container: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a container definition stands for: itself, or the containers of its model package.

    Raises:
        AwsError: It does not say what to run, or says it twice; or the package can not be deployed.
    """
    if "ModelPackageName" in container:
        for member in ("Image", "ModelDataUrl", "ModelDataSource"):
            if member in container:
                raise validation_error(f"A container with a ModelPackageName can not have {member}.")
        return containers_for_model(call, container)
    if "Image" not in container:
        raise validation_error("A container needs an Image or a ModelPackageName.")
    if "InferenceSpecificationName" in container:
        raise validation_error("InferenceSpecificationName goes only with a ModelPackageName.")
    check_source(container)
    return [container]


def _check_image(image: str) -> None:
    """Make sure that an image of one's own registry is there, with a manifest that SageMaker takes.

    Raises:
        AwsError: It is not; in AWS's words (aws-samples/easy-amazon-sagemaker-deployments#4;
            aws/amazon-sagemaker-feedback#180, moby/buildkit#5480: Docker's manifest, none of OCI's).
    """
    try:
        found = own_images.look_up(image)
    except own_images.ImageNotFoundError:
        raise validation_error(f"Requested image {image} not found.") from None
    if found.manifest_type not in ("", MANIFEST_TYPE):
        raise validation_error(
            f"Unsupported manifest media type {found.manifest_type} for image {image}. Ensure that valid"
            " manifest media type is used for specified image."
        )


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
