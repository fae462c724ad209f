"""Delete endpoints and inference components in the order that AWS asks for, within a time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from workshop.aws.resources import delete_if_there, described_or_none
from workshop.aws.session import Aws
from workshop.aws.waits import Wait
from workshop.endpoint.components import is_adapter

# While a copy starts or a scaling action changes their number AWS refuses the deletion.
# Source: its messages, "... while it is in state CREATE_IN_PROGRESS", "UPDATE_RC_IN_PROGRESS".
_BUSY = re.compile(r"(?i)IN_PROGRESS|in-progress|creating|updating")


def components_on(aws: Aws, endpoint_name: str) -> list[dict[str, Any]]:
    """Return DescribeInferenceComponent of everything that is on an endpoint, adapters first."""
    sagemaker = aws.client("sagemaker")
    pages = sagemaker.get_paginator("list_inference_components").paginate(EndpointNameEquals=endpoint_name)
    names = [item["InferenceComponentName"] for page in pages for item in page["InferenceComponents"]]
    described = [found for name in names if (found := _described(sagemaker, name)) is not None]
    return sorted(described, key=lambda component: not is_adapter(component))


def delete_components(aws: Aws, endpoint_name: str, *, timeout_s: float) -> list[str]:
    """Delete the inference components of an endpoint, adapters before bases, and wait until they are gone.

    One that AWS does not let go yet (a copy starts, a scaling action runs) is retried until the time is
    over.

    Args:
        endpoint_name: Endpoint; one that is not there has none.
        timeout_s: For all of them together.

    Returns:
        Their names, in the order in which they were deleted.

    Raises:
        WorkshopError: The deletion timed out; the message names what is left.
    """
    deadline_s, deleted = time.monotonic() + timeout_s, []
    for are_adapters in (True, False):
        group = [one for one in components_on(aws, endpoint_name) if is_adapter(one) is are_adapters]
        names = [one["InferenceComponentName"] for one in group]
        # All are asked before one is waited for: they end at the same time.
        for name in names:
            ask_to_delete_component(aws, name, timeout_s=max(deadline_s - time.monotonic(), 0))
        for name in names:
            wait_until_component_is_gone(aws, name, timeout_s=max(deadline_s - time.monotonic(), 0))
        deleted += names
    return deleted


def delete_component(aws: Aws, name: str, *, timeout_s: float) -> None:
    """Delete one inference component and wait until it is gone; one that is not there is no error.

    Args:
        name: Inference component, without adapters on it.
        timeout_s: For the whole.

    Raises:
        WorkshopError: The deletion timed out.
        ClientError: AWS refuses for another reason than that it is being changed.
    """
    deadline_s = time.monotonic() + timeout_s
    ask_to_delete_component(aws, name, timeout_s=timeout_s)
    wait_until_component_is_gone(aws, name, timeout_s=max(deadline_s - time.monotonic(), 0))


def delete_endpoint(aws: Aws, name: str, *, timeout_s: float) -> None:
    """Delete an endpoint without components and wait until it is gone; one that is not there is no error.

    Args:
        name: Endpoint; while it is created or updated AWS refuses, and is asked again.
        timeout_s: For the whole.

    Raises:
        WorkshopError: The deletion timed out.
        ClientError: AWS refuses for another reason than that it is being changed.
    """
    deadline_s = time.monotonic() + timeout_s
    ask_to_delete_endpoint(aws, name, timeout_s=timeout_s)
    wait_until_endpoint_is_gone(aws, name, timeout_s=max(deadline_s - time.monotonic(), 0))


def ask_to_delete_component(aws: Aws, name: str, *, timeout_s: float) -> None:
    """Ask for a component's deletion until AWS accepts it; of several all are asked before one is waited for.

    Raises:
        WorkshopError: AWS did not accept it in time.
        ClientError: AWS refuses for another reason than that it is being changed.
    """
    delete = aws.client("sagemaker").delete_inference_component
    wait = _wait(aws, f"DeleteInferenceComponent {name}", "component", timeout_s)
    _ask(wait, lambda: delete_if_there(delete, InferenceComponentName=name))


def wait_until_component_is_gone(aws: Aws, name: str, *, timeout_s: float) -> None:
    """Show a component's status until nothing has its name.

    Raises:
        WorkshopError: The wait timed out.
    """
    _wait(aws, name, "component", timeout_s).until(
        lambda: _described(aws.client("sagemaker"), name),
        is_done=lambda described: described is None,
        text=lambda described: "gone" if described is None else described["InferenceComponentStatus"],
    )


def ask_to_delete_endpoint(aws: Aws, name: str, *, timeout_s: float) -> None:
    """Ask for an endpoint's deletion until AWS accepts it; as of components.

    Raises:
        WorkshopError: AWS did not accept it in time.
        ClientError: AWS refuses for another reason than that it is being changed.
    """
    delete = aws.client("sagemaker").delete_endpoint
    wait = _wait(aws, f"DeleteEndpoint {name}", "endpoint", timeout_s)
    _ask(wait, lambda: delete_if_there(delete, EndpointName=name))


def wait_until_endpoint_is_gone(aws: Aws, name: str, *, timeout_s: float) -> None:
    """Show an endpoint's status until nothing has its name.

    Raises:
        WorkshopError: The wait timed out.
    """
    describe = aws.client("sagemaker").describe_endpoint
    _wait(aws, name, "endpoint", timeout_s).until(
        lambda: described_or_none(describe, EndpointName=name),
        is_done=lambda described: described is None,
        text=lambda described: "gone" if described is None else described["EndpointStatus"],
    )


def _ask(wait: Wait, delete: Callable[[], bool]) -> None:
    """Ask until AWS accepts, or until there is nothing to delete."""
    wait.until(
        lambda: _reason_to_wait(delete),
        is_done=lambda reason: not reason,
        text=lambda reason: f"not yet: {reason}" if reason else "accepted",
    )


def _reason_to_wait(delete: Callable[[], bool]) -> str:
    """Return why AWS does not let it go yet; "" when it does, or when it is gone already."""
    from botocore.exceptions import ClientError

    try:
        delete()
    except ClientError as error:
        message = error.response["Error"].get("Message", "")
        if not _BUSY.search(message):
            raise
        return message
    return ""


def _wait(aws: Aws, title: str, what: str, timeout_s: float) -> Wait:
    consequence = "its instances cost as long as they exist"
    if what == "component":
        consequence = f"the endpoint cannot be deleted before, and {consequence}"
    return Wait(
        title=title,
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        setting="endpoint_timeout_s",
        expected=f"the end of the {what}",
        next_step="run the cell again; if it stays, look at it in the SageMaker console or ask AWS Support: "
        + consequence,
    )


def _described(sagemaker: Any, name: str) -> dict[str, Any] | None:
    return described_or_none(sagemaker.describe_inference_component, InferenceComponentName=name)
