"""Endpoints: their records, and the calls that create, describe, list, update and delete them."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
import traceback
from collections.abc import Iterable
from functools import partial
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.faults import LATER
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, found, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.hosting.deployment_policy import DeploymentPolicy, endpoint_policy
from sandbox.hosting.endpoint_configs import found_config
from sandbox.hosting.endpoint_states import (
    KIND,
    begin_change,
    begin_deletion,
    end_all,
    forget,
    recover,
    remember,
    running,
    serving,
    set_status,
)
from sandbox.hosting.errors import INTERNAL, DeploymentFailedError, RollbackFailedError
from sandbox.hosting.lifecycle import begin_moves, end_moves
from sandbox.hosting.pool import STOP_GRACE_S
from sandbox.hosting.rollout import rollout_of
from sandbox.hosting.running_component import RunningComponent
from sandbox.hosting.running_endpoint import PendingUpdate, RunningEndpoint, RunningVariant
from sandbox.hosting.specs import Variant, not_implemented, variants_of

_MAX_REASON_CHARACTERS = 1024

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


@operation("UpdateEndpoint")
def update_endpoint(call: Call) -> dict[str, Any]:
    request, region, context = call.request, call.region, call.context
    name, config_name = request["EndpointName"], request["EndpointConfigName"]
    record = found(call, KIND, name, what="endpoint")
    variants = variants_of(call, found_config(call, config_name))
    # AWS reads the configuration in service, too: an update is refused after that one was deleted.
    # Source: github.com/hashicorp/terraform-provider-aws/issues/40048.
    found_config(call, record["EndpointConfigName"])
    endpoint = serving(region, name)
    config = request.get("DeploymentConfig")
    members = {"LastDeploymentConfig": config} if config else {}
    if not config and request.get("RetainDeploymentConfig"):
        config = record.get("LastDeploymentConfig")
    policy = DeploymentPolicy()
    if endpoint:  # else begin_change says what is wrong
        variants = _retained(request, variants, endpoint)
        policy = endpoint_policy(config, old=[each.spec for each in endpoint.variants.values()], new=variants)
        _check_kind(endpoint, variants, policy)
    endpoint = begin_change(context, region, name, **members)
    try:
        moving = begin_moves(context, region, name)
    except BaseException:
        set_status(context, region, name, record["EndpointStatus"])
        raise
    try:
        take_fault = partial(context.faults.take, call.operation, *LATER)
        rollout = rollout_of(endpoint, variants, policy, moving, take_fault=take_fault)
        endpoint.update = PendingUpdate(config_name=config_name, variants=variants, rollout=rollout)
        threading.Thread(
            target=_carry_out, args=(call, endpoint, moving), name=f"update {name}", daemon=True
        ).start()
    except BaseException:
        end_moves(context, moving)
        set_status(context, region, name, record["EndpointStatus"])
        raise
    return {"EndpointArn": record["EndpointArn"]}


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


def _carry_out(call: Call, endpoint: RunningEndpoint, moving: Iterable[RunningComponent]) -> None:
    """Update an endpoint, and say in its record how that ended."""
    context, region, name = call.context, endpoint.region, endpoint.name
    update = endpoint.update
    members: dict[str, Any] = {}
    status = "InService"
    try:
        update.rollout.run(lambda: set_status(context, region, name, "RollingBack"))
        members["EndpointConfigName"] = update.config_name
    except RollbackFailedError as failure:
        status, members["FailureReason"] = "UpdateRollbackFailed", str(failure)[:_MAX_REASON_CHARACTERS]
    except DeploymentFailedError as failure:
        members["FailureReason"] = str(failure)[:_MAX_REASON_CHARACTERS]
    except Exception:
        logging.getLogger("sandbox").error(traceback.format_exc())
        status, members["FailureReason"] = "UpdateRollbackFailed", INTERNAL
    endpoint.update = None
    if not endpoint.stopped.is_set():
        end_moves(context, moving)
        set_status(context, region, name, status, **members)


def _retained(request: dict[str, Any], variants: list[Variant], endpoint: RunningEndpoint) -> list[Variant]:
    """Return variants with the instance counts and weights of those in service, if that is asked for."""
    if not request.get("RetainAllVariantProperties"):
        return variants
    excluded = {each["VariantPropertyType"] for each in request.get("ExcludeRetainedVariantProperties", [])}
    retained = []
    for variant in variants:
        running, members = endpoint.variants.get(variant.name), {}
        if running and "DesiredInstanceCount" not in excluded:
            members["num_instances"] = running.num_instances_desired
        if running and "DesiredWeight" not in excluded:
            members["weight"] = running.desired_weight
        retained.append(dataclasses.replace(variant, **members))
    return retained


def _check_kind(endpoint: RunningEndpoint, variants: list[Variant], policy: DeploymentPolicy) -> None:
    """Make sure that an endpoint stays of its kind. The wording is ours.

    Raises:
        AwsError: It runs models and shall run inference components, or the other way; or the components
            would be replaced in steps.
    """
    had_models = all(running.machines is None for running in endpoint.variants.values())
    if had_models != all(variant.container is not None for variant in variants):
        raise validation_error(
            "An endpoint for inference components can not be updated to run models, nor the other way:"
            " create another endpoint."
        )
    if had_models:
        return
    if policy.batch or len(policy.shares) > 1:
        raise not_implemented("traffic in steps for an endpoint with inference components")
    if {variant.name for variant in variants} != set(endpoint.variants):
        raise validation_error("Variants of an endpoint for inference components keep their names.")


def variant_summaries(fleet: Iterable[RunningVariant]) -> list[dict[str, Any]]:
    """Return AWS's ProductionVariantSummary of each variant in service."""
    return [
        {
            **_of_configuration(running.spec, running.resolved_s),
            "CurrentWeight": running.weight,
            "DesiredWeight": running.desired_weight,
            "CurrentInstanceCount": running.num_instances,
            "DesiredInstanceCount": running.num_instances_desired,
        }
        for running in fleet
    ]


def pending_summary(update: PendingUpdate | None) -> dict[str, Any] | None:
    """Return AWS's PendingDeploymentSummary of the update that goes on, None without one."""
    if update is None:
        return None
    rollout = update.rollout
    status = {"Status": rollout.stage, "StartTime": rollout.stage_since_s}
    return {
        "EndpointConfigName": update.config_name,
        "StartTime": rollout.started_s,
        "ProductionVariants": [
            {
                **_of_configuration(variant, rollout.started_s),
                "InstanceType": variant.instance_type or None,
                "CurrentWeight": variant.weight,
                "DesiredWeight": variant.weight,
                "CurrentInstanceCount": rollout.num_arrived.get(variant.name, 0),
                "DesiredInstanceCount": variant.num_instances,
                "VariantStatus": [status],
            }
            for variant in update.variants
        ],
    }


def _of_configuration(variant: Variant, resolved_s: float) -> dict[str, Any]:
    image = variant.image if variant.container is not None else None
    deployed = {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": resolved_s}
    return {
        "VariantName": variant.name,
        "DeployedImages": [deployed] if image else None,
        "ManagedInstanceScaling": variant.managed_scaling or None,
        "RoutingConfig": variant.routing or None,
    }
