"""The endpoint of a registered version at a notebook's end: deleted with all that is below it, or kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workshop.aws.resources import delete_if_there, is_there
from workshop.cost import estimate
from workshop.endpoint.components import instances_of
from workshop.endpoint.deletion import delete_endpoint
from workshop.prices import ENDPOINT

if TYPE_CHECKING:
    from workshop.aws.session import Aws

_LISTS = {
    "list_endpoints": ("Endpoints", "EndpointName"),
    "list_endpoint_configs": ("EndpointConfigs", "EndpointConfigName"),
    "list_models": ("Models", "ModelName"),
}


def delete_or_keep_endpoint(aws: Aws, name: str, *, keep: bool) -> list[str]:
    """Delete an endpoint with its configurations and models, or leave them; running it again is no error.

    Args:
        name: Of the endpoint; the names of what is below it begin with it, and those of endpoints beside it.
        keep: Leave all of it; what it costs an hour is shown, and how to delete it.

    Returns:
        What is left of it, by name: asked, not remembered.

    Raises:
        WorkshopError: The endpoint did not go within endpoint_timeout_s.
    """
    sagemaker = aws.client("sagemaker")
    if keep and is_there(sagemaker.describe_endpoint, EndpointName=name):
        machine = aws.settings.pipeline_instance_type
        count = max(instances_of(sagemaker.describe_endpoint(EndpointName=name)), 1)
        price = {"hours": 1, "kind": ENDPOINT, "session": aws.boto_session}
        cost = estimate(aws.settings, machine, count=count, **price)
        print(f"KEPT: {name}\nevery hour: {cost}")
        print(f"to delete it: keep=False in this cell, or WORKSHOP_MODE={aws.mode} make cleanup CONFIRM=mine")
        return left_of(aws, name)
    for endpoint in dict.fromkeys([name, *_names(aws, "list_endpoints", name)]):
        delete_endpoint(aws, endpoint, timeout_s=aws.settings.endpoint_timeout_s)
        print(f"deleted endpoint {endpoint}")
    for config in _names(aws, "list_endpoint_configs", name):
        delete_if_there(sagemaker.delete_endpoint_config, EndpointConfigName=config)
        print(f"deleted configuration {config}")
    for model in _names(aws, "list_models", name):
        delete_if_there(sagemaker.delete_model, ModelName=model)
        print(f"deleted model {model}")
    return left_of(aws, name)


def left_of(aws: Aws, name: str) -> list[str]:
    """Return what AWS still has of an endpoint and what is below it."""
    return [left for operation in _LISTS for left in _names(aws, operation, name)]


def _names(aws: Aws, operation: str, name: str) -> list[str]:
    member, field = _LISTS[operation]
    pages = aws.client("sagemaker").get_paginator(operation).paginate(NameContains=name)
    return [one[field] for one in pages.build_full_result()[member]]
