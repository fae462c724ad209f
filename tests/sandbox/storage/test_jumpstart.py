"""JumpStart's list of models is there for the SDK, and has none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

BUCKET = "jumpstart-cache-prod-ap-northeast-2"


@pytest.mark.parametrize("key", ["models_manifest.json", "proprietary-sdk-manifest.json"])
def test_the_lists_are_read_as_objects_of_s3(sandbox, key: str) -> None:
    s3 = sandbox.client("s3")
    got = s3.get_object(Bucket=BUCKET, Key=key)
    (entry,) = json.loads(got["Body"].read())
    assert entry["model_id"] == "the-sandbox-has-no-jumpstart-models"
    head = s3.head_object(Bucket=BUCKET, Key=key)
    assert (head["ETag"], head["ContentLength"]) == (got["ETag"], got["ContentLength"])


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_object", {"Bucket": BUCKET, "Key": "community_models/a.json"}),
        ("get_object", {"Bucket": "my-jumpstart-cache-prod", "Key": "models_manifest.json"}),
        ("put_object", {"Bucket": BUCKET, "Key": "models_manifest.json", "Body": b"[]"}),
    ],
)
def test_nothing_else_of_that_bucket_is_there(sandbox, operation: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        getattr(sandbox.client("s3"), operation)(**arguments)
    assert sandbox.client("s3").list_buckets()["Buckets"] == []


def test_the_sdk_says_which_model_it_lacks(sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from sagemaker.core import hyperparameters

    for name, value in {
        "AWS_ENDPOINT_URL": sandbox.url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(KeyError, match=r"Unable to find model manifest for 'some-llm'.*the-sandbox-has-no"):
        hyperparameters.retrieve_default(model_id="some-llm", model_version="*", region="us-east-1")
