"""What is on AWS already, and may stay: lets a cell that creates be run again, by another kernel too.

is_missing = component_is_missing(aws, names.tuned, serves=names.model("tuned"))
if is_missing:
    sagemaker.create_inference_component(...)

What is being deleted is waited for, what failed is deleted, and both are then missing; what serves something
else than is wanted now is named, or, where nothing is lost by it, deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workshop.aws.resources import described_or_none, is_there
from workshop.aws.session import Aws
from workshop.endpoint.components import wait_until_settled
from workshop.endpoint.deletion import (
    components_on,
    delete_component,
    delete_components,
    delete_endpoint,
    wait_until_component_is_gone,
    wait_until_endpoint_is_gone,
)
from workshop.endpoint.deployed import differences, made_of_something_else, model_differences
from workshop.endpoint.plan import ComponentsPlan, ServedModel

_DELETE = "Delete, or keep (with keep=False)"
_SCALING, _MAX = "ManagedInstanceScaling", "MaxInstanceCount"


def model_is_missing(aws: Aws, model: ServedModel) -> bool:
    """Tell whether a SageMaker model has to be created.

    Raises:
        WorkshopError: One of its name has another image, other variables or other weights.
    """
    if not is_there(aws.client("sagemaker").describe_model, ModelName=model.name):
        return True
    asked = {"image": model.image, "environment": model.environment, "model_uri": model.model_uri}
    if found := list(model_differences(aws, model.name, **asked)):
        raise made_of_something_else(model.name, found, notebook=model.notebook, under=_DELETE)
    return False


def config_is_missing(aws: Aws, plan: ComponentsPlan) -> bool:
    """Tell whether the endpoint's configuration has to be created.

    Raises:
        WorkshopError: One of its name has other instances.
    """
    name = plan.names.config_name
    described = described_or_none(aws.client("sagemaker").describe_endpoint_config, EndpointConfigName=name)
    if described is None:
        return True
    (variant,) = described["ProductionVariants"]
    if found := list(differences(_machines(variant), _machines(plan.variant))):
        raise made_of_something_else(name, found, notebook=plan.names.notebook, under=_DELETE)
    return False


def _machines(variant: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: variant[name] for name in ("InstanceType", "InferenceAmiVersion") if name in variant}
    return kept | {_MAX: variant[_SCALING][_MAX]}


def endpoint_is_missing(aws: Aws, name: str) -> bool:
    """Tell whether an endpoint has to be created; one that failed serves nothing, and is deleted.

    Raises:
        WorkshopError: It did not go within endpoint_timeout_s.
    """
    timeout_s = aws.settings.endpoint_timeout_s
    described = described_or_none(aws.client("sagemaker").describe_endpoint, EndpointName=name)
    status = described["EndpointStatus"] if described else ""
    if status == "Failed":
        print(f"{name} failed: {_reason(described)}; deleted, to be created again")
        delete_components(aws, name, timeout_s=timeout_s)  # they would keep it, and their names
        delete_endpoint(aws, name, timeout_s=timeout_s)
    if status == "Deleting":
        wait_until_endpoint_is_gone(aws, name, timeout_s=timeout_s)
    return status in ("", "Failed", "Deleting")


def component_is_missing(aws: Aws, name: str, *, serves: str = "") -> bool:
    """Tell whether a component has to be created.

    One that failed, or serves another model, is deleted with the adapters on it: an update back would take
    as long, and another GPU.

    Args:
        serves: Name of the SageMaker model; "" for an adapter, which has none.

    Raises:
        WorkshopError: A change or a deletion that was under way did not end in time.
    """
    sagemaker, timeout_s = aws.client("sagemaker"), aws.settings.endpoint_timeout_s
    described = described_or_none(sagemaker.describe_inference_component, InferenceComponentName=name)
    if described is None:
        return True
    if described["InferenceComponentStatus"] == "Deleting":
        wait_until_component_is_gone(aws, name, timeout_s=timeout_s)
        return True
    if described["InferenceComponentStatus"] == "Updating":
        described = wait_until_settled(aws, name)
    is_failed = described["InferenceComponentStatus"] == "Failed"
    model = described.get("Specification", {}).get("ModelName", "")
    if not is_failed and (not serves or model == serves):
        return False
    why = f"failed: {_reason(described)}" if is_failed else f"serves {model}, not {serves}"
    print(f"{name} {why}; deleted, to be created again")
    for one in components_on(aws, described["EndpointName"]):
        if one["Specification"].get("BaseInferenceComponentName") == name:
            delete_component(aws, one["InferenceComponentName"], timeout_s=timeout_s)
    delete_component(aws, name, timeout_s=timeout_s)
    return True


def _reason(described: Mapping[str, Any]) -> str:
    return described.get("FailureReason", "no reason given")
