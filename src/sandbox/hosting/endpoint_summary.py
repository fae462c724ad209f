"""What DescribeEndpoint tells of the variants of an endpoint, as they are at this moment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.hosting.deployment import Variant
from sandbox.hosting.fleet_update import FleetUpdate
from sandbox.hosting.running_variant import RunningVariant


def variant_summaries(fleet: Iterable[RunningVariant]) -> list[dict[str, Any]]:
    """Return AWS's ProductionVariantSummary of each variant in service."""
    return [
        {
            **_of_configuration(running.variant, running.resolved_s),
            "CurrentWeight": running.weight,
            "DesiredWeight": running.desired_weight,
            "CurrentInstanceCount": running.num_instances,
            # Of managed instances it follows what the copies need, at once.
            "DesiredInstanceCount": running.num_instances if running.machines else running.num_desired,
        }
        for running in fleet
    ]


def pending_summary(update: FleetUpdate | None) -> dict[str, Any] | None:
    """Return AWS's PendingDeploymentSummary of the update that goes on, None without one."""
    if update is None:
        return None
    status = {"Status": update.stage, "StartTime": update.stage_since_s}
    return {
        "EndpointConfigName": update.config_name,
        "StartTime": update.started_s,
        "ProductionVariants": [
            {
                **_of_configuration(variant, update.started_s),
                "InstanceType": variant.instance_type or None,
                "CurrentWeight": variant.weight,
                "DesiredWeight": variant.weight,
                "CurrentInstanceCount": update.num_current[variant.name],
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
