"""Delete the inference components of an endpoint in the order that AWS asks for, within a time."""

from __future__ import annotations

import re
import time
from typing import Any

from workshop.aws.resources import described_or_none, is_missing
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
            _delete(aws, name, max(deadline_s - time.monotonic(), 0))
        for name in names:
            _wait_until_gone(aws, name, max(deadline_s - time.monotonic(), 0))
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
    _delete(aws, name, timeout_s)
    _wait_until_gone(aws, name, max(deadline_s - time.monotonic(), 0))


def _delete(aws: Aws, name: str, timeout_s: float) -> None:
    """Ask for the deletion until AWS accepts it."""
    _wait(aws, f"DeleteInferenceComponent {name}", timeout_s).until(
        lambda: _try_to_delete(aws.client("sagemaker"), name),
        is_done=lambda reason: not reason,
        text=lambda reason: f"not yet: {reason}" if reason else "accepted",
    )


def _try_to_delete(sagemaker: Any, name: str) -> str:
    """Return why AWS does not let it go yet; "" when it does, or when it is gone already."""
    from botocore.exceptions import ClientError

    try:
        sagemaker.delete_inference_component(InferenceComponentName=name)
    except ClientError as error:
        message = error.response["Error"].get("Message", "")
        if is_missing(error):
            return ""
        if not _BUSY.search(message):
            raise
        return message
    return ""


def _wait_until_gone(aws: Aws, name: str, timeout_s: float) -> None:
    _wait(aws, name, timeout_s).until(
        lambda: _described(aws.client("sagemaker"), name),
        is_done=lambda described: described is None,
        text=lambda described: "gone" if described is None else described["InferenceComponentStatus"],
    )


def _wait(aws: Aws, title: str, timeout_s: float) -> Wait:
    return Wait(
        title=title,
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        setting="endpoint_timeout_s",
        expected="the end of the component",
        next_step="run the cell again; if it stays, look at it in the SageMaker console or ask AWS Support: "
        "the endpoint cannot be deleted before, and its instances cost as long as they exist",
    )


def _described(sagemaker: Any, name: str) -> dict[str, Any] | None:
    return described_or_none(sagemaker.describe_inference_component, InferenceComponentName=name)
