"""Inference components: their records, and the calls that create, describe, list, update and delete them.

Messages of AWS are used where public sources quote them, see component_states.py; the others are ours.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import validation_error
from sandbox.api.faults import LATER
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, found, operation
from sandbox.api.service_model import only_members
from sandbox.hosting.adapter_components import create_adapter, update_adapter
from sandbox.hosting.component_requests import add_record, specification_of, summary_of, variant_with_machines
from sandbox.hosting.component_spec import ComponentSpec, spec_of
from sandbox.hosting.component_states import (
    KIND,
    STATUS,
    begin_change,
    begin_deletion,
    carry_out,
    components_of,
    end_all,
    forget,
    recover,
    remember,
    running,
)
from sandbox.hosting.component_update import ComponentUpdate, plan_of
from sandbox.hosting.running_component import RunningComponent
from sandbox.hosting.running_variant import STOP_GRACE_S

if TYPE_CHECKING:
    from sandbox.context import Context

__all__ = ["KIND", "components_of", "end_all", "recover", "running", "set_copy_count"]


@operation("CreateInferenceComponent")
def create_inference_component(call: Call) -> dict[str, Any]:
    request = call.request
    given = specification_of(call)
    if given is None:
        raise validation_error("An inference component needs a Specification.")
    if "BaseInferenceComponentName" in given:
        return create_adapter(call, given)
    variant, machines = variant_with_machines(call)
    spec = spec_of(call, given)
    if "RuntimeConfig" not in request:
        raise validation_error("RuntimeConfig is required for a base inference component.")
    num_copies = request["RuntimeConfig"]["CopyCount"]
    runtime_config = {"DesiredCopyCount": num_copies, "CurrentCopyCount": 0}
    arn = add_record(call, variant, summary_of(given, spec), RuntimeConfig=runtime_config)
    component = RunningComponent(
        call.context,
        region=call.region,
        name=request["InferenceComponentName"],
        endpoint=request["EndpointName"],
        machines=machines,
        spec=spec,
    )
    remember(component)
    fault = call.context.faults.take(call.operation, *LATER)

    def create() -> None:
        component.admit(component.launch(spec, num_copies, fault))

    carry_out(call.context, component, create, is_creation=True)
    return {"InferenceComponentArn": arn}


@operation("DescribeInferenceComponent")
def describe_inference_component(call: Call) -> dict[str, Any]:
    record = _found(call)
    component = running(call.region, record["InferenceComponentName"])
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
    request, record = call.request, _found(call)
    name, given, config = record["InferenceComponentName"], specification_of(call), None
    if "DeploymentConfig" in request:
        config = request["DeploymentConfig"]
    if given is None and "RuntimeConfig" not in request:
        raise validation_error("An update needs a Specification or a RuntimeConfig.")
    base = record["Specification"].get("BaseInferenceComponentName")
    if base is not None:
        update_adapter(call, record, given)
    elif given is None:
        set_copy_count(call.context, call.region, name, request["RuntimeConfig"]["CopyCount"])
    else:
        if "BaseInferenceComponentName" in given:
            raise validation_error("A base inference component can not become an adapter.")
        spec = spec_of(call, given)
        wanted = request.get("RuntimeConfig", {}).get(
            "CopyCount", record["RuntimeConfig"]["DesiredCopyCount"]
        )
        _update_base(call, name, spec, wanted, given, config)
    return {"InferenceComponentArn": record["InferenceComponentArn"]}


@operation("UpdateInferenceComponentRuntimeConfig")
def update_inference_component_runtime_config(call: Call) -> dict[str, Any]:
    record = _found(call)
    name, num_copies = record["InferenceComponentName"], call.request["DesiredRuntimeConfig"]["CopyCount"]
    set_copy_count(call.context, call.region, name, num_copies)
    return {"InferenceComponentArn": record["InferenceComponentArn"]}


@operation("DeleteInferenceComponent")
def delete_inference_component(call: Call) -> dict[str, Any]:
    name, region, context = call.request["InferenceComponentName"], call.region, call.context
    component = begin_deletion(context, region, name)

    def remove() -> None:
        if isinstance(component, RunningComponent):
            component.retire(component.copies)
            component.stop(STOP_GRACE_S)
        elif component:
            component.unload()
        forget(region, name)
        context.resources.remove(KIND, region, name)

    threading.Thread(target=remove, name=f"delete {name}", daemon=True).start()
    return {}


def set_copy_count(context: Context, region: str, name: str, num_copies: int) -> None:
    """Change how many copies of a component run, as UpdateInferenceComponentRuntimeConfig does.

    Raises:
        AwsError: There is no such component, it is an adapter, or it is being changed.
    """
    component = begin_change(context, region, name, num_copies=num_copies)
    fault = context.faults.take("UpdateInferenceComponentRuntimeConfig", *LATER)

    def scale() -> None:
        more = num_copies - len(component.copies)
        if more > 0:
            component.admit(component.launch(component.spec, more, fault))
        else:
            component.retire(component.copies[num_copies:])

    carry_out(context, component, scale)


def _update_base(
    call: Call,
    name: str,
    spec: ComponentSpec,
    num_copies: int,
    given: dict[str, Any],
    config: dict[str, Any] | None,
) -> None:
    plan = plan_of(config, num_copies)
    component = begin_change(
        call.context, call.region, name, num_copies=num_copies, is_specification=True, config=config
    )
    fault = call.context.faults.take(call.operation, *LATER)

    def launch(spec: ComponentSpec, num: int) -> Any:
        return component.launch(spec, num, fault)

    def update() -> None:
        ComponentUpdate(component, spec, num_copies, plan, launch).run()
        with call.context.resources.change(KIND, call.region, name) as record:
            record["Specification"] = summary_of(given, spec)

    carry_out(call.context, component, update)


def _found(call: Call) -> dict[str, Any]:
    return found(call, KIND, call.request["InferenceComponentName"], what="inference component")
