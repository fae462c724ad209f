"""Models: what AWS accepts, refuses and describes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/service"
IMAGE = {"Image": "111111111111.dkr.ecr.us-east-1.amazonaws.com/tgi:3"}
# What the SageMaker SDK makes of the answers: its classes refuse what does not fit.
READ_WITH_SDK = """
import sys, boto3
from sagemaker.core.resources import EndpointConfig, Model
session = boto3.session.Session(region_name="us-east-1")
model = Model.get("complete", session=session)
assert model.primary_container.environment == {"A": "1"}, model
assert model.vpc_config.subnets == ["subnet-1"] and model.enable_network_isolation is True
config = EndpointConfig.get("complete", session=session)
assert config.production_variants[0].model_name == "complete", config
assert [found.model_name for found in Model.get_all(session=session)] == ["complete"]
config.delete(); model.delete()
"""


def create(sandbox, name: str, **members: Any) -> Any:
    return sandbox.client("sagemaker").create_model(ModelName=name, ExecutionRoleArn=ROLE, **members)


def source(uri: str = "s3://b/p/", data_type: str = "S3Prefix", compression: str = "None") -> dict[str, Any]:
    return {"S3DataSource": {"S3Uri": uri, "S3DataType": data_type, "CompressionType": compression}}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "either PrimaryContainer or Containers"),
        ({"Containers": []}, "either PrimaryContainer or Containers"),
        ({"PrimaryContainer": IMAGE, "Containers": [IMAGE]}, "either PrimaryContainer or Containers"),
        ({"PrimaryContainer": {}}, "needs an Image"),
        ({"Containers": [IMAGE, {"Mode": "SingleModel"}]}, "needs an Image"),
        (
            {"PrimaryContainer": {**IMAGE, "ModelDataUrl": "s3://b/k", "ModelDataSource": source()}},
            "not both",
        ),
        ({"PrimaryContainer": {**IMAGE, "ModelDataSource": source("s3://b/p")}}, "must end with a slash"),
        (
            {"PrimaryContainer": {**IMAGE, "ModelDataSource": source(compression="Gzip")}},
            "CompressionType None",
        ),
        ({"PrimaryContainer": {**IMAGE, "Environment": {f"K{i}": "x" * 1020 for i in range(33)}}}, "32768"),
        (
            {"Containers": [{**IMAGE, "Environment": {f"K{i}": "x" * 1020 for i in range(17)}}] * 2},
            "32768",
        ),
        ({"Containers": [{**IMAGE, "ContainerHostname": "a"}, IMAGE]}, "ContainerHostname"),
        ({"Containers": [{**IMAGE, "ContainerHostname": "a"}] * 2}, "ContainerHostname"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(sandbox, members: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{message}"):
        create(sandbox, "refused", **members)
    with pytest.raises(
        ClientError, match=r'Could not find model "arn:aws:sagemaker:us-east-1:0{12}:model/refused"'
    ):
        sandbox.client("sagemaker").describe_model(ModelName="refused")


@pytest.mark.parametrize(
    "container",
    [
        {**IMAGE, "Environment": {f"K{i}": "x" * 1000 for i in range(32)}},
        {**IMAGE, "Environment": {f"K{i}": "" for i in range(100)}},
        {**IMAGE, "ModelDataSource": source("s3://b/k.tar.gz", "S3Object", "Gzip")},
        {**IMAGE, "ModelDataSource": source()},
    ],
)
def test_a_model_at_its_limits_is_accepted_and_described_as_given(sandbox, container: dict[str, Any]) -> None:
    client = sandbox.client("sagemaker")
    create(sandbox, "at-limit", PrimaryContainer=container)
    reported = client.describe_model(ModelName="at-limit")["PrimaryContainer"]
    assert reported == {"Mode": "SingleModel", **container}
    with pytest.raises(
        ClientError, match=r'Cannot create already existing model "arn:aws:.*:model/at-limit"'
    ):
        create(sandbox, "at-limit", PrimaryContainer=IMAGE)
    client.delete_model(ModelName="at-limit")
    with pytest.raises(ClientError, match="Could not find model"):
        client.delete_model(ModelName="at-limit")


def test_a_model_that_an_endpoint_configuration_names_can_be_deleted(sandbox) -> None:
    client = sandbox.client("sagemaker")
    create(sandbox, "in-use", PrimaryContainer=IMAGE)
    variant = {
        "VariantName": "v",
        "ModelName": "in-use",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    client.create_endpoint_config(EndpointConfigName="uses", ProductionVariants=[variant])
    client.delete_model(ModelName="in-use")
    reported = client.describe_endpoint_config(EndpointConfigName="uses")
    assert reported["ProductionVariants"] == [{**variant, "InitialVariantWeight": 1.0}]
    client.delete_endpoint_config(EndpointConfigName="uses")


def test_the_answers_fit_the_classes_of_the_sdk(sandbox) -> None:
    client = sandbox.client("sagemaker")
    for model in client.list_models()["Models"]:
        client.delete_model(ModelName=model["ModelName"])
    create(
        sandbox,
        "complete",
        PrimaryContainer={**IMAGE, "Environment": {"A": "1"}, "ModelDataSource": source()},
        VpcConfig={"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        EnableNetworkIsolation=True,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "complete",
        "InstanceType": "ml.g5.2xlarge",
        "InitialInstanceCount": 1,
        "ContainerStartupHealthCheckTimeoutInSeconds": 600,
        "InferenceAmiVersion": "al2023-ami-sagemaker-inference-gpu-4-1",
    }
    client.create_endpoint_config(EndpointConfigName="complete", ProductionVariants=[variant])
    environ = {
        **os.environ,
        "AWS_ENDPOINT_URL": sandbox.url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", READ_WITH_SDK],
        env=environ,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert client.list_models()["Models"] == []
