"""Endpoints: their records, and the calls that create, describe, list, update and delete them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from sandbox.account.quotas import check_quota
from sandbox.api.errors import validation_error
from sandbox.api.faults import ASYNCHRONOUS
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation, require
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.hosting import lifecycle
from sandbox.hosting.capture_delivery import captures
from sandbox.hosting.deployment_policy import DeploymentPolicy, endpoint_policy
from sandbox.hosting.endpoint_configs import require_config
from sandbox.hosting.pool import STOP_GRACE_S
from sandbox.hosting.rollout import rollout_of
from sandbox.hosting.running_endpoint import PendingUpdate, RunningEndpoint, RunningVariant
from sandbox.hosting.specs import Variant, not_implemented, variants_of

KIND = lifecycle.endpoints.kind


@operation("CreateEndpoint")
def create_endpoint(call: Call) -> dict[str, Any]:
    name, region, context = call.request["EndpointName"], call.region, call.context
    variants = variants_of(call, require_config(call, call.request["EndpointConfigName"]))
    _check_quota(call, variants)
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
    fault = context.faults.take(call.operation, *ASYNCHRONOUS)
    endpoint = RunningEndpoint(context, region=region, name=name, variants=variants)
    lifecycle.endpoints.register(endpoint)
    lifecycle.endpoints.carry_out(context, endpoint, partial(endpoint.deploy, fault), is_creation=True)
    return {"EndpointArn": record["EndpointArn"]}


def _check_quota(call: Call, variants: Iterable[Variant]) -> None:
    """Make sure that the account may use the instances of new variants, beside those of other endpoints."""
    names = [each["EndpointName"] for each in call.context.resources.all(KIND, call.region)]
    running = [lifecycle.endpoints.serving(call.region, name) for name in names]
    for variant in variants:
        in_use = sum(
            max(each.num_desired, each.num_instances)
            for endpoint in running
            if endpoint
            for each in endpoint.variants.values()
            if each.spec.instance_type == variant.instance_type
        )
        check_quota(call, "endpoint", variant.instance_type, in_use=in_use, more=variant.num_instances)


@operation("DescribeEndpoint")
def describe_endpoint(call: Call) -> dict[str, Any]:
    record = require(call, KIND, call.request["EndpointName"], what="endpoint")
    return only_members(call.operation, described(call.region, record))


def described(region: str, record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with what runs of it."""
    endpoint = lifecycle.endpoints.serving(region, record["EndpointName"])
    # Nothing is deployed by one that has failed.
    record["ProductionVariants"] = _variant_summaries(endpoint.variants.values()) if endpoint else None
    record["DataCaptureConfig"] = _capture_summary(endpoint) if endpoint else None
    record["PendingDeploymentSummary"] = _pending_summary(endpoint.update) if endpoint else None
    return record


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
    record = require(call, KIND, name, what="endpoint")
    variants = variants_of(call, require_config(call, config_name))
    # AWS reads the configuration in service, too: an update is refused after that one was deleted.
    # Source: github.com/hashicorp/terraform-provider-aws/issues/40048.
    require_config(call, record["EndpointConfigName"])
    endpoint = lifecycle.endpoints.serving(region, name)
    config = request.get("DeploymentConfig")
    members = {"LastDeploymentConfig": config} if config else {}
    if not config and request.get("RetainDeploymentConfig"):
        config = record.get("LastDeploymentConfig")
    policy = DeploymentPolicy()
    if endpoint:  # else begin_change says what is wrong
        variants = _retained(request, variants, endpoint)
        policy = endpoint_policy(config, old=[each.spec for each in endpoint.variants.values()], new=variants)
        _check_kind(endpoint, variants, policy)
    endpoint, moving = lifecycle.endpoints.begin_change(context, region, name, **members), []
    try:
        moving = lifecycle.components.begin_moves(context, region, name)
        take_fault = partial(context.faults.take, call.operation, *ASYNCHRONOUS)
        rollout = rollout_of(endpoint, variants, policy, moving, take_fault=take_fault)
        endpoint.update = PendingUpdate(config_name=config_name, variants=variants, rollout=rollout)

        def update() -> dict[str, Any]:
            try:
                rollout.run(lambda: lifecycle.endpoints.set_status(context, region, name, "RollingBack"))
            finally:
                endpoint.update = None
                if not endpoint.stopped.is_set():
                    lifecycle.components.end_moves(context, moving)
            return {"EndpointConfigName": config_name}

        lifecycle.endpoints.carry_out(context, endpoint, update)
    except BaseException:
        lifecycle.components.end_moves(context, moving)
        lifecycle.endpoints.set_status(context, region, name, record["EndpointStatus"])
        raise
    return {"EndpointArn": record["EndpointArn"]}


@operation("DeleteEndpoint")
def delete_endpoint(call: Call) -> dict[str, Any]:
    name, region, context = call.request["EndpointName"], call.region, call.context
    endpoint = lifecycle.endpoints.begin_deletion(context, region, name)

    def end(endpoint: RunningEndpoint) -> None:
        endpoint.stop(STOP_GRACE_S)
        captures.deliver()

    lifecycle.endpoints.carry_out_deletion(context, region, name, endpoint, end)
    return {}


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


def _variant_summaries(fleet: Iterable[RunningVariant]) -> list[dict[str, Any]]:
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


def _capture_summary(endpoint: RunningEndpoint) -> dict[str, Any] | None:
    """Return AWS's DataCaptureConfigSummary, None of a configuration that says nothing of it."""
    settings = next(iter(endpoint.variants.values())).spec.capture
    if settings is None:
        return None
    is_working = settings.is_enabled and captures.is_working(endpoint.region, endpoint.name)
    return {
        "EnableCapture": settings.is_enabled,
        "CaptureStatus": "Started" if is_working else "Stopped",
        "CurrentSamplingPercentage": settings.percentage,
        "DestinationS3Uri": settings.destination,
        "KmsKeyId": settings.kms_key_id,
    }


def _pending_summary(update: PendingUpdate | None) -> dict[str, Any] | None:
    """Return AWS's PendingDeploymentSummary of the update in progress, None without one."""
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
    resolved = variant.resolved_image if image else None
    deployed = {"SpecifiedImage": image, "ResolvedImage": resolved, "ResolutionTime": resolved_s}
    return {
        "VariantName": variant.name,
        "DeployedImages": [deployed] if image else None,
        "ManagedInstanceScaling": variant.managed_scaling or None,
        "RoutingConfig": variant.routing or None,
    }
