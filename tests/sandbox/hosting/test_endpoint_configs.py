"""Endpoint configurations: what AWS accepts, refuses and describes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/service"
VARIANT = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
SERVERLESS = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}


def without(*names: str, **members: Any) -> dict[str, Any]:
    return {name: value for name, value in VARIANT.items() if name not in names} | members


@pytest.fixture(scope="module")
def client(sandbox) -> Any:
    client = sandbox.client("sagemaker")
    client.create_model(ModelName="m", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE)
    return client


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ([VARIANT, VARIANT], "names must be unique"),
        ([without(ModelName="none")], r'Could not find model "arn:aws:sagemaker:us-east-1:0{12}:model/none"'),
        ([without("ModelName")], "ExecutionRoleArn is required"),
        ([VARIANT, without("ModelName", VariantName="w")], "Either every"),
        ([without("InstanceType")], "needs an InstanceType"),
        ([without("InitialInstanceCount")], "needs an InitialInstanceCount"),
        ([without(ServerlessConfig=SERVERLESS)], "ProductionVariants.ServerlessConfig: it has no"),
        ([without(ManagedInstanceScaling={"MinInstanceCount": 2, "MaxInstanceCount": 1})], "above its Max"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(client, variants: list[Any], message: str) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{message}"):
        client.create_endpoint_config(EndpointConfigName="refused", ProductionVariants=variants)
    with pytest.raises(ClientError, match=r"Could not find endpoint configuration"):
        client.describe_endpoint_config(EndpointConfigName="refused")


def test_a_configuration_is_described_as_given_and_listed_until_it_is_deleted(client) -> None:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 1}
    members = {
        "ProductionVariants": [without("ModelName", ManagedInstanceScaling=scaling)],
        "ExecutionRoleArn": ROLE,
        "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    }
    made = client.create_endpoint_config(
        EndpointConfigName="Full", **members, Tags=[{"Key": "a", "Value": "b"}]
    )
    described = client.describe_endpoint_config(EndpointConfigName="Full")
    assert made["EndpointConfigArn"] == described["EndpointConfigArn"]
    assert described["ProductionVariants"] == [
        {**members["ProductionVariants"][0], "InitialVariantWeight": 1.0}
    ]
    assert (described["ExecutionRoleArn"], described["VpcConfig"]) == (ROLE, members["VpcConfig"])
    assert client.list_tags(ResourceArn=described["EndpointConfigArn"])["Tags"] == [
        {"Key": "a", "Value": "b"}
    ]
    with pytest.raises(ClientError, match="Cannot create already existing endpoint configuration"):
        client.create_endpoint_config(EndpointConfigName="Full", **members)
    listed = client.list_endpoint_configs()["EndpointConfigs"]
    assert [config["EndpointConfigName"] for config in listed] == ["Full"]
    client.delete_endpoint_config(EndpointConfigName="Full")
    assert client.list_endpoint_configs()["EndpointConfigs"] == []
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        client.delete_endpoint_config(EndpointConfigName="Full")


def test_all_that_a_configuration_asks_for_in_vain_is_named_at_once(client) -> None:
    serverless = {"VariantName": "v", "ModelName": "m", "ServerlessConfig": SERVERLESS}
    shadow = without(VariantName="w")
    with pytest.raises(ClientError, match=r"ProductionVariants\.ServerlessConfig: .*; ShadowProductionVar"):
        client.create_endpoint_config(
            EndpointConfigName="refused",
            ProductionVariants=[serverless],
            ShadowProductionVariants=[shadow],
        )


@pytest.mark.parametrize(("uri", "is_accepted"), [("s3://b/captured", True), ("https://b/captured", False)])
def test_what_is_captured_goes_to_s3(client, uri: str, is_accepted: bool) -> None:
    capture = {
        "EnableCapture": False,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": uri,
        "CaptureOptions": [{"CaptureMode": "Input"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        "KmsKeyId": "alias/a",
    }
    request = {
        "EndpointConfigName": "captured",
        "ProductionVariants": [VARIANT],
        "DataCaptureConfig": capture,
    }
    if not is_accepted:
        with pytest.raises(ClientError, match="the sandbox captures to s3://BUCKET/PREFIX"):
            client.create_endpoint_config(**request)
        return
    client.create_endpoint_config(**request)
    assert client.describe_endpoint_config(EndpointConfigName="captured")["DataCaptureConfig"] == capture
    client.delete_endpoint_config(EndpointConfigName="captured")
