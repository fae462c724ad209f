"""The embedding endpoint of track 03: brought up or found by any notebook and kernel, then deleted or kept.

    plan = embedding_plan(aws, notebook="02-RAG-Hybrid-Search")     # names are kept before anything is made
    bring_up_embedding(aws, plan)                                   # model, configuration, endpoint; waits
    embedder = Embedder(aws, plan.endpoint_name)
    ...
    delete_or_keep_embedding(aws, keep=settings.keep_endpoint)

A notebook that shows the requests sends them itself: `plan.container`, `plan.variant`, and of each part
whether it `..._is_missing`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from workshop.aws.resources import delete_if_there, described_or_none
from workshop.aws.session import Aws
from workshop.cost import estimate
from workshop.endpoint.deletion import delete_endpoint
from workshop.endpoint.deployed import NOT_SET, differences, made_of_something_else, model_differences
from workshop.endpoint.endpoints import wait_until_in_service
from workshop.endpoint.plan import startup_limits
from workshop.endpoint.reuse import endpoint_is_missing
from workshop.entries import EndpointState, now_utc
from workshop.prices import ENDPOINT
from workshop.serving.embeddings import embedding_environment, embedding_image
from workshop.state import State

VARIANT = "AllTraffic"
_STARTUP = "ContainerStartupHealthCheckTimeoutInSeconds"
_UNDER = "Delete, or keep (with keep=False)"


@dataclass(frozen=True, kw_only=True)
class EmbeddingPlan:
    """Everything that the three requests for the endpoint say.

    Args:
        names: Of model, configuration and endpoint, as state.json has them.
        image: Of TEI for CPUs.
        environment: Of its container.
        startup_timeout_s: Until when it has to answer /ping; on AWS it fetches the model before that.
    """

    names: EndpointState
    image: str
    environment: Mapping[str, str]
    startup_timeout_s: int

    @property
    def endpoint_name(self) -> str:
        return self.names.endpoint_name

    @property
    def container(self) -> dict[str, Any]:
        """PrimaryContainer of CreateModel: without ModelDataSource, as the image fetches a public model."""
        return {"Image": self.image, "Environment": dict(self.environment)}

    @property
    def variant(self) -> dict[str, Any]:
        """The endpoint's only variant: one machine without a GPU."""
        return {
            "VariantName": VARIANT,
            "ModelName": self.names.model_name,
            "InstanceType": self.names.instance_type,
            "InitialInstanceCount": 1,
            _STARTUP: self.startup_timeout_s,
        }


def embedding_plan(aws: Aws, *, notebook: str) -> EmbeddingPlan:
    """Return what the endpoint is made of, under the names that state.json has or has from now on.

    Raises:
        WorkshopError: A part of it is there and was made of something else.
    """
    settings, state = aws.settings, State.load(aws.settings)
    name = time.strftime("news-embed-%m%d-%H%M%S")
    wanted = EndpointState(
        made_at=now_utc(),
        notebook=notebook,
        endpoint_name=name,
        config_name=name,
        model_name=name,
        model_uri=settings.embedding_model,
        instance_type=settings.embedding_instance_type,
    )
    recorded = state.keep("embedding", wanted)
    plan = EmbeddingPlan(
        names=replace(recorded, model_uri=wanted.model_uri, instance_type=wanted.instance_type),
        image=embedding_image(aws.region),
        environment=embedding_environment(settings.embedding_model),
        startup_timeout_s=startup_limits(settings)[_STARTUP],
    )
    _refuse_something_else(aws, plan)
    if plan.names != recorded:
        state.embedding = plan.names
        state.save()
    return plan


def bring_up_embedding(aws: Aws, plan: EmbeddingPlan) -> None:
    """Make of model, configuration and endpoint what is missing, and wait until it serves.

    Raises:
        WorkshopError: It failed, or was not in service within endpoint_timeout_s.
    """
    sagemaker, names = aws.client("sagemaker"), plan.names
    is_missing = embedding_model_is_missing(aws, plan)
    if is_missing:
        sagemaker.create_model(
            ModelName=names.model_name, PrimaryContainer=plan.container, ExecutionRoleArn=aws.role_arn
        )
    _tell(is_missing, f"model {names.model_name}: {plan.names.model_uri}")
    is_missing = embedding_config_is_missing(aws, plan)
    if is_missing:
        sagemaker.create_endpoint_config(
            EndpointConfigName=names.config_name, ProductionVariants=[plan.variant]
        )
    _tell(is_missing, f"configuration {names.config_name}: {names.instance_type}")
    is_missing = endpoint_is_missing(aws, names.endpoint_name)
    if is_missing:
        sagemaker.create_endpoint(EndpointName=names.endpoint_name, EndpointConfigName=names.config_name)
    _tell(is_missing, f"endpoint {names.endpoint_name}")
    wait_until_in_service(aws, names.endpoint_name, timeout_s=aws.settings.endpoint_timeout_s)


def embedding_model_is_missing(aws: Aws, plan: EmbeddingPlan) -> bool:
    """Tell whether the SageMaker model has to be created."""
    return described_or_none(aws.client("sagemaker").describe_model, ModelName=plan.names.model_name) is None


def embedding_config_is_missing(aws: Aws, plan: EmbeddingPlan) -> bool:
    """Tell whether the endpoint's configuration has to be created."""
    return _config(aws, plan) is None


def delete_or_keep_embedding(aws: Aws, *, keep: bool) -> None:
    """Delete endpoint, configuration and model, or leave them for the next notebook; again is no error.

    Raises:
        WorkshopError: The endpoint did not go within endpoint_timeout_s.
    """
    state = State.load(aws.settings)
    if not state.has("embedding"):
        print("no embedding endpoint is left")
        return
    names, sagemaker = state.embedding, aws.client("sagemaker")
    is_there = described_or_none(sagemaker.describe_endpoint, EndpointName=names.endpoint_name) is not None
    if keep and is_there:
        price = {"hours": 1, "kind": ENDPOINT, "session": aws.boto_session}
        print(f"KEPT: {names.endpoint_name}, the embedding model")
        print(f"every hour: {estimate(aws.settings, names.instance_type, **price)}")
        print(f"to delete it: keep=False in this cell, or WORKSHOP_MODE={aws.mode} make cleanup CONFIRM=mine")
        return
    delete_endpoint(aws, names.endpoint_name, timeout_s=aws.settings.endpoint_timeout_s)
    delete_if_there(sagemaker.delete_endpoint_config, EndpointConfigName=names.config_name)
    delete_if_there(sagemaker.delete_model, ModelName=names.model_name)
    state.remove("embedding")
    state.save()
    print(f"deleted {names.endpoint_name}: endpoint, configuration, model")


def _tell(is_made: bool, what: str) -> None:
    print(f"{'created' if is_made else 'found  '} {what}")


def _refuse_something_else(aws: Aws, plan: EmbeddingPlan) -> None:
    found = list(
        model_differences(
            aws,
            plan.names.model_name,
            image=plan.image,
            environment=plan.environment,
            model_uri=NOT_SET,
        )
    )
    for variant in (_config(aws, plan) or {"ProductionVariants": []})["ProductionVariants"]:
        wanted = {name: plan.variant[name] for name in ("ModelName", "InstanceType")}
        found += differences({name: variant.get(name, NOT_SET) for name in wanted}, wanted)
    if found:
        raise made_of_something_else(plan.endpoint_name, found, notebook=plan.names.notebook, under=_UNDER)


def _config(aws: Aws, plan: EmbeddingPlan) -> dict[str, Any] | None:
    return described_or_none(
        aws.client("sagemaker").describe_endpoint_config, EndpointConfigName=plan.names.config_name
    )
