"""Every field of every operation is done, refused by its name, or without a counterpart."""

from __future__ import annotations

import copy
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from sandbox import docs, fields_page
from sandbox.api import fields
from sandbox.api.service_model import service_model

from .examples import SERVICES, at, example, put, request_with

OPERATIONS = docs.implemented()
ROLE = "arn:aws:iam::000000000000:role/r"
# botocore wants a library for it before it sends anything.
NEVER_SENT = ("PutEvents", "EndpointId")


def refused_fields() -> Iterator[Any]:
    """Yield service, operation and path of every refused field that is not below another one."""
    for service, operation in OPERATIONS:
        fates = {field.path: field.fate for field in fields_page.fields_of(service, operation)}
        for path, fate in fates.items():
            if (operation, path) == NEVER_SENT:
                continue
            if fate == fields_page.REFUSED and fates.get(path.rpartition(".")[0], fields_page.DONE) != fate:
                yield pytest.param(service, operation, path, id=f"{operation}-{path}")


def values_of(service: str, field: fields_page.Field) -> tuple[str, ...]:
    """Return the values that AWS has of a field that is done for some of them."""
    if field.fate != fields_page.DONE or field.member not in fields.structure(service, field.structure).only:
        return ()
    shape = service_model(service).shape_for(field.structure).members[field.member]
    return tuple((shape.member if shape.type_name == "list" else shape).metadata["enum"])


REFUSED = list(refused_fields())
ONLY = [
    pytest.param(service, operation, field.path, value, id=f"{operation}-{field.path}-{value}")
    for service, operation in OPERATIONS
    for field in fields_page.fields_of(service, operation)
    for value in values_of(service, field)
    if value not in fields.structure(service, field.structure).only[field.member]
]


def send(sandbox: Any, service: str, operation: str, request: dict[str, Any]) -> None:
    client = sandbox.client(service)
    client.meta.config.parameter_validation = False
    getattr(client, xform_name(operation))(**request)


def test_no_field_of_an_operation_is_forgotten() -> None:
    forgotten = [
        f"{operation}: {field.path} ({field.structure}.{field.member})"
        for service, operation in OPERATIONS
        for field in fields_page.fields_of(service, operation)
        if field.fate is None
    ]
    assert forgotten == [], "say in src/sandbox/api/fields.yaml what becomes of them"


@pytest.mark.parametrize("service", SERVICES)
def test_the_table_names_only_what_there_is_and_each_once(service: str) -> None:
    for name in fields.structures(service):
        known = fields.structure(service, name)
        members = [*known.done, *known.refused, *known.without]
        assert len(members) == len(set(members)), name
        assert set(members) <= set(service_model(service).shape_for(name).members), name
        assert known.only.keys() <= known.done, name
        assert known.accepts.keys() <= known.refused.keys(), name
        for member, values in known.only.items():
            shape = service_model(service).shape_for(name).members[member]
            shape = shape.member if shape.type_name == "list" else shape
            assert set(values) <= set(shape.metadata.get("enum", values)), (name, member)


def test_the_page_is_what_the_table_says() -> None:
    text = docs.FIELDS.read_text(encoding="utf-8")
    assert text == fields_page.page(OPERATIONS), "run: python -m sandbox.docs"
    assert ", 0 unaccounted for." in text


@pytest.mark.parametrize(("service", "operation", "path"), REFUSED)
def test_a_refused_field_is_refused_by_its_name(sandbox, service: str, operation: str, path: str) -> None:
    request = request_with(service, operation, path)
    with pytest.raises(ClientError) as raised:
        send(sandbox, service, operation, request)
    error = raised.value.response["Error"]
    assert error["Code"] in ("ValidationException", "ValidationError")
    assert f"The sandbox does not implement {path}" in error["Message"]
    assert "Leave it out, or use an AWS account" in error["Message"]
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(("service", "operation", "path", "value"), ONLY)
def test_a_value_that_is_not_done_is_refused_by_its_name(
    sandbox, service: str, operation: str, path: str, value: str
) -> None:
    is_list = path == "AlarmTypes"
    request = request_with(service, operation, path, [value] if is_list else value)
    shown = path if is_list else f"{path} = {value}"
    with pytest.raises(ClientError, match=f"does not implement {shown}: of its values only"):
        send(sandbox, service, operation, request)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ResourceConfig.KeepAlivePeriodInSeconds", 0),  # the SDK's @remote
        ("ResourceConfig.InstanceGroups", []),
        ("RemoteDebugConfig", {"EnableRemoteDebug": False}),
        ("ExperimentConfig", {}),
        ("ServerlessJobConfig", None),
    ],
)
def test_a_value_that_asks_for_nothing_is_accepted(path: str, value: Any) -> None:
    request = request_with("sagemaker", "CreateTrainingJob", path, {})
    *above, last = path.split(".")
    (request[above[0]] if above else request)[last] = value
    fields.check("CreateTrainingJob", request)


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
@pytest.mark.parametrize("is_whole", [False, True])
def test_no_request_of_the_model_is_a_failure_of_the_sandbox(
    sandbox, service: str, operation: str, is_whole: bool
) -> None:
    """The least that the model requires, and all that is done at once, whether it makes sense or not."""
    shape = service_model(service).operation_model(operation).input_shape
    request = example(shape, is_whole=False)
    done = [each.path for each in fields_page.fields_of(service, operation) if each.fate == fields_page.DONE]
    for path in done if is_whole else ():
        if not any(other.startswith(f"{path}.") for other in done) and "SubExpressions" not in path:
            put(request, shape, path)
    answer = {"Error": {}, "ResponseMetadata": {"HTTPStatusCode": 200}}
    try:
        send(sandbox, service, operation, request)
    except ClientError as error:
        answer = error.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] < 500, answer["Error"]


JOB = {
    "TrainingJobName": "j",
    "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
    "RoleArn": ROLE,
    "InputDataConfig": [
        {
            "ChannelName": "c",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://fields/data"}},
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://fields/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
}
PROCESSING = {
    "ProcessingJobName": "p",
    "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
    "AppSpecification": {"ImageUri": "pytorch-training:2"},
    "ProcessingOutputConfig": {"Outputs": []},
    "RoleArn": ROLE,
}
SOURCE = {"S3Uri": "s3://fields/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
MODEL = {
    "ModelName": "m",
    "PrimaryContainer": {"Image": "i", "ModelDataSource": {"S3DataSource": SOURCE}},
    "ExecutionRoleArn": ROLE,
}
CONFIG = {
    "EndpointConfigName": "c",
    "ProductionVariants": [
        {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    ],
    "DataCaptureConfig": {
        "EnableCapture": False,
        "InitialSamplingPercentage": 1,
        "DestinationS3Uri": "s3://fields/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    },
}


@pytest.mark.parametrize(
    ("operation", "describe", "request_"),
    [
        ("CreateModel", "describe_model", MODEL),
        ("CreateEndpointConfig", "describe_endpoint_config", CONFIG),
        ("CreateTrainingJob", "describe_training_job", JOB),
        ("CreateProcessingJob", "describe_processing_job", PROCESSING),
    ],
)
def test_what_has_no_counterpart_is_accepted_and_described_back(
    sandbox, operation: str, describe: str, request_: dict[str, Any]
) -> None:
    client, s3 = sandbox.client("sagemaker"), sandbox.client("s3")
    s3.create_bucket(Bucket="fields")
    s3.put_object(Bucket="fields", Key="data/a", Body=b"a")
    shape = service_model().operation_model(operation).input_shape
    fates = {field.path: field.fate for field in fields_page.fields_of("sagemaker", operation)}
    paths = [
        path
        for path, fate in fates.items()
        if fate == fields_page.WITHOUT and fates.get(path.rpartition(".")[0]) != fate
        if not path.startswith("Containers.")  # in place of PrimaryContainer
    ]
    request = copy.deepcopy(request_)
    for path in paths:
        put(request, shape, path)
    send(sandbox, "sagemaker", operation, request)
    name = next(iter(request.items()))
    described = getattr(client, describe)(**dict([name]))
    shown = service_model().operation_model(operation.replace("Create", "Describe")).output_shape.members
    paths = [path for path in paths if path.split(".")[0] in shown]  # all but SessionChainingConfig
    assert {path: at(described, path) for path in paths} == {path: at(request, path) for path in paths}
    assert len(paths) >= 5


def test_what_aws_does_without_being_asked_may_be_asked_for() -> None:
    metrics = {"MetricsConfig": {"EnableEnhancedMetrics": False, "MetricPublishFrequencyInSeconds": 60}}
    fields.check("CreateEndpointConfig", metrics)
    with pytest.raises(Exception, match="MetricPublishFrequencyInSeconds = 10: metrics are published once a"):
        fields.check("CreateEndpointConfig", {"MetricsConfig": {"MetricPublishFrequencyInSeconds": 10}})


def posted(url: str, headers: dict[str, str], body: bytes) -> str:
    """Return the body of the 400 that a request is answered with."""
    sign = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
    service = headers.pop("service")
    request = urllib.request.Request(url, body, {**headers, "Authorization": sign.format(service)})
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=300)
    assert raised.value.code == 400
    return raised.value.read().decode()


def test_a_field_of_a_newer_sdk_is_refused_by_its_name(sandbox) -> None:
    """boto3 of today does not send them; that of tomorrow does."""
    tomorrow = {"EndpointName": "e", "EndpointConfigName": "c", "Warp": 9, "DeploymentConfig": {"Fold": [1]}}
    headers = {"service": "sagemaker", "X-Amz-Target": "SageMaker.CreateEndpoint"}
    answer = posted(sandbox.url, headers, json.dumps(tomorrow).encode())
    assert (
        "does not implement Warp: the botocore of this sandbox does not know it; DeploymentConfig.Fold"
        in (answer)
    )
    form = b"Action=DescribeAlarmHistory&Version=2010-08-01&Warp.member.1=9"
    headers = {"service": "monitoring", "Content-Type": "application/x-www-form-urlencoded"}
    assert "does not implement Warp.member.1: the botocore" in posted(sandbox.url, headers, form)
    headers = {"service": "sagemaker", "X-Amzn-SageMaker-Warp": "9"}
    answer = posted(f"{sandbox.url}/endpoints/e/invocations", headers, b"x")
    assert "does not implement the header X-Amzn-Sagemaker-Warp: the botocore" in answer
