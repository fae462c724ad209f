"""Every operation of SageMaker is implemented or refused by name; moto's fakes are never reached."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from sandbox import operations
from sandbox.api import service_model


def call(connection: http.client.HTTPConnection, operation: str, body: bytes = b"{}") -> tuple[int, Any]:
    headers = {
        "X-Amz-Target": f"SageMaker.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sagemaker/aws4_request",
    }
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_every_operation_is_implemented_or_refused_by_its_name(sandbox) -> None:
    implemented = operations.SAGEMAKER.operations
    names = service_model.operation_names()
    assert len(names) >= 425
    assert set(implemented) <= names
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc)
    for name in sorted(names):
        status, answer = call(connection, name)
        if name in implemented:
            assert answer.get("__type") != "UnknownOperationException", name
        else:
            assert (status, answer["__type"]) == (400, "UnknownOperationException"), name
            assert f"does not implement {name} of SageMaker." in answer["message"]
    connection.close()


def test_an_operation_that_sagemaker_does_not_have_is_refused(sandbox) -> None:
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc)
    status, answer = call(connection, "CreateEverything")
    assert (status, answer["__type"]) == (400, "UnknownOperationException")
    assert "CreateEverything" in answer["message"]


@pytest.mark.parametrize("body", [b"[]", b"3", b"{", b'{"MaxResults": NaN}', b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_json_object_is_a_serialization_error(sandbox, body: bytes) -> None:
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc)
    status, answer = call(connection, "ListModels", body)
    assert (status, answer["__type"]) == (400, "SerializationException")
    assert call(connection, "ListModels")[0] == 200, "the connection is kept"


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("dynamodb", "list_tables", {}),
        ("ec2", "describe_instances", {}),
        ("sqs", "list_queues", {}),
        ("sns", "list_topics", {}),
        ("cloudformation", "list_stacks", {}),
        ("lambda", "list_functions", {}),
        ("route53", "list_hosted_zones", {}),
        ("autoscaling-plans", "describe_scaling_plans", {}),
        (
            "sagemaker-metrics",
            "batch_put_metrics",
            {"TrialComponentName": "t", "MetricData": [{"MetricName": "m", "Timestamp": 1, "Value": 1}]},
        ),
        (
            "sagemaker-featurestore-runtime",
            "get_record",
            {"FeatureGroupName": "f", "RecordIdentifierValueAsString": "1"},
        ),
    ],
)
def test_every_other_service_is_refused_in_its_own_protocol(sandbox, service, operation, arguments) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(sandbox.client(service), operation)(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert "does not offer" in caught.value.response["Error"]["Message"]


def test_what_moto_lacks_is_a_400_that_names_it(sandbox) -> None:
    with pytest.raises(ClientError, match="generate_service_last_accessed_details") as caught:
        sandbox.client("iam").generate_service_last_accessed_details(
            Arn="arn:aws:iam::000000000000:role/workshop-sample"
        )
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "Traceback" not in sandbox.log_path.read_text()
