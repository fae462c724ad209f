"""Images of AWS's own registries are found by their manifest, as far as the sandbox emulates them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

AWS = "763104351884"


@pytest.fixture
def ecr(sandbox: Any) -> Any:
    return sandbox.client("ecr")


@pytest.mark.parametrize("name", ["huggingface-pytorch-training", "djl-inference", "vllm"])
def test_an_image_that_is_emulated_is_there_with_every_tag(ecr: Any, name: str) -> None:
    tags = [{"imageTag": "one"}, {"imageTag": "two"}]
    answer = ecr.batch_get_image(registryId=AWS, repositoryName=name, imageIds=tags)
    assert [image["imageId"]["imageTag"] for image in answer["images"]] == ["one", "two"]
    assert {image["registryId"] for image in answer["images"]} == {AWS}
    assert json.loads(answer["images"][0]["imageManifest"])["layers"] == []
    assert answer["failures"] == []


def test_another_one_is_not_in_a_registry_of_aws(ecr: Any) -> None:
    with pytest.raises(ClientError, match=f"'xgboost' does not exist in the registry with id '{AWS}'"):
        ecr.batch_get_image(registryId=AWS, repositoryName="xgboost", imageIds=[{"imageTag": "1"}])


def test_a_repository_of_ones_own_has_what_was_pushed(ecr: Any) -> None:
    ecr.create_repository(repositoryName="djl-inference")
    answer = ecr.batch_get_image(repositoryName="djl-inference", imageIds=[{"imageTag": "1"}])
    assert [each["failureCode"] for each in answer["failures"]] == ["ImageNotFound"]
