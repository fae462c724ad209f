"""Inference components: their records, and the calls that create, describe, list, update and delete them.

Messages of AWS are used where public sources quote them, see lifecycle.py; the others are ours.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.faults import ASYNCHRONOUS
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation, require
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.hosting import lifecycle
from sandbox.hosting.adapters import RunningAdapter
from sandbox.hosting.deployment_policy import component_policy
from sandbox.hosting.machines import Machines
from sandbox.hosting.pool import STOP_GRACE_S
from sandbox.hosting.rollout import Rolling
from sandbox.hosting.running_component import RunningComponent
from sandbox.hosting.specs import ComponentSpec, adapter_url_of, spec_of

KIND, STATUS = lifecycle.components.kind, lifecycle.components.status


@operation("CreateInferenceComponent")
def create_inference_component(call: Call) -> dict[str, Any]:
    request = call.request
    given = request.get("Specification")
    if given is None:
        raise validation_error("An inference component needs a Specification.")
    if "BaseInferenceComponentName" in given:
        return _create_adapter(call, given)
    variant, machines = _variant_with_machines(call)
    spec = spec_of(call, given)
    if "RuntimeConfig" not in request:
        raise validation_error("RuntimeConfig is required for a base inference component.")
    num_copies = request["RuntimeConfig"]["CopyCount"]
    runtime_config = {"DesiredCopyCount": num_copies, "CurrentCopyCount": 0}
    arn = add_record(call, variant, _summary_of(given, spec), RuntimeConfig=runtime_config)
    component = RunningComponent(
        call.context,
        region=call.region,
        name=request["InferenceComponentName"],
        endpoint=request["EndpointName"],
        machines=machines,
        spec=spec,
    )
    lifecycle.components.register(component)
    fault = call.context.faults.take(call.operation, *ASYNCHRONOUS)

    def create() -> None:
        component.admit(component.launch(spec, num_copies, fault))

    lifecycle.components.carry_out(call.context, component, create, is_creation=True)
    return {"InferenceComponentArn": arn}


@operation("DescribeInferenceComponent")
def describe_inference_component(call: Call) -> dict[str, Any]:
    record = _record(call)
    component = lifecycle.components.running(call.region, record["InferenceComponentName"])
    if component and "RuntimeConfig" in record:
        record["RuntimeConfig"]["CurrentCopyCount"] = component.num_healthy
    return only_members(call.operation, record)


@operation("ListInferenceComponents")
def list_inference_components(call: Call) -> dict[str, Any]:
    keys = (
        "InferenceComponentName",
        "InferenceComponentArn",
        "EndpointName",
        "EndpointArn",
        "VariantName",
        "CreationTime",
        "LastModifiedTime",
        STATUS,
    )
    return list_records(
        call,
        call.context.resources.all(KIND, call.region),
        answer_key="InferenceComponents",
        name_key="InferenceComponentName",
        summary=lambda record: {key: record[key] for key in keys},
        equals={
            "StatusEquals": STATUS,
            "EndpointNameEquals": "EndpointName",
            "VariantNameEquals": "VariantName",
        },
        sort_keys={"Status": STATUS},
    )


@operation("UpdateInferenceComponent")
def update_inference_component(call: Call) -> dict[str, Any]:
    record, given = _record(call), call.request.get("Specification")
    if given is None and "RuntimeConfig" not in call.request:
        raise validation_error("An update needs a Specification or a RuntimeConfig.")
    if "BaseInferenceComponentName" in record["Specification"]:
        _update_adapter(call, record, given)
    elif given is None:
        _set_copy_count(call, call.request["RuntimeConfig"]["CopyCount"])
    else:
        _update_base(call, record, given)
    return {"InferenceComponentArn": record["InferenceComponentArn"]}


@operation("UpdateInferenceComponentRuntimeConfig")
def update_inference_component_runtime_config(call: Call) -> dict[str, Any]:
    record = _record(call)
    _set_copy_count(call, call.request["DesiredRuntimeConfig"]["CopyCount"])
    return {"InferenceComponentArn": record["InferenceComponentArn"]}


@operation("DeleteInferenceComponent")
def delete_inference_component(call: Call) -> dict[str, Any]:
    name, region, context = call.request["InferenceComponentName"], call.region, call.context
    component = lifecycle.components.begin_deletion(context, region, name)

    def end(component: RunningComponent | RunningAdapter) -> None:
        if isinstance(component, RunningComponent):
            component.retire(component.copies)
            component.stop(STOP_GRACE_S)
        else:
            component.unload()

    lifecycle.components.carry_out_deletion(context, region, name, component, end)
    return {}


def _set_copy_count(call: Call, num_copies: int) -> None:
    """Change how many copies of a component run.

    Raises:
        AwsError: There is no such component, it is an adapter, or it is being changed.
    """
    context, name = call.context, call.request["InferenceComponentName"]
    component = lifecycle.components.begin_change(context, call.region, name, num_copies=num_copies)
    fault = context.faults.take("UpdateInferenceComponentRuntimeConfig", *ASYNCHRONOUS)

    def scale() -> None:
        more = num_copies - len(component.copies)
        if more > 0:
            component.admit(component.launch(component.spec, more, fault))
        else:
            component.retire(component.copies[num_copies:])

    lifecycle.components.carry_out(context, component, scale)


def _update_base(call: Call, record: dict[str, Any], given: dict[str, Any]) -> None:
    """Replace the copies of a component that hosts a model.

    Raises:
        AwsError: The Specification or the DeploymentConfig makes no sense, or the component is being changed.
    """
    if "BaseInferenceComponentName" in given:
        raise validation_error("A base inference component can not become an adapter.")
    spec, context, request = spec_of(call, given), call.context, call.request
    num_copies = request.get("RuntimeConfig", {}).get(
        "CopyCount", record["RuntimeConfig"]["DesiredCopyCount"]
    )
    config = request.get("DeploymentConfig")
    policy = component_policy(config, num_copies)
    component = lifecycle.components.begin_change(
        context,
        call.region,
        record["InferenceComponentName"],
        num_copies=num_copies,
        is_specification=True,
        config=config,
    )
    take_fault = partial(context.faults.take, call.operation, *ASYNCHRONOUS)

    def update() -> dict[str, Any]:
        Rolling(component, spec, num_copies, policy, take_fault=take_fault).run()
        return {"Specification": _summary_of(given, spec)}

    lifecycle.components.carry_out(context, component, update)


def _create_adapter(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Create an adapter component, on the variant of its base."""
    url = adapter_url_of(given)
    base_name = given["BaseInferenceComponentName"]
    record = require(call, KIND, base_name, what="inference component")
    base = lifecycle.components.running(call.region, base_name)
    if isinstance(base, RunningAdapter):
        raise validation_error(
            f'Inference component "{record["InferenceComponentArn"]}" is an adapter; an adapter inference'
            " component needs a base inference component that hosts a model."
        )
    if base is None or not base.is_in_service or record[STATUS] != "InService":
        raise validation_error(
            f'Base inference component "{record["InferenceComponentArn"]}" is {record[STATUS]}; it must be'
            " InService."
        )
    if base.endpoint != call.request["EndpointName"]:
        raise validation_error(f"Base inference component {base_name} is on endpoint {base.endpoint}.")
    arn = add_record(call, base.variant_name, {**given})
    adapter = RunningAdapter(call.request["InferenceComponentName"], base)
    lifecycle.components.register(adapter)
    lifecycle.components.carry_out(call.context, adapter, lambda: adapter.load(url), is_creation=True)
    return {"InferenceComponentArn": arn}


def _update_adapter(call: Call, record: dict[str, Any], given: dict[str, Any] | None) -> None:
    if given is None:
        raise validation_error("An adapter inference component has no copies of its own.")
    base = record["Specification"]["BaseInferenceComponentName"]
    if given.get("BaseInferenceComponentName", base) != base:
        raise validation_error(f"An adapter inference component can not leave its base ({base}).")
    url, name = adapter_url_of(given), record["InferenceComponentName"]
    adapter = lifecycle.components.begin_change(call.context, call.region, name, is_specification=True)

    def update() -> dict[str, Any]:
        adapter.load(url)
        return {"Specification": {**given, "BaseInferenceComponentName": base}}

    lifecycle.components.carry_out(call.context, adapter, update)


def _record(call: Call) -> dict[str, Any]:
    return require(call, KIND, call.request["InferenceComponentName"], what="inference component")


def _variant_with_machines(call: Call) -> tuple[str, Machines]:
    """Return the variant that a component goes to, and its machines.

    Raises:
        AwsError: The endpoint is not there, does not serve, or runs models of its own.
    """
    request = call.request
    record = require(call, lifecycle.endpoints.kind, request["EndpointName"], what="endpoint")
    endpoint = lifecycle.endpoints.serving(call.region, request["EndpointName"])
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


def _summary_of(given: dict[str, Any], spec: ComponentSpec) -> dict[str, Any]:
    """Return AWS's InferenceComponentSpecificationSummary; the image is described where it was given."""
    if "Container" not in given:
        return given
    container = {name: value for name, value in given["Container"].items() if name != "Image"}
    images = {"SpecifiedImage": spec.image, "ResolvedImage": spec.resolved_image}
    deployed = {**images, "ResolutionTime": time.time()}
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
        "EndpointArn": call.arn(lifecycle.endpoints.kind, endpoint),
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
    kind, name, status, title = (lifecycle.endpoints.kind, endpoint, "EndpointStatus", "Endpoint")
    if base is not None:  # which keeps its endpoint
        kind, name, status, title = (KIND, base, STATUS, "Base inference component")
    record = call.context.resources.get(kind, call.region, name)
    if record is None or record[status] != "InService":
        state = record[status] if record else "deleted"
        raise validation_error(f'{title} "{call.arn(kind, name)}" is {state}; it must be InService.')
