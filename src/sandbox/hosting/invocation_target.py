"""Who answers an invocation: a variant's instances, or the copies of an inference component.

Source: the messages are AWS's, as public issue threads and blog posts quote them, but for that of a component
that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.api.errors import AwsError
from sandbox.api.registry import ACCOUNT_ID
from sandbox.hosting import lifecycle
from sandbox.hosting.adapters import HEADER, RunningAdapter
from sandbox.hosting.data_capture import CaptureSettings
from sandbox.hosting.instance import Instance
from sandbox.hosting.metrics import metrics
from sandbox.hosting.pool import Pool
from sandbox.hosting.request_headers import Invocation
from sandbox.hosting.running_endpoint import RunningEndpoint

_NEEDS_COMPONENT = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference"
    " components. Please include Inference Component Name header or consider using SageMaker models."
)
_HAS_NO_COMPONENTS = (
    "Inference Component Name header is not allowed for endpoints to which you dont plan to deploy inference"
    " components. Please remove the Inference Component Name header and try again."
)
_NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress"
    " (if configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Who answers.

    Args:
        choose: Begins a request on an instance or a copy and returns it, or None.
        variant: Name of the variant.
        container: AWS's name of the container in messages.
        log_group: Where its output is.
        component: Name of the inference component, None for a variant with a model.
        num_instances: Instances of the variant.
        headers: What the container gets beside the caller's headers.
        capture: Of the variant of a component; that of a variant with a model is its instance's.
    """

    choose: Callable[[], Instance | None]
    variant: str
    container: str
    log_group: str
    component: str | None = None
    num_instances: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    capture: CaptureSettings | None = None


def target_of(invocation: Invocation, endpoint: RunningEndpoint) -> Target:
    """Return who answers an invocation of an endpoint.

    Raises:
        AwsError: It names what the endpoint does not have, or an inference component without a copy.
    """
    has_components = any(running.machines for running in endpoint.variants.values())
    if has_components and invocation.component is None:
        missing = "INFERENCE_COMPONENT_NAME_MISSING"
        raise AwsError("ValidationError", _NEEDS_COMPONENT, ErrorCode=missing)
    if has_components:
        return _component(invocation.component, endpoint)
    if invocation.component is not None:
        raise AwsError("ValidationError", _HAS_NO_COMPONENTS)
    running = endpoint.choose_variant(invocation.target_variant)
    if running is None:
        raise AwsError(
            "ValidationError",
            f"Variant {invocation.target_variant} not found in endpoint {endpoint.name} of account"
            f" {ACCOUNT_ID}.",
        )
    return _target(running, num_instances=len(running.copies))


def _component(name: str, endpoint: RunningEndpoint) -> Target:
    component = lifecycle.components.serving(endpoint.region, name)
    if component is None or component.endpoint != endpoint.name:
        raise AwsError(
            "ValidationError",
            f"Inference Component {name} not found in endpoint {endpoint.name} of account {ACCOUNT_ID}.",
        )
    base = component.base if isinstance(component, RunningAdapter) else component
    if not base.copies:
        metrics.no_capacity(
            region=endpoint.region, endpoint=endpoint.name, variant=component.variant_name, component=name
        )
        raise AwsError("ValidationError", _NO_CAPACITY)
    return _target(
        base,
        component=name,
        num_instances=base.machines.num_instances,
        headers={} if component is base else {HEADER: name},
        capture=base.machines.variant.capture,
    )


def _target(pool: Pool, **members: Any) -> Target:
    return Target(
        choose=pool.choose,
        variant=pool.variant_name,
        container=pool.spec.container_name,
        log_group=pool.log_group,
        **members,
    )
