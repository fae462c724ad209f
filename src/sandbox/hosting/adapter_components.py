"""Inference components that are adapters: created on a base component, and given other files."""

from __future__ import annotations

from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import Call, found
from sandbox.hosting.component_requests import add_record
from sandbox.hosting.component_spec import adapter_url_of
from sandbox.hosting.component_states import KIND, STATUS, begin_change, carry_out, remember, running
from sandbox.hosting.running_adapter import RunningAdapter


def create_adapter(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Create an adapter component; its base tells the variant."""
    url = adapter_url_of(given)
    base_name = given["BaseInferenceComponentName"]
    record = found(call, KIND, base_name, what="inference component")
    base = running(call.region, base_name)
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
    arn = add_record(call, base.variant, {**given})
    adapter = RunningAdapter(call.request["InferenceComponentName"], base)
    remember(adapter)
    carry_out(call.context, adapter, lambda: adapter.load(url), is_creation=True)
    return {"InferenceComponentArn": arn}


def update_adapter(call: Call, record: dict[str, Any], given: dict[str, Any] | None) -> None:
    if given is None:
        raise validation_error("An adapter inference component has no copies of its own.")
    base = record["Specification"]["BaseInferenceComponentName"]
    if given.get("BaseInferenceComponentName", base) != base:
        raise validation_error(f"An adapter inference component can not leave its base ({base}).")
    url, name = adapter_url_of(given), record["InferenceComponentName"]
    adapter = begin_change(call.context, call.region, name, is_specification=True)

    def update() -> None:
        adapter.load(url)
        with call.context.resources.change(KIND, call.region, name) as changed:
            changed["Specification"] = {**given, "BaseInferenceComponentName": base}

    carry_out(call.context, adapter, update)
