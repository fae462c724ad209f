"""Bring an endpoint for inference components up, or find it: only what is missing is made, by any kernel.

plan = bring_up(aws, names, Needs(notebook="02-2-Option-Rolling-Update", copies={"tuned": 2}))

The requests are those of notebook 02-SageMaker-Inference-Component, in the same order.
"""

from __future__ import annotations

from workshop.account.usage import estimate_notebook
from workshop.aws.session import Aws
from workshop.endpoint.components import copies_of, wait_for_component, wait_until_settled
from workshop.endpoint.deletion import components_on
from workshop.endpoint.endpoints import wait_until_in_service
from workshop.endpoint.plan import VARIANT, ComponentsPlan, Needs, check_room
from workshop.endpoint.reuse import (
    component_is_missing,
    config_is_missing,
    endpoint_is_missing,
    model_is_missing,
)
from workshop.endpoint.scaling import deregister_targets
from workshop.entries import ComponentsState
from workshop.errors import WorkshopError
from workshop.state import State


def bring_up(aws: Aws, names: ComponentsState, needs: Needs) -> ComponentsPlan:
    """Make of models, configuration, endpoint and components what is missing, and wait until all serve.

    Args:
        names: From the state file, where they stand before anything is made.
        needs: Of the notebook; the estimate and the room that it needs are shown before anything is made.

    Raises:
        WorkshopError: Something would go wrong (no room, a model that does not fit), has gone wrong, or is
            there with other settings; each says what to do.
    """
    settings = aws.settings
    plan = ComponentsPlan.of(aws, names, State.load(settings).trained_model)
    print(f"estimate: {estimate_notebook(settings, needs.notebook, session=aws.boto_session)}")
    print(f"room: {check_room(settings, needs, _num_other_copies(aws, names, needs))}")
    _refuse_problems(plan)
    _make_models(aws, plan)
    _make_endpoint(aws, plan)
    # An earlier run may have stopped while it was scaled.
    for name in deregister_targets(aws, names.components):
        print(f"no longer scaled: {name}")
    for model in needs.copies:
        _make_component(aws, plan, model, needs.copies[model])
    for model, num_copies in needs.copies.items():  # all start at the same time
        _set_copies(aws, names.component(model), num_copies)
    return plan


def _num_other_copies(aws: Aws, names: ComponentsState, needs: Needs) -> int:
    """Return how many copies are on the endpoint of components that the notebook has no need of."""
    needed = {names.component(model) for model in needs.copies}
    on_it = components_on(aws, names.endpoint_name)
    return sum(max(copies_of(one)) for one in on_it if one["InferenceComponentName"] not in needed)


def _refuse_problems(plan: ComponentsPlan) -> None:
    for problem in plan.problems():
        raise WorkshopError(found=problem.found, expected=problem.expected, next_step=problem.next_step)


def _make_models(aws: Aws, plan: ComponentsPlan) -> None:
    for model in plan.models.values():
        is_missing = model_is_missing(aws, model)
        if is_missing:
            aws.client("sagemaker").create_model(
                ModelName=model.name, PrimaryContainer=model.container, ExecutionRoleArn=aws.role_arn
            )
        _tell(is_missing, model.name)


def _make_endpoint(aws: Aws, plan: ComponentsPlan) -> None:
    sagemaker, names = aws.client("sagemaker"), plan.names
    is_missing = config_is_missing(aws, plan)
    if is_missing:
        sagemaker.create_endpoint_config(
            EndpointConfigName=names.config_name,
            ProductionVariants=[plan.variant],
            ExecutionRoleArn=aws.role_arn,
        )
    _tell(is_missing, f"configuration {names.config_name}")
    is_missing = endpoint_is_missing(aws, names.endpoint_name)
    if is_missing:
        sagemaker.create_endpoint(EndpointName=names.endpoint_name, EndpointConfigName=names.config_name)
    _tell(is_missing, f"endpoint {names.endpoint_name}")
    wait_until_in_service(aws, names.endpoint_name, timeout_s=aws.settings.endpoint_timeout_s)


def _make_component(aws: Aws, plan: ComponentsPlan, model: str, num_copies: int) -> None:
    name = plan.names.component(model)
    is_missing = component_is_missing(aws, name, serves=plan.models[model].name)
    if is_missing:
        aws.client("sagemaker").create_inference_component(
            InferenceComponentName=name,
            EndpointName=plan.names.endpoint_name,
            VariantName=VARIANT,
            Specification=plan.specification(model),
            RuntimeConfig={"CopyCount": num_copies},
        )
    _tell(is_missing, f"component {name}")


def _set_copies(aws: Aws, name: str, num_copies: int) -> None:
    """Have so many copies, once what changes the component now has ended."""
    described = wait_until_settled(aws, name)
    if described["InferenceComponentStatus"] == "InService" and copies_of(described)[1] != num_copies:
        print(f"{name}: copies changed from {copies_of(described)[1]} to {num_copies}")
        aws.client("sagemaker").update_inference_component_runtime_config(
            InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": num_copies}
        )
    wait_for_component(aws, name, timeout_s=aws.settings.endpoint_timeout_s)


def _tell(is_made: bool, what: str) -> None:
    print(f"{'created' if is_made else 'found  '} {what}")
