"""The names of an endpoint, kept before anything is made, and what is there under them beside what is wanted.

A cell that is executed again, by a new kernel too, finds what an earlier one has made and makes only what is
missing. What was made of other weights or settings is neither called nor replaced: it costs until somebody
says that it may go.

    made = keep_names(aws, state, wanted, image=image, environment=environment, ami_version=None)
    if not is_there(sagemaker.describe_endpoint, EndpointName=made.endpoint_name):
        Endpoint.create(...)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from processes.secret_values import hider
from workshop.aws.resources import described_or_none
from workshop.endpoint.deletion import wait_until_endpoint_is_gone
from workshop.entries import EndpointState
from workshop.errors import WorkshopError

if TYPE_CHECKING:
    from workshop.aws.session import Aws
    from workshop.state import State

NOT_SET = "not set"
Difference = tuple[str, Any, Any]  # of what, as it is there, as it is wanted


def keep_names(
    aws: Aws,
    state: State,
    wanted: EndpointState,
    *,
    image: str,
    environment: Mapping[str, str],
    ami_version: str | None,
) -> EndpointState:
    """Return the recorded endpoint, or record the one that is wanted.

    Args:
        aws: Asked for what is there under the recorded names; the end of a deletion is waited for.
        state: Of the mode; saved.
        wanted: With names that count when none are recorded.
        image: Of its container.
        environment: Of its container.
        ami_version: InferenceAmiVersion of its variant; None when it is not set.

    Returns:
        `wanted` under the recorded names.

    Raises:
        WorkshopError: A part of it is there and was made of something else.
    """
    recorded = state.keep("endpoint", wanted)
    made = replace(
        wanted,
        made_at=recorded.made_at,
        endpoint_name=recorded.endpoint_name,
        config_name=recorded.config_name,
        model_name=recorded.model_name,
    )
    found = [
        *model_differences(
            aws, made.model_name, image=image, environment=environment, model_uri=made.model_uri
        ),
        *_config_differences(aws, made, ami_version),
        *_endpoint_differences(aws, made),
    ]
    if found:
        raise made_of_something_else(
            made.endpoint_name, found, notebook=made.notebook, under="Delete (section 8)"
        )
    if made != recorded:
        state.endpoint = made
        state.save()
    return made


def model_differences(
    aws: Aws, name: str, *, image: str, environment: Mapping[str, str], model_uri: str
) -> Iterator[Difference]:
    """Yield what of a SageMaker model is not as it is wanted; nothing when there is no such model."""
    model = described_or_none(aws.client("sagemaker").describe_model, ModelName=name)
    if model is None:
        return
    container = model["PrimaryContainer"]
    source = container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri", NOT_SET)
    is_there = {"weights": source.rstrip("/"), "image": container.get("Image", NOT_SET)}
    yield from differences(is_there, {"weights": model_uri.rstrip("/"), "image": image})
    yield from differences(container.get("Environment", {}), environment)


def _config_differences(aws: Aws, made: EndpointState, ami_version: str | None) -> Iterator[Difference]:
    config = described_or_none(
        aws.client("sagemaker").describe_endpoint_config, EndpointConfigName=made.config_name
    )
    for variant in config["ProductionVariants"] if config else ():
        wanted = {"InstanceType": made.instance_type, "InferenceAmiVersion": ami_version or NOT_SET}
        yield from differences({name: variant.get(name, NOT_SET) for name in wanted}, wanted)


def _endpoint_differences(aws: Aws, made: EndpointState) -> Iterator[Difference]:
    endpoint = described_or_none(aws.client("sagemaker").describe_endpoint, EndpointName=made.endpoint_name)
    if endpoint is None:
        return
    if endpoint["EndpointStatus"] == "Deleting":
        wait_until_endpoint_is_gone(aws, made.endpoint_name, timeout_s=aws.settings.endpoint_timeout_s)
        return
    # While it is created or after it failed AWS may name none.
    config_name = endpoint.get("EndpointConfigName", made.config_name)
    yield from differences({"configuration": config_name}, {"configuration": made.config_name})


def differences(is_there: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield each name whose value is not the one that is wanted, with both."""
    for name in {**is_there, **wanted}:
        pair = is_there.get(name, NOT_SET), wanted.get(name, NOT_SET)
        if pair[0] != pair[1]:
            yield name, *pair


def made_of_something_else(name: str, found: list[Difference], *, notebook: str, under: str) -> WorkshopError:
    """Return the error that says what of something is not as it is wanted, without secrets.

    Args:
        notebook: Whose endpoint it is.
        under: Heading of the cell there that deletes it.
    """
    values = {f"{what} {index}": value for what, *pair in found for index, value in enumerate(map(str, pair))}
    hide = hider({**os.environ, **values})
    there = "\n".join(f"  {what} = {value}" for what, value, _ in found)
    wanted = "\n".join(f"  {what} = {value}" for what, _, value in found)
    return WorkshopError(
        found=hide(f"{name} is there already, made of something else:\n{there}"),
        expected=hide(f"what {notebook} and workshop.yaml ask for by now:\n{wanted}"),
        next_step=f"delete it with the cell under {under} of {notebook}, then run the cell again; or change "
        "back what was changed. Until then it stays, and an endpoint costs",
    )
