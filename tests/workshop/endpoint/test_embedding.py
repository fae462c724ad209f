"""The embedding endpoint is brought up once, whoever dies in between; then it is kept or deleted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.workshop.endpoint.test_bring_up import Kernel, Killed

from workshop.account.finding import find
from workshop.aws.resources import is_there
from workshop.endpoint.embedding import (
    EmbeddingPlan,
    bring_up_embedding,
    delete_or_keep_embedding,
    embedding_plan,
)
from workshop.errors import WorkshopError
from workshop.state import State

CREATIONS = ("CreateModel", "CreateEndpointConfig", "CreateEndpoint")
DELETIONS = ("DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel")


def brought_up(kernel: Kernel) -> EmbeddingPlan:
    plan = embedding_plan(kernel.aws, notebook="02-RAG-Hybrid-Search")
    bring_up_embedding(kernel.aws, plan)
    return plan


def test_kernels_that_die_after_each_request_make_and_delete_everything_once(
    sandbox_home: Path, capsys: Any
) -> None:
    total: Counter[str] = Counter()
    for operation in CREATIONS:
        kernel = Kernel(sandbox_home)
        kernel.dies_after = operation
        with pytest.raises(Killed):
            brought_up(kernel)
        total += kernel.created
    later = Kernel(sandbox_home)
    plan = brought_up(later)
    assert total + later.created == dict.fromkeys(CREATIONS, 1)
    name, aws = plan.endpoint_name, later.aws
    assert f"found   endpoint {name}" in capsys.readouterr().out
    config = aws.client("sagemaker").describe_endpoint_config(EndpointConfigName=plan.names.config_name)
    (variant,) = config["ProductionVariants"]
    # AWS gives up on a container no later than the cell that waits for it.
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] <= aws.settings.endpoint_timeout_s
    (mine,) = [one for one in find(aws).found if (one.kind, one.name) == ("Endpoint", name)]
    assert {"ledger", "tag", "state"} <= set(mine.sources)
    assert mine.usd_per_hour == pytest.approx(0.41)
    changed = Kernel(sandbox_home, WORKSHOP_EMBEDDING_INSTANCE_TYPE="ml.c6i.4xlarge")
    with pytest.raises(
        WorkshopError, match=r"InstanceType = ml.c6i.2xlarge[\s\S]*what 02-RAG-Hybrid-Search and[\s\S]*Delete"
    ):
        brought_up(changed)
    other = Kernel(sandbox_home, WORKSHOP_EMBEDDING_MODEL="BAAI/bge-m3")
    with pytest.raises(WorkshopError, match=r"HF_MODEL_ID = intfloat[\s\S]*HF_MODEL_ID = BAAI/bge-m3"):
        brought_up(other)
    delete_or_keep_embedding(aws, keep=True)
    assert "0.41 USD/h" in capsys.readouterr().out
    for operation in DELETIONS:
        dying = Kernel(sandbox_home)
        dying.dies_after = operation
        with pytest.raises(Killed):
            delete_or_keep_embedding(dying.aws, keep=False)
        assert State.load(aws.settings).embedding.endpoint_name == name
    for keep in (True, False):  # an endpoint that has gone is not kept, and twice is no error
        delete_or_keep_embedding(aws, keep=keep)
    sagemaker = aws.client("sagemaker")
    assert not is_there(sagemaker.describe_model, ModelName=name)
    assert not is_there(sagemaker.describe_endpoint_config, EndpointConfigName=name)
    assert not State.load(aws.settings).has("embedding")


def test_a_model_that_is_not_on_this_machine_fails_with_the_reason(sandbox_home: Path) -> None:
    kernel = Kernel(sandbox_home, WORKSHOP_EMBEDDING_MODEL="BAAI/bge-m3")
    with pytest.raises(WorkshopError, match=r"failed[\s\S]*the model 'BAAI/bge-m3'"):
        brought_up(kernel)
    delete_or_keep_embedding(kernel.aws, keep=False)
