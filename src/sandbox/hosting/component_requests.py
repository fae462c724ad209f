"""What a request to create or update an inference component says, and the record that comes of it."""

from __future__ import annotations

import time
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import Call, found
from sandbox.api.tags import tags_of
from sandbox.hosting import endpoints
from sandbox.hosting.component_spec import ComponentSpec
from sandbox.hosting.component_states import KIND, STATUS
from sandbox.hosting.deployment import not_implemented
from sandbox.hosting.machines import Machines


def specification_of(call: Call) -> dict[str, Any] | None:
    if "Specifications" in call.request:
        raise not_implemented("Specifications; give one Specification")
    return call.request.get("Specification")


def variant_with_machines(call: Call) -> tuple[str, Machines]:
    """Return the variant that a component goes to, and its instances.

    Raises:
        AwsError: The endpoint is not there, does not serve, or runs models of its own.
    """
    request = call.request
    record = found(call, endpoints.KIND, request["EndpointName"], what="endpoint")
    endpoint = endpoints.serving(call.region, request["EndpointName"])
    if endpoint is None or record["EndpointStatus"] != "InService":  # while it is updated, copies move
        raise validation_error(
            f'Endpoint "{record["EndpointArn"]}" is {record["EndpointStatus"]}; it must be InService.'
        )
    names = list(endpoint.variants)
    variant = request.get("VariantName", names[0] if len(names) == 1 else None)
    if variant is None:
        raise validation_error(f"VariantName is required: the endpoint has {', '.join(names)}.")
    if variant not in endpoint.variants:
        raise validation_error(f"Variant {variant} is not one of the endpoint's: {', '.join(names)}.")
    machines = endpoint.variants[variant].machines
    if machines is None:
        raise validation_error(
            "Inference Components are not supported in this Endpoint. Please make sure this endpoint can"
            " deploy inference components."
        )
    return variant, machines


def summary_of(given: dict[str, Any], spec: ComponentSpec) -> dict[str, Any]:
    """Return AWS's InferenceComponentSpecificationSummary; the image is told where it was given."""
    if "Container" not in given:
        return given
    container = {name: value for name, value in given["Container"].items() if name != "Image"}
    deployed = {"SpecifiedImage": spec.image, "ResolvedImage": spec.image, "ResolutionTime": time.time()}
    return {**given, "Container": {**container, "DeployedImage": deployed}}


def add_record(call: Call, variant: str, specification: dict[str, Any], **members: Any) -> str:
    """Add the record of a component that is being created, and return its ARN.

    Raises:
        AwsError: The name is taken, or what the component is on no longer takes components.
    """
    name, endpoint, now_s = call.request["InferenceComponentName"], call.request["EndpointName"], time.time()
    record = {
        "InferenceComponentName": name,
        "InferenceComponentArn": call.arn(KIND, name),
        "EndpointName": endpoint,
        "EndpointArn": call.arn(endpoints.KIND, endpoint),
        "VariantName": variant,
        "Specification": specification,
        "CreationTime": now_s,
        "LastModifiedTime": now_s,
        STATUS: "Creating",
        "_tags": tags_of(call),
        **members,
    }
    arn, resources = record["InferenceComponentArn"], call.context.resources
    with resources.held():
        _check_parent(call, endpoint, specification.get("BaseInferenceComponentName"))
        if not resources.add(KIND, call.region, name, record):
            raise validation_error(f'Cannot create already existing inference component "{arn}".')
    return arn


def _check_parent(call: Call, endpoint: str, base: str | None) -> None:
    """Make sure that what a component is on did not begin to be deleted or updated meanwhile.

    Raises:
        AwsError: It did.
    """
    kind, name, status, title = (endpoints.KIND, endpoint, "EndpointStatus", "Endpoint")
    if base is not None:  # which keeps its endpoint
        kind, name, status, title = (KIND, base, STATUS, "Base inference component")
    record = call.context.resources.get(kind, call.region, name)
    if record is None or record[status] != "InService":
        state = record[status] if record else "deleted"
        raise validation_error(f'{title} "{call.arn(kind, name)}" is {state}; it must be InService.')
