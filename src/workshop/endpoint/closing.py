"""The end of a notebook with an endpoint for inference components: deleted in order, or kept and said so."""

from __future__ import annotations

from typing import Any

from workshop.account.usage import ENDPOINT
from workshop.aws.resources import delete_if_there, described_or_none
from workshop.aws.session import Aws
from workshop.aws.waits import Wait
from workshop.cost import estimate
from workshop.endpoint.components import instances_of
from workshop.endpoint.deletion import components_on, delete_components, delete_endpoint
from workshop.endpoint.scaling import deregister_targets, registered_targets
from workshop.entries import ComponentsState
from workshop.state import State

_LISTS = {
    "list_inference_components": ("InferenceComponents", "InferenceComponentName"),
    "list_endpoints": ("Endpoints", "EndpointName"),
    "list_endpoint_configs": ("EndpointConfigs", "EndpointConfigName"),
    "list_models": ("Models", "ModelName"),
}


def delete_or_keep(aws: Aws, names: ComponentsState, *, keep: bool) -> list[str]:
    """Delete the endpoint and everything on and around it, or leave it for the next notebook.

    The order is AWS's: scalable targets and alarms, adapters, the components below them, endpoint,
    configuration, models, and the adapter's archive in S3. Scalable targets and alarms go in either case:
    they would change what the next notebook begins with. Running it again is no error.

    Args:
        names: From the state file; with a deletion they are taken out of it.
        keep: Leave the rest; what it costs an hour is shown, and how to delete it.

    Returns:
        What is left of it, by name.

    Raises:
        WorkshopError: Something did not go within endpoint_timeout_s; the message names what is left.
    """
    for name in deregister_targets(aws, names.components):
        print(f"deleted scalable target {name}")
    if alarms := _alarms(aws, names):
        aws.client("cloudwatch").delete_alarms(AlarmNames=alarms)
        print(*(f"deleted alarm {name}" for name in alarms), sep="\n")
    if keep:
        return _tell_kept(aws, names)
    _delete(aws, names)
    Wait(
        title="what is left",
        timeout_s=aws.settings.endpoint_timeout_s,
        interval_s=aws.settings.poll_interval_s,
        setting="endpoint_timeout_s",
        expected="nothing",
        next_step="run the cell again, or: make cleanup CONFIRM=mine",
    ).until(
        lambda: left_of(aws, names),
        is_done=lambda left: not left,
        text=lambda left: ", ".join(left) or "nothing",
    )
    state = State.load(aws.settings)
    if state.has("components") and state.components.endpoint_name == names.endpoint_name:
        state.remove("components")
        state.save()
    return []


def left_of(aws: Aws, names: ComponentsState) -> list[str]:
    """Return what AWS still has of an endpoint and what is around it: asked, not remembered."""
    sagemaker = aws.client("sagemaker")
    left = [*registered_targets(aws, names.components), *_alarms(aws, names)]
    for operation, (member, name) in _LISTS.items():
        pages = sagemaker.get_paginator(operation).paginate(NameContains=names.endpoint_name)
        left += [item[name] for item in pages.build_full_result()[member]]
    return left


def _delete(aws: Aws, names: ComponentsState) -> None:
    sagemaker, timeout_s = aws.client("sagemaker"), aws.settings.endpoint_timeout_s
    for name in delete_components(aws, names.endpoint_name, timeout_s=timeout_s):
        print(f"deleted component {name}")
    delete_endpoint(aws, names.endpoint_name, timeout_s=timeout_s)
    print(f"deleted endpoint {names.endpoint_name}")
    delete_if_there(sagemaker.delete_endpoint_config, EndpointConfigName=names.config_name)
    print(f"deleted configuration {names.config_name}")
    pages = sagemaker.get_paginator("list_models").paginate(NameContains=names.endpoint_name)
    for model in pages.build_full_result()["Models"]:
        delete_if_there(sagemaker.delete_model, ModelName=model["ModelName"])
        print(f"deleted model {model['ModelName']}")
    aws.client("s3").delete_object(Bucket=aws.bucket, Key=names.adapter_key(aws.prefix))


def _alarms(aws: Aws, names: ComponentsState) -> list[str]:
    """Return the alarms that the notebooks make; those of target tracking go with their target."""
    alarms = aws.client("cloudwatch").get_paginator("describe_alarms")
    found = alarms.paginate(AlarmNamePrefix=names.endpoint_name).build_full_result()["MetricAlarms"]
    return [alarm["AlarmName"] for alarm in found]


def _tell_kept(aws: Aws, names: ComponentsState) -> list[str]:
    endpoint: dict[str, Any] | None = described_or_none(
        aws.client("sagemaker").describe_endpoint, EndpointName=names.endpoint_name
    )
    if endpoint is None:
        print(f"nothing is kept: there is no endpoint {names.endpoint_name}")
        return left_of(aws, names)
    kept = [one["InferenceComponentName"] for one in components_on(aws, names.endpoint_name)]
    count = max(instances_of(endpoint), 1)
    print(f"KEPT: {names.endpoint_name} with {', '.join(kept) or 'no component'}")
    price = {"hours": 1, "kind": ENDPOINT, "session": aws.boto_session}
    print(f"every hour: {estimate(aws.settings, names.instance_type, count=count, **price)}")
    print(
        "to delete it: run this cell with keep=False, or set keep_endpoint: false in workshop.yaml and run "
        "the cells of section 1 and this one, or in a terminal: "
        f"WORKSHOP_MODE={aws.mode} make cleanup CONFIRM=mine"
    )
    return left_of(aws, names)
