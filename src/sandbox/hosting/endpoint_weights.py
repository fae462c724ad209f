"""UpdateEndpointWeightsAndCapacities: how requests are spread over variants, and on how many instances."""

from __future__ import annotations

from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.faults import ASYNCHRONOUS, Fault
from sandbox.api.registry import Call, operation, require
from sandbox.hosting import lifecycle
from sandbox.hosting.errors import DeploymentFailedError, nothing_unforeseen
from sandbox.hosting.machines import Machines, NoCapacityError
from sandbox.hosting.running_endpoint import RunningEndpoint


@operation("UpdateEndpointWeightsAndCapacities")
def update_endpoint_weights_and_capacities(call: Call) -> dict[str, Any]:
    name, region, context = call.request["EndpointName"], call.region, call.context
    record = require(call, lifecycle.endpoints.kind, name, what="endpoint")
    desired = {each["VariantName"]: each for each in call.request["DesiredWeightsAndCapacities"]}
    endpoint = lifecycle.endpoints.serving(region, name)
    if endpoint:  # else begin_change says what is wrong
        _check(desired, endpoint, record["EndpointConfigName"])
    endpoint = lifecycle.endpoints.begin_change(context, region, name)
    for variant, wanted in desired.items():
        running = endpoint.variants[variant]
        running.desired_weight = wanted.get("DesiredWeight", running.desired_weight)
        running.num_desired = wanted.get("DesiredInstanceCount", running.num_desired)

    def scale() -> None:
        try:
            with nothing_unforeseen():
                _grow(endpoint, context.faults.take(call.operation, *ASYNCHRONOUS))
        except DeploymentFailedError:
            for running in endpoint.variants.values():
                running.desired_weight, running.num_desired = running.weight, running.num_instances
            if not endpoint.stopped.is_set():
                lifecycle.endpoints.set_status(context, region, name, "RollingBack")
            raise
        for running in endpoint.variants.values():
            running.weight = running.desired_weight
        for running in endpoint.variants.values():
            if not running.machines:
                running.retire(running.copies[running.num_desired :])

    lifecycle.endpoints.carry_out(context, endpoint, scale)
    return {"EndpointArn": record["EndpointArn"]}


def _check(desired: dict[str, dict[str, Any]], endpoint: RunningEndpoint, config_name: str) -> None:
    """Make sure that the variants are there and can have what they shall.

    Raises:
        AwsError: One of them is not, or can not. The first message is AWS's, as moto's tests quote it.
    """
    for name, wanted in desired.items():
        if name not in endpoint.variants:
            raise validation_error(
                f'The variant name(s) "{name}" is/are not present within endpoint configuration'
                f' "{config_name}".'
            )
        running, num_instances = endpoint.variants[name], wanted.get("DesiredInstanceCount")
        if num_instances == 0 and not running.machines:
            raise validation_error(f"Variant {name} needs a DesiredInstanceCount of 1 or more.")
        if num_instances is not None and running.machines and running.machines.is_managed:
            raise validation_error(
                f"Variant {name} has ManagedInstanceScaling: its instances follow what the copies need."
            )


def _grow(endpoint: RunningEndpoint, fault: Fault | None) -> None:
    """Start the instances that are missing, all or none.

    Raises:
        DeploymentFailedError: One cannot be brought up, or copies of components would have no place any more.
    """
    missing = [
        (running, running.num_desired - len(running.copies))
        for running in endpoint.variants.values()
        if not running.machines and running.num_desired > len(running.copies)
    ]
    launched = endpoint.launch(missing, fault)
    _resize(endpoint)  # of an endpoint for components: nothing was launched then
    for running, instances in launched:
        running.admit(instances)


def _resize(endpoint: RunningEndpoint) -> None:
    """Give every variant without a model the instances that it shall have; what is managed has its own.

    Raises:
        NoCapacityError: Copies of components would have no place any more; nothing has changed.
    """
    done: list[tuple[Machines, int]] = []
    for running in endpoint.variants.values():
        machines = running.machines
        if machines is None or machines.is_managed:
            continue
        before = machines.num_instances
        try:
            machines.resize(running.num_desired)
        except NoCapacityError:
            for resized, num in done:
                resized.resize(num)
            raise
        done.append((machines, before))
