"""Endpoints: their records, and the calls that create, describe, list and delete them."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import validation_error
from sandbox.api.faults import LATER
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, found, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.hosting.deployment import Variant, variants_of
from sandbox.hosting.endpoint_configs import found_config
from sandbox.hosting.instance import remove_scratch
from sandbox.hosting.preloaded import preloaded_parent
from sandbox.hosting.running_endpoint import STOP_GRACE_S, RunningEndpoint

if TYPE_CHECKING:
    from sandbox.context import Context

KIND = "endpoint"
ENDED_REASON = "The sandbox that ran this endpoint ended; delete the endpoint and create it again."
END_GRACE_S = 10.0  # of all endpoints together, when the sandbox itself ends
_LIVING = ("Creating", "InService")

# A process is one sandbox: what it runs is known to it alone.
_running: dict[tuple[str, str], RunningEndpoint] = {}
_running_lock = threading.Lock()


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
    with _running_lock:
        _running[region, name] = endpoint

    def conclude(reason: str | None) -> None:
        if reason is None:
            _change(
                context, region, name, "InService", ProductionVariants=[_summary(each) for each in variants]
            )
        else:
            _forget(region, name)
            _change(context, region, name, "Failed", FailureReason=reason)

    endpoint.create(conclude)
    return {"EndpointArn": record["EndpointArn"]}


@operation("DescribeEndpoint")
def describe_endpoint(call: Call) -> dict[str, Any]:
    return only_members(call.operation, _found(call))


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
    record = _found(call)
    if record["EndpointStatus"] not in ("InService", "Failed"):
        raise validation_error(f'Cannot update in-progress endpoint "{record["EndpointArn"]}".')
    name, region, context = record["EndpointName"], call.region, call.context
    _change(context, region, name, "Deleting")
    endpoint = _forget(region, name)

    def remove() -> None:
        if endpoint:
            endpoint.stop(STOP_GRACE_S)
        context.resources.remove(KIND, region, name)

    threading.Thread(target=remove, name=f"delete {name}", daemon=True).start()
    return {}


def serving(region: str, name: str) -> RunningEndpoint | None:
    """Return the endpoint that answers invocations under a name, or None."""
    endpoint = _running.get((region, name))
    return endpoint if endpoint and endpoint.is_in_service else None


def recover(context: Context) -> None:
    """Say of the endpoints of the sandbox that ran before on this home that they ended with it."""
    folder = context.home / "endpoints"
    remove_scratch(folder)
    shutil.rmtree(folder, ignore_errors=True)
    for record in context.resources.all(KIND):
        name, region = record["EndpointName"], record["_region"]
        if record["EndpointStatus"] in _LIVING:
            _change(context, region, name, "Failed", FailureReason=ENDED_REASON)
        elif record["EndpointStatus"] == "Deleting":
            context.resources.remove(KIND, region, name)


def end_all(context: Context) -> None:
    """End every server process, because the sandbox ends."""
    with _running_lock:
        ending = list(_running.values())
        _running.clear()
    for endpoint in ending:
        endpoint.terminate()
    deadline_s = time.monotonic() + END_GRACE_S
    for endpoint in ending:
        endpoint.stop(max(deadline_s - time.monotonic(), 0.01))
    preloaded_parent.end()
    recover(context)


def _found(call: Call) -> dict[str, Any]:
    return found(call, KIND, call.request["EndpointName"], what="endpoint")


def _forget(region: str, name: str) -> RunningEndpoint | None:
    with _running_lock:
        return _running.pop((region, name), None)


def _change(context: Context, region: str, name: str, status: str, **members: Any) -> None:
    with context.resources.change(KIND, region, name) as record:
        if status == "Failed":
            record.pop("ProductionVariants", None)  # nothing is deployed any more
        record.update(EndpointStatus=status, LastModifiedTime=time.time(), **members)


def _summary(variant: Variant) -> dict[str, Any]:
    """Return AWS's ProductionVariantSummary."""
    image = {"SpecifiedImage": variant.image, "ResolvedImage": variant.image, "ResolutionTime": time.time()}
    return {
        "VariantName": variant.name,
        "DeployedImages": [image],
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": variant.num_instances,
        "DesiredInstanceCount": variant.num_instances,
    }
