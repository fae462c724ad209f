"""Endpoints: their records, and the calls that create, describe, list and delete them."""

from __future__ import annotations

import threading
import time
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.faults import LATER
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, found, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.hosting.deployment import variants_of
from sandbox.hosting.endpoint_configs import found_config
from sandbox.hosting.endpoint_states import (
    KIND,
    begin_deletion,
    end_all,
    forget,
    recover,
    remember,
    running,
    serving,
    set_status,
)
from sandbox.hosting.endpoint_summary import pending_summary, variant_summaries
from sandbox.hosting.running_endpoint import RunningEndpoint
from sandbox.hosting.running_variant import STOP_GRACE_S

__all__ = ["KIND", "end_all", "recover", "running", "serving"]


@operation("CreateEndpoint")
def create_endpoint(call: Call) -> dict[str, Any]:
    name, region, context = call.request["EndpointName"], call.region, call.context
    variants = variants_of(call, found_config(call, call.request["EndpointConfigName"]))
    now_s = time.time()
    record = {
        "EndpointName": name,
        "EndpointArn": call.arn(KIND, name),
        "EndpointConfigName": call.request["EndpointConfigName"],
        "EndpointStatus": "Creating",
        "LastDeploymentConfig": call.request.get("DeploymentConfig"),
        "CreationTime": now_s,
        "LastModifiedTime": now_s,
        "_tags": tags_of(call),
    }
    if not context.resources.add(KIND, region, name, record):
        raise validation_error(f'Cannot create already existing endpoint "{record["EndpointArn"]}".')
    fault = context.faults.take(call.operation, *LATER)
    endpoint = RunningEndpoint(context, region=region, name=name, variants=variants, fault=fault)
    remember(endpoint)

    def conclude(reason: str | None) -> None:
        if reason is None:
            set_status(context, region, name, "InService")
        else:
            forget(endpoint)
            set_status(context, region, name, "Failed", FailureReason=reason)

    endpoint.create(conclude)
    return {"EndpointArn": record["EndpointArn"]}


@operation("DescribeEndpoint")
def describe_endpoint(call: Call) -> dict[str, Any]:
    record = found(call, KIND, call.request["EndpointName"], what="endpoint")
    endpoint = serving(call.region, record["EndpointName"])
    # Nothing is deployed by one that has failed.
    record["ProductionVariants"] = variant_summaries(endpoint.variants.values()) if endpoint else None
    record["PendingDeploymentSummary"] = pending_summary(endpoint.update) if endpoint else None
    return only_members(call.operation, record)


@operation("ListEndpoints")
def list_endpoints(call: Call) -> dict[str, Any]:
    keys = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
    return list_records(
        call,
        call.context.resources.all(KIND, call.region),
        answer_key="Endpoints",
        name_key="EndpointName",
        summary=lambda record: {key: record[key] for key in keys},
        equals={"StatusEquals": "EndpointStatus"},
        sort_keys={"Status": "EndpointStatus"},
    )


@operation("DeleteEndpoint")
def delete_endpoint(call: Call) -> dict[str, Any]:
    name, region, context = call.request["EndpointName"], call.region, call.context
    endpoint = begin_deletion(context, region, name)
    if endpoint:
        endpoint.is_in_service = False

    def remove() -> None:
        if endpoint:
            endpoint.stop(STOP_GRACE_S)
            forget(endpoint)
        context.resources.remove(KIND, region, name)

    threading.Thread(target=remove, name=f"delete {name}", daemon=True).start()
    return {}
