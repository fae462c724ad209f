"""Endpoint configurations: which models run on which instances."""

from __future__ import annotations

import sys
import time
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation, require
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.hosting.data_capture import check_capture

KIND = "endpoint-config"


@operation("CreateEndpointConfig")
def create_endpoint_config(call: Call) -> dict[str, Any]:
    request = call.request
    variants = request["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) < len(names):
        raise validation_error("Production variant names must be unique.")
    if len({"ModelName" in variant for variant in variants}) > 1:
        raise validation_error("Either every production variant has a ModelName, or none has.")
    for variant in variants:
        _check_variant(call, variant)
        variant.setdefault("InitialVariantWeight", 1.0)
    check_capture(request.get("DataCaptureConfig"))
    name = request["EndpointConfigName"]
    record = {
        "EnableNetworkIsolation": False,
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
    return only_members(call.operation, require_config(call, call.request["EndpointConfigName"]))


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
    require_config(call, call.request["EndpointConfigName"])
    call.context.resources.remove(KIND, call.region, call.request["EndpointConfigName"])
    return {}


def _check_variant(call: Call, variant: dict[str, Any]) -> None:
    """Make sure that a variant has a model that exists, and something to run it on.

    Source: API reference, ProductionVariant. The wording is ours but for the model that is not there.
    """
    name = variant["VariantName"]
    if "ModelName" in variant:
        require(call, "model", variant["ModelName"], what="model")
    elif "ExecutionRoleArn" not in call.request:
        raise validation_error("ExecutionRoleArn is required when a production variant has no ModelName.")
    if "InstanceType" not in variant:
        raise validation_error(f"Variant {name} needs an InstanceType.")
    if "InitialInstanceCount" not in variant:
        raise validation_error(f"Variant {name} needs an InitialInstanceCount.")
    scaling = variant.get("ManagedInstanceScaling", {})
    if scaling.get("MinInstanceCount", 0) > scaling.get("MaxInstanceCount", sys.maxsize):
        raise validation_error(f"Variant {name} has a MinInstanceCount above its MaxInstanceCount.")


def require_config(call: Call, name: str) -> dict[str, Any]:
    """Return the record of an endpoint configuration.

    Raises:
        AwsError: There is none of this name.
    """
    return require(call, KIND, name, what="endpoint configuration")
