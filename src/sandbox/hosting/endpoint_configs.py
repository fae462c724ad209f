"""Endpoint configurations: which models run on which instances."""

from __future__ import annotations

import time
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of

KIND = "endpoint-config"


@operation("CreateEndpointConfig")
def create_endpoint_config(call: Call) -> dict[str, Any]:
    request = call.request
    variants = request["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        raise validation_error("Production variant names must be unique.")
    for variant in variants:
        if "ModelName" in variant:
            if not call.context.resources.get("model", call.region, variant["ModelName"]):
                raise validation_error(f'Could not find model "{call.arn("model", variant["ModelName"])}".')
        elif "ExecutionRoleArn" not in request:
            raise validation_error("ExecutionRoleArn is required when a production variant has no ModelName.")
    name = request["EndpointConfigName"]
    record = {
        **request,
        "EndpointConfigArn": call.arn(KIND, name),
        "CreationTime": time.time(),
        "_tags": tags_of(call),
    }
    record.pop("Tags", None)
    if not call.context.resources.add(KIND, call.region, name, record):
        raise validation_error(
            f'Cannot create already existing endpoint configuration "{record["EndpointConfigArn"]}".'
        )
    return {"EndpointConfigArn": record["EndpointConfigArn"]}


@operation("DescribeEndpointConfig")
def describe_endpoint_config(call: Call) -> dict[str, Any]:
    return only_members(call.operation, found_config(call, call.request["EndpointConfigName"]))


@operation("ListEndpointConfigs")
def list_endpoint_configs(call: Call) -> dict[str, Any]:
    keys = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")
    return list_records(
        call,
        call.context.resources.all(KIND, call.region),
        answer_key="EndpointConfigs",
        name_key="EndpointConfigName",
        summary=lambda record: {key: record[key] for key in keys},
    )


@operation("DeleteEndpointConfig")
def delete_endpoint_config(call: Call) -> dict[str, Any]:
    found_config(call, call.request["EndpointConfigName"])
    call.context.resources.remove(KIND, call.region, call.request["EndpointConfigName"])
    return {}


def found_config(call: Call, name: str) -> dict[str, Any]:
    """Return the record of an endpoint configuration.

    Raises:
        AwsError: There is none of this name.
    """
    record = call.context.resources.get(KIND, call.region, name)
    if record is None:
        raise validation_error(f'Could not find endpoint configuration "{call.arn(KIND, name)}".')
    return record
