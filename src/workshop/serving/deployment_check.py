"""What would go wrong with a deployment, found before it costs money: found, expected, do next.

problems = check_deployment(plan.engine, plan.environment, ModelFacts.of_folder(plan.model_dir),
                instance_type=settings.endpoint_instance_type, image=plan.image)
problems_table(problems)        # empty when nothing was found
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workshop.serving.deployment_rules import CHECKS, Deployment, Problem
from workshop.serving.family_rules import family, written_by_transformers_5
from workshop.serving.model_facts import ModelFacts

if TYPE_CHECKING:
    from pandas import DataFrame

BATCH_SIZE = 8
"""Requests of full length that a server should have room for."""


def check_deployment(
    engine: str,
    environment: Mapping[str, str],
    facts: ModelFacts,
    *,
    instance_type: str,
    image: str = "",
    batch_size: int = BATCH_SIZE,
    ami_version: str | None = None,
    is_component: bool = False,
    serves_adapter: bool = False,
    is_local: bool = False,
) -> list[Problem]:
    """Return what is wrong with a deployment; an empty list when nothing was found.

    Args:
        engine: A name of ENGINES.
        environment: Of the container.
        facts: Of the model.
        instance_type: For example ml.g5.12xlarge.
        image: Address of the image; "" leaves the checks of its CUDA version out.
        batch_size: Requests of full length that must fit into memory together.
        ami_version: InferenceAmiVersion of the endpoint's variant; None when it is not set.
        is_component: The environment is an inference component's, not a Model's.
        serves_adapter: A LoRA adapter is served beside its base model.
        is_local: The container starts on this machine, whose driver counts, and no endpoint's machine image.
    """
    deployment = Deployment(
        engine=engine,
        environment=environment,
        facts=facts,
        instance_type=instance_type,
        image=image,
        batch_size=batch_size,
        ami_version=ami_version,
        is_component=is_component,
        serves_adapter=serves_adapter,
        is_local=is_local,
    )
    checks = (*CHECKS, family, written_by_transformers_5)
    return [problem for check in checks for problem in check(deployment)]


def problems_table(problems: Sequence[Problem]) -> DataFrame:
    """Return the problems as a table, one a row."""
    import pandas as pd

    rows = [(problem.found, problem.expected, problem.next_step) for problem in problems]
    return pd.DataFrame(rows, columns=["found", "expected", "do next"])
