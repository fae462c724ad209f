"""Endpoints from their creation to their end, with real server processes."""

from __future__ import annotations

import io
import re
import tarfile
import time
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from sandbox.container_paths import why_no_mounts

ARN = "arn:aws:sagemaker:us-east-1:000000000000"
BUCKET = "test-models"
NOT_THERE = "Failed to download model data .* ensure that there is an object located at the URL"
NO_ARCHIVE = "Failed to extract model data archive .* is a valid tar.gz archive"


def put(hosting: Any, **objects: bytes | str) -> None:
    s3 = hosting.sandbox.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for key, content in objects.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)


def archive(**files: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as writer:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            writer.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


def from_prefix(uri: str, data_type: str = "S3Prefix", compression: str = "None") -> dict[str, Any]:
    source = {"S3Uri": uri, "S3DataType": data_type, "CompressionType": compression}
    return {"ModelDataSource": {"S3DataSource": source}}


def test_an_endpoint_is_created_described_listed_and_deleted(hosting: Any) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    name = hosting.create(environment={"START_DELAY_S": "0.3"}, endpoint={"Tags": tags})
    early = hosting.sagemaker.describe_endpoint(EndpointName=name)
    assert early["EndpointStatus"] == "Creating"
    assert "ProductionVariants" not in early
    described = hosting.wait(name)
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointArn"] == f"{ARN}:endpoint/{name}"
    assert described["EndpointConfigName"] == name
    assert described["LastModifiedTime"] > described["CreationTime"]
    (variant,) = described["ProductionVariants"]
    assert variant["DeployedImages"][0]["ResolvedImage"] == "test/container:1"
    assert (variant["VariantName"], variant["CurrentWeight"]) == ("AllTraffic", 1.0)
    assert variant["CurrentInstanceCount"] == variant["DesiredInstanceCount"] == 1
    assert hosting.sagemaker.list_tags(ResourceArn=described["EndpointArn"])["Tags"] == tags
    listed = hosting.sagemaker.list_endpoints(NameContains=name, StatusEquals="InService")["Endpoints"]
    assert [entry["EndpointName"] for entry in listed] == [name]
    pid = hosting.ask(name)["pid"]
    hosting.sagemaker.delete_endpoint(EndpointName=name)
    states = []
    while listed := hosting.sagemaker.list_endpoints(NameContains=name)["Endpoints"]:
        states.append(listed[0]["EndpointStatus"])
    assert set(states) <= {"Deleting"}
    with pytest.raises(ClientError, match=f'Could not find endpoint "{ARN}:endpoint/{name}"'):
        hosting.sagemaker.describe_endpoint(EndpointName=name)
    assert not psutil.pid_exists(pid)
    assert not (hosting.sandbox.home / "endpoints" / "us-east-1" / name).exists()


def test_what_an_endpoint_needs_may_be_deleted_once_it_is_created(hosting: Any) -> None:
    name = hosting.create()
    hosting.sagemaker.delete_endpoint_config(EndpointConfigName=name)
    hosting.sagemaker.delete_model(ModelName=name)
    assert hosting.wait(name)["EndpointStatus"] == "InService"
    hosting.delete(name)


@pytest.mark.parametrize(
    ("call", "request_", "message"),
    [
        ("describe_endpoint", {"EndpointName": "none"}, "Could not find endpoint"),
        ("delete_endpoint", {"EndpointName": "none"}, "Could not find endpoint"),
        (
            "create_endpoint",
            {"EndpointName": "new", "EndpointConfigName": "none"},
            "Could not find endpoint configuration",
        ),
    ],
)
def test_what_is_missing_is_named_as_aws_does(
    hosting: Any, call: str, request_: dict[str, str], message: str
) -> None:
    with pytest.raises(ClientError) as raised:
        getattr(hosting.sagemaker, call)(**request_)
    kind = "endpoint-config" if "configuration" in message else "endpoint"
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    assert raised.value.response["Error"]["Message"] == f'{message} "{ARN}:{kind}/none".'


def test_a_name_that_is_taken_is_refused(hosting: Any, served: str) -> None:
    with pytest.raises(
        ClientError, match=f'Cannot create already existing endpoint "{ARN}:endpoint/{served}".'
    ):
        hosting.sagemaker.create_endpoint(EndpointName=served, EndpointConfigName=served)


def test_a_missing_model_is_named(hosting: Any) -> None:
    name = hosting.deploy()
    hosting.delete(name)
    hosting.sagemaker.delete_model(ModelName=name)
    with pytest.raises(ClientError, match=f'Could not find model "{ARN}:model/{name}"'):
        hosting.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def test_an_endpoint_that_is_being_created_can_be_neither_deleted_nor_invoked(hosting: Any) -> None:
    name = hosting.create(environment={"START_DELAY_S": "0.5"})
    with pytest.raises(ClientError, match=f'Cannot update in-progress endpoint "{ARN}:endpoint/{name}"'):
        hosting.sagemaker.delete_endpoint(EndpointName=name)
    with pytest.raises(hosting.runtime.exceptions.ValidationError, match="not found"):
        hosting.ask(name)
    assert hosting.wait(name)["EndpointStatus"] == "InService"
    hosting.delete(name)


def test_the_container_gets_its_environment_and_nothing_of_ours(
    hosting: Any, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = hosting.deploy(
        environment={
            "HF_MODEL_ID": "/opt/ml/model",
            "ELSEWHERE": "s3://b/opt/ml/model",
            "PORT": "1",
            "HOST": "0.0.0.0",
            "KOREAN": "값 🙂",
        }
    )
    environ = hosting.ask(name)["environ"]
    assert environ["HF_MODEL_ID"] == environ["SM_MODEL_DIR"]
    assert environ["HF_MODEL_ID"].endswith("/ml/model")
    assert (environ["HF_MODEL_ID"] == "/opt/ml/model") == (why_no_mounts() is None)
    assert environ["ELSEWHERE"] == "s3://b/opt/ml/model"
    assert environ["PORT"] == environ["SAGEMAKER_BIND_TO_PORT"] != "1"
    assert environ["HOST"] == "127.0.0.1"
    assert environ["HF_HUB_OFFLINE"] == "1"
    assert environ["KOREAN"] == "값 🙂"
    assert not set(environ) & {"SANDBOX_TEST_MARK", "SANDBOX_IMAGES", "VIRTUAL_ENV"}
    # As an endpoint's role lets its container reach S3.
    assert environ["AWS_ENDPOINT_URL"] == hosting.sandbox.url
    hosting.delete(name)


def test_logs_are_in_cloudwatch_with_the_containers_paths(hosting: Any, served: str) -> None:
    hosting.runtime.invoke_endpoint(EndpointName=served, Body='{"print": "한글 line"}')
    ((stream, lines),) = hosting.log_lines(served).items()
    assert re.fullmatch(r"AllTraffic/i-[0-9a-f]{17}", stream)
    assert lines[-2:] == ["model folder /opt/ml/model argv ['serve']", "한글 line"]


@pytest.mark.parametrize("source", ["archive url", "archive source", "prefix", "object"])
def test_model_files_are_brought_from_s3(hosting: Any, source: str) -> None:
    packed = archive(**{"config.json": "{}", "code/inference.py": "pass"})
    put(
        hosting,
        **{
            "a/model.tar.gz": packed,
            "a/files/config.json": "{}",
            "a/files/code/한글.py": "pass",
            "a/files-not/x": "no",
        },
    )
    container, files = {
        "archive url": (
            {"ModelDataUrl": f"s3://{BUCKET}/a/model.tar.gz"},
            ["code/inference.py", "config.json"],
        ),
        "archive source": (
            from_prefix(f"s3://{BUCKET}/a/model.tar.gz", "S3Object", "Gzip"),
            ["code/inference.py", "config.json"],
        ),
        "prefix": (from_prefix(f"s3://{BUCKET}/a/files/"), ["code/한글.py", "config.json"]),
        "object": (from_prefix(f"s3://{BUCKET}/a/files/config.json", "S3Object"), ["config.json"]),
    }[source]
    name = hosting.deploy(container=container, variants=({"InitialInstanceCount": 2},))
    reported = {}
    while len(reported) < 2:  # each of the two instances
        answer = hosting.ask(name)
        reported[answer["pid"]] = answer["files"]
        assert answer["literal"] == (files if why_no_mounts() is None else [])
    assert list(reported.values()) == [files, files]
    hosting.delete(name)


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        (
            {"ModelDataUrl": f"s3://{BUCKET}/none.tar.gz"},
            "Failed to download model data .* an object located",
        ),
        (from_prefix("s3://no-such-bucket/x/"), "Failed to download model data .* an object located"),
        (from_prefix(f"s3://{BUCKET}/none/"), "Failed to download model data .* an object located"),
        (from_prefix(f"s3://{BUCKET}/bad/folder/"), "cannot be a file's name"),
        (from_prefix(f"s3://{BUCKET}/bad/up/"), "cannot be a file's name"),
        (from_prefix(f"s3://{BUCKET}/bad/clash/"), "both a file's and a folder's"),
        ({"ModelDataUrl": f"s3://{BUCKET}/bad/text.tar.gz"}, NO_ARCHIVE),
        ({"ModelDataUrl": f"s3://{BUCKET}/bad/cut.tar.gz"}, NO_ARCHIVE),
        ({"ModelDataUrl": f"s3://{BUCKET}/bad/leaves.tar.gz"}, NO_ARCHIVE),
        ({"Image": "nobody/knows:1"}, "The image 'nobody/knows:1' does not exist.*SANDBOX_IMAGES"),
        ({"Image": "test/no-program:1"}, "primary container for production variant AllTraffic did not pass"),
    ],
)
def test_what_cannot_be_deployed_fails_with_its_reason(
    hosting: Any, container: dict[str, Any], reason: str
) -> None:
    put(
        hosting,
        **{
            "bad/folder/": "",
            "bad/up/../x": "1",
            "bad/clash/a": "1",
            "bad/clash/a/b": "1",
            "bad/text.tar.gz": "text",
            "bad/cut.tar.gz": archive(a="x" * 100)[:-20],
            "bad/leaves.tar.gz": archive(**{"../../leaves": "x"}),
        },
    )
    name = hosting.create(container=container)
    described = hosting.wait(name)
    assert described["EndpointStatus"] == "Failed"
    assert re.search(reason, described["FailureReason"]), described["FailureReason"]
    assert not list(hosting.sandbox.home.rglob("leaves"))
    hosting.delete(name)


def test_a_container_that_dies_at_its_start_fails_the_endpoint_and_its_last_lines_are_kept(
    hosting: Any,
) -> None:
    name = hosting.create(environment={"DIE_AT_START": "1"})
    described = hosting.wait(name)
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"] == (
        "The primary container for production variant AllTraffic did not pass the ping health check. Please"
        " check CloudWatch logs for this endpoint."
    )
    ((_, lines),) = hosting.log_lines(name).items()
    # Where nothing can be mounted a warning stands before them.
    assert len([line for line in lines if not line.startswith("[sandbox] WARNING")]) == 3003
    assert lines[-2:] == [
        "cannot load the model",
        "[sandbox] the server process ended with exit status 7 before it was healthy",
    ]
    with pytest.raises(hosting.runtime.exceptions.ValidationError):
        hosting.ask(name)
    hosting.delete(name)


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("InsufficientCapacity", "Failed", "InsufficientInstanceCapacity"),
        ("FailedHealthCheck", "Failed", "did not pass the ping health check"),
        ("SlowStart", "InService", None),
    ],
)
def test_a_fault_that_was_asked_for_happens_once(
    hosting: Any, fault: str, status: str, reason: str | None
) -> None:
    import json
    import urllib.request

    asked = {"operation": "CreateEndpoint", "fault": fault, "delay_s": 0.7}
    request = urllib.request.Request(
        f"{hosting.sandbox.url}/_sandbox/faults", json.dumps(asked).encode(), method="PUT"
    )
    urllib.request.urlopen(request).close()
    started_s = time.monotonic()
    name = hosting.create()
    described = hosting.wait(name)
    assert described["EndpointStatus"] == status
    assert (reason or "") in described.get("FailureReason", "")
    assert fault != "SlowStart" or time.monotonic() - started_s > 0.7
    hosting.delete(name)
    hosting.delete(hosting.deploy())


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"config": {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/c"}}}}, "AsyncInf"),
        ({"variants": ({"InitialInstanceCount": None, "InstanceType": None, "ServerlessConfig": {
            "MemorySizeInMB": 1024, "MaxConcurrency": 1}},)}, "ServerlessConfig"),
        ({"container": {"Mode": "MultiModel"}}, "MultiModel"),
    ],
)  # fmt: skip
def test_what_is_not_implemented_is_refused_by_its_name(
    hosting: Any, members: dict[str, Any], what: str
) -> None:
    with pytest.raises(ClientError, match=f"The sandbox does not implement .*{what}"):
        hosting.create(**members)
