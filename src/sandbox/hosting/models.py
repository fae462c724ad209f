"""Models: an image, where its files are, and its environment."""

from __future__ import annotations

import time
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of

KIND = "model"
MAX_ENVIRONMENT_ENTRIES = (
    16  # botocore's model says 100; the service refuses more than 16 (facts in the docs)
)


@operation("CreateModel")
def create_model(call: Call) -> dict[str, Any]:
    request = call.request
    containers = (
        [request["PrimaryContainer"]] if "PrimaryContainer" in request else request.get("Containers", [])
    )
    if not containers or ("PrimaryContainer" in request and request.get("Containers")):
        raise validation_error("Either PrimaryContainer or Containers must be provided.")
    if "ExecutionRoleArn" not in request:
        raise validation_error("ExecutionRoleArn is required to create a model with a container.")
    name = request["ModelName"]
    record = {
        **request,
        "ModelArn": call.arn(KIND, name),
        "CreationTime": time.time(),
        "_tags": tags_of(call),
    }
    record.pop("Tags", None)
    if not call.context.resources.add(KIND, call.region, name, record):
        raise validation_error(f'Cannot create already existing model "{record["ModelArn"]}".')
    return {"ModelArn": record["ModelArn"]}


@operation("DescribeModel")
def describe_model(call: Call) -> dict[str, Any]:
    return only_members(call.operation, _found(call))


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
    _found(call)
    call.context.resources.remove(KIND, call.region, call.request["ModelName"])
    return {}


def _found(call: Call) -> dict[str, Any]:
    name = call.request["ModelName"]
    record = call.context.resources.get(KIND, call.region, name)
    if record is None:
        raise validation_error(f'Could not find model "{call.arn(KIND, name)}".')
    return record
