"""An endpoint keeps its names; what is there under them is compared with what is wanted."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.workshop.components_on_sandbox import TGI_IMAGE, create_model
from tests.workshop.endpoint.conftest import TIMEOUT_S

from workshop.aws.resources import is_there
from workshop.aws.session import Aws
from workshop.aws.upload import upload_base_model
from workshop.endpoint.deletion import delete_endpoint
from workshop.endpoint.deployed import keep_names
from workshop.endpoint.endpoints import wait_until_in_service
from workshop.entries import EndpointState, now_utc
from workshop.errors import WorkshopError
from workshop.serving.environment import serving_environment
from workshop.settings import load_settings
from workshop.state import State

WANTED = {
    "image": TGI_IMAGE,
    "environment": serving_environment("tgi", num_gpus=1),
    "ami_version": "al2-ami-sagemaker-inference-gpu-3-1",
}


@pytest.fixture
def aws(sample_aws: Aws) -> Iterator[Aws]:
    yield sample_aws
    state = State.load(sample_aws.settings)
    state.remove("endpoint")
    state.save()


def entry(aws: Aws) -> EndpointState:
    """Return what a notebook wants, under a name of its own each time."""
    name = f"news-{uuid.uuid4().hex[:8]}"
    return EndpointState(
        made_at=now_utc(),
        notebook="04-SageMaker-Inference",
        endpoint_name=name,
        config_name=name,
        model_name=name,
        model_uri=upload_base_model(aws, load_settings(environ={})),
        instance_type="ml.g5.4xlarge",
    )


def keep(aws: Aws, wanted: EndpointState, **changes: Any) -> EndpointState:
    return keep_names(aws, State.load(aws.settings), wanted, **WANTED | changes)


def make(aws: Aws, made: EndpointState, **environment: str) -> None:
    """Create model and configuration, and no endpoint."""
    create_model(aws, made.model_name, **environment)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": made.model_name,
        "InstanceType": made.instance_type,
        "InitialInstanceCount": 1,
        "InferenceAmiVersion": WANTED["ami_version"],
    }
    sagemaker = aws.client("sagemaker")
    sagemaker.create_endpoint_config(EndpointConfigName=made.config_name, ProductionVariants=[variant])


def test_names_are_kept_before_anything_is_made_and_what_else_is_wanted_may_change_until_then(
    aws: Aws,
) -> None:
    first = keep(aws, entry(aws))
    assert State.load(aws.settings).endpoint == first
    other = dataclasses.replace(entry(aws), instance_type="ml.g6.12xlarge")
    second = keep(aws, other, image="another")
    assert second == dataclasses.replace(first, instance_type="ml.g6.12xlarge")
    assert State.load(aws.settings).endpoint == second


@pytest.mark.parametrize(
    ("changes", "model_uri", "lines"),
    [
        ({}, "", ()),
        ({}, "s3://b/another-job/", ("weights = s3://", "weights = s3://b/another-job")),
        ({"image": "vllm:1"}, "", (f"image = {TGI_IMAGE}", "image = vllm:1")),
        ({"ami_version": None}, "", ("InferenceAmiVersion = al2-", "InferenceAmiVersion = not set")),
        ({"environment": WANTED["environment"] | {"MAX_TOTAL_TOKENS": "4096", "HF_MODEL_QUANTIZE": "fp8"}},
         "",
         ("MAX_TOTAL_TOKENS = 2048\n  HF_MODEL_QUANTIZE = not set",
          "MAX_TOTAL_TOKENS = 4096\n  HF_MODEL_QUANTIZE = fp8")),
        ({"environment": WANTED["environment"] | {"HF_TOKEN": "hf_" + "0" * 20}}, "",
         ("HF_TOKEN = not set", "HF_TOKEN = ***")),
    ],
)  # fmt: skip
def test_what_was_made_of_something_else_is_named_and_left_alone(
    aws: Aws, changes: dict[str, Any], model_uri: str, lines: tuple[str, ...]
) -> None:
    made = keep(aws, entry(aws))
    make(aws, made)
    wanted = dataclasses.replace(entry(aws), model_uri=model_uri or made.model_uri)
    if not lines:
        assert keep(aws, wanted, **changes) == made
        return
    with pytest.raises(WorkshopError) as caught:
        keep(aws, wanted, **changes)
    assert made.endpoint_name in caught.value.found
    assert lines[0] in caught.value.found
    assert lines[1] in caught.value.expected
    assert caught.value.found.count("=") == caught.value.expected.count("=") == lines[0].count("=")
    assert "what 04-SageMaker-Inference and workshop.yaml ask for" in caught.value.expected
    assert "section 8) of 04-SageMaker-Inference" in caught.value.next_step
    assert State.load(aws.settings).endpoint == made


def test_another_instance_type_is_another_endpoint(aws: Aws) -> None:
    made = keep(aws, entry(aws))
    make(aws, made)
    with pytest.raises(WorkshopError, match=r"InstanceType = ml\.g5\.4xlarge"):
        keep(aws, dataclasses.replace(entry(aws), instance_type="ml.g6.12xlarge"))


def test_an_endpoint_that_is_being_deleted_is_waited_for(aws: Aws) -> None:
    made, sagemaker = keep(aws, entry(aws)), aws.client("sagemaker")
    make(aws, made)
    sagemaker.create_endpoint(EndpointName=made.endpoint_name, EndpointConfigName=made.config_name)
    wait_until_in_service(aws, made.endpoint_name, timeout_s=TIMEOUT_S)
    sagemaker.delete_endpoint(EndpointName=made.endpoint_name)
    assert keep(aws, entry(aws)) == made
    assert not is_there(sagemaker.describe_endpoint, EndpointName=made.endpoint_name)
    delete_endpoint(aws, made.endpoint_name, timeout_s=TIMEOUT_S)


def test_one_that_failed_stays_and_says_so_whenever_the_cells_are_run(aws: Aws) -> None:
    wrong = WANTED["environment"] | {"MAX_INPUT_TOKENS": "many"}
    made, sagemaker = keep(aws, entry(aws), environment=wrong), aws.client("sagemaker")
    make(aws, made, MAX_INPUT_TOKENS="many")
    sagemaker.create_endpoint(EndpointName=made.endpoint_name, EndpointConfigName=made.config_name)
    for _ in range(2):  # Run All, and once more
        assert keep(aws, entry(aws), environment=wrong) == made
        assert is_there(sagemaker.describe_endpoint, EndpointName=made.endpoint_name)
        with pytest.raises(WorkshopError, match="MAX_INPUT_TOKENS") as caught:
            wait_until_in_service(aws, made.endpoint_name, timeout_s=TIMEOUT_S)
        assert "under Delete" in caught.value.next_step
    with pytest.raises(WorkshopError, match="MAX_INPUT_TOKENS = many"):
        keep(aws, entry(aws))  # corrected: the old one is still there
    delete_endpoint(aws, made.endpoint_name, timeout_s=TIMEOUT_S)


def test_a_wait_for_an_endpoint_that_is_gone_ends_at_once(aws: Aws) -> None:
    started_s = time.monotonic()
    with pytest.raises(WorkshopError, match="no endpoint never-made"):
        wait_until_in_service(aws, "never-made", timeout_s=TIMEOUT_S)
    assert time.monotonic() - started_s < TIMEOUT_S
