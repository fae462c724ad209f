"""What DataCaptureConfig asks for is in S3, in the form that AWS documents, through boto3 as it is."""

from __future__ import annotations

import json
import re
import urllib.request
from base64 import b64decode
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.hosting.components import INSTANCE_TYPE
from tests.sandbox.hosting.conftest import ROLE
from tests.sandbox.hosting.endpoint_updates import eventually

BUCKET = "captured"
KEY = (
    r"{prefix}/{endpoint}/{variant}/\d{{4}}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{{3}}-"
    r"[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\.jsonl"
)


def captured(prefix: str, *modes: str, **members: Any) -> dict[str, Any]:
    """Return a DataCaptureConfig of everything below a prefix."""
    modes = modes or ("Input", "Output")
    return {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/{prefix}",
        "CaptureOptions": [{"CaptureMode": mode} for mode in modes],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json", "application/jsonlines"],
        },
        **members,
    }


def records(sandbox: Any, prefix: str) -> list[dict[str, Any]]:
    """Return the captured lines below a prefix, in the order of their objects."""
    s3 = sandbox.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    texts = [s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in keys]
    assert all(text.endswith("\n") for text in texts)
    return [json.loads(line) for text in texts for line in text.splitlines()]


@pytest.fixture(scope="module", autouse=True)
def bucket(sandbox: Any) -> None:
    sandbox.client("s3").create_bucket(Bucket=BUCKET)


@pytest.fixture(scope="module")
def name(hosting: Any) -> str:
    return hosting.deploy(config={"DataCaptureConfig": captured("all/")})


def test_a_line_has_the_members_that_aws_documents(hosting: Any, name: str) -> None:
    body = '{"기사": "첫 줄\\n둘째 \\"줄\\"\u2028 😀"}'
    hosting.runtime.invoke_endpoint(
        EndpointName=name,
        Body=body.encode(),
        ContentType="application/json; charset=utf-8",
        Accept="text/csv",
        CustomAttributes="day=2026-11-03;user=u17",
        InferenceId="an id",
    )
    *_, line = records(hosting.sandbox, f"all/{name}/")
    assert line["eventVersion"] == "0"
    assert line["captureData"] == {
        "endpointInput": {
            "observedContentType": "application/json; charset=utf-8",
            "mode": "INPUT",
            "data": body,
            "encoding": "JSON",
        },
        "endpointOutput": {
            "observedContentType": "text/csv",
            "mode": "OUTPUT",
            "data": body,
            "encoding": "CSV",
        },
    }
    metadata = line["eventMetadata"]
    assert re.fullmatch(r"[0-9a-f-]{36}", metadata.pop("eventId"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata.pop("inferenceTime"))
    assert metadata == {"inferenceId": "an id", "customAttributes": ["day=2026-11-03;user=u17"]}


def test_an_object_lies_below_endpoint_variant_and_hour(hosting: Any, name: str) -> None:
    hosting.runtime.invoke_endpoint(EndpointName=name, Body=b"1")
    *_, line = records(hosting.sandbox, "all/")
    listed = hosting.sandbox.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="all/")["Contents"]
    hour = re.sub("[-T]", "/", line["eventMetadata"]["inferenceTime"][:13])
    assert f"/AllTraffic/{hour}/" in listed[-1]["Key"]
    for each in listed:
        assert re.fullmatch(KEY.format(prefix="all", endpoint=name, variant="AllTraffic"), each["Key"])


@pytest.mark.parametrize(
    ("content_type", "body", "encoding"),
    [
        ("text/csv", b"1,2\n3,4\n", "CSV"),
        ("application/octet-stream", b"\x00\xff", "BASE64"),
        ("application/json", b"\xff", "BASE64"),  # not UTF-8: no text can hold it
        ("text/html", b"<p>", "BASE64"),
    ],
)
def test_the_content_type_decides_the_encoding(
    hosting: Any, name: str, content_type: str, body: bytes, encoding: str
) -> None:
    hosting.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=content_type)
    *_, line = records(hosting.sandbox, f"all/{name}/")
    found = line["captureData"]["endpointInput"]
    data = b64decode(found["data"]) if encoding == "BASE64" else found["data"].encode()
    assert (found["encoding"], data) == (encoding, body)


def test_a_stream_is_one_line_with_all_that_came(hosting: Any, name: str) -> None:
    asked = {"chunks": [["첫", 0], ["째\n", 0.05], ["둘째", 0]], "stream_type": "application/jsonlines"}
    answer = hosting.runtime.invoke_endpoint_with_response_stream(
        EndpointName=name, Body=json.dumps(asked), ContentType="application/json"
    )
    assert b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]).decode() == "첫째\n둘째"
    *_, line = records(hosting.sandbox, f"all/{name}/")
    assert line["captureData"]["endpointOutput"]["data"] == "첫째\n둘째"


def test_a_stream_of_many_pieces_is_whole(hosting: Any, name: str) -> None:
    asked = {"chunks": [["ab", 0.0005]] * 1500, "stream_type": "application/jsonlines"}
    answer = hosting.runtime.invoke_endpoint_with_response_stream(EndpointName=name, Body=json.dumps(asked))
    assert len([*answer["Body"]]) > 0
    *_, line = records(hosting.sandbox, f"all/{name}/")
    assert line["captureData"]["endpointOutput"]["data"] == "ab" * 1500


def test_a_stream_that_its_reader_left_is_not_captured(hosting: Any, name: str) -> None:
    before = len(records(hosting.sandbox, f"all/{name}/"))
    asked = {"chunks": [["first", 0], ["then", 0.3], ["at last", 0.3]]}
    answer = hosting.runtime.invoke_endpoint_with_response_stream(EndpointName=name, Body=json.dumps(asked))
    assert next(iter(answer["Body"]))
    answer["Body"].close()
    eventually(lambda: hosting.ask(name)["num_open_streams"] == 0)
    found = records(hosting.sandbox, f"all/{name}/")[before:]
    assert all("chunks" not in b64decode(input_of(each)).decode() for each in found)


def input_of(line: dict[str, Any]) -> str:
    return line["captureData"]["endpointInput"]["data"]


def test_what_the_container_refuses_is_not_captured(hosting: Any, name: str) -> None:
    before = len(records(hosting.sandbox, f"all/{name}/"))
    with pytest.raises(ClientError):
        hosting.runtime.invoke_endpoint(EndpointName=name, Body=b'{"status": 422, "text": "no"}')
    assert len(records(hosting.sandbox, f"all/{name}/")) == before


@pytest.mark.parametrize(
    ("members", "is_enabled"),
    [({"EnableCapture": False}, False), ({"InitialSamplingPercentage": 0}, True)],
)
def test_nothing_is_captured_where_nothing_is_asked_for(
    hosting: Any, members: dict[str, Any], is_enabled: bool
) -> None:
    config = captured("nothing", **members)
    name = hosting.deploy(config={"DataCaptureConfig": config})
    hosting.runtime.invoke_endpoint(EndpointName=name, Body=b"1")
    assert records(hosting.sandbox, "nothing/") == []
    assert hosting.sagemaker.describe_endpoint(EndpointName=name)["DataCaptureConfig"] == {
        "EnableCapture": is_enabled,
        "CaptureStatus": "Started" if is_enabled else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": f"s3://{BUCKET}/nothing",
        "KmsKeyId": "",
    }
    hosting.delete(name)


def test_a_components_invocations_lie_in_the_folder_of_its_variant(hosting: Any, components: Any) -> None:
    variant = {"ModelName": None, "InstanceType": INSTANCE_TYPE}
    config = {"ExecutionRoleArn": ROLE, "DataCaptureConfig": captured("components", "InputAndOutput")}
    endpoint = hosting.deploy(variants=(variant,), config=config)
    component = components.deploy(endpoint)
    hosting.runtime.invoke_endpoint(
        EndpointName=endpoint, InferenceComponentName=component, Body=b"1", ContentType="text/csv"
    )
    (line,) = records(hosting.sandbox, f"components/{endpoint}/AllTraffic/")
    assert line["captureData"]["endpointInput"]["data"] == "1"
    components.delete(component)
    hosting.delete(endpoint)


@pytest.mark.parametrize("refusal", ["no such bucket", "not authorized"])
def test_what_s3_refuses_is_kept_and_said(hosting: Any, refusal: str) -> None:
    place = refusal.replace(" ", "-")
    config = captured("refused", DestinationS3Uri=f"s3://{place}/refused")
    name, sandbox = hosting.deploy(config={"DataCaptureConfig": config}), hosting.sandbox
    s3, statement = sandbox.client("s3"), {"Effect": "Allow", "NotAction": "s3:PutObject", "Resource": "*"}
    if refusal == "not authorized":
        s3.create_bucket(Bucket=place)
        anything = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        policies(sandbox, "PUT", {"person": [anything], "execution": [{"Statement": statement}]})
    hosting.runtime.invoke_endpoint(EndpointName=name, Body=b"1")
    with suppress(ClientError):
        assert s3.list_objects_v2(Bucket=place)["KeyCount"] == 0
    policies(sandbox, "DELETE")
    assert hosting.sagemaker.describe_endpoint(EndpointName=name)["DataCaptureConfig"]["CaptureStatus"] == (
        "Stopped"
    )
    (said,) = hosting.log_lines(name)["AllTraffic/data-capture"]
    assert refusal.split()[-1] in said
    assert f"s3://{place}/refused/{name}/AllTraffic/" in said
    if refusal == "no such bucket":
        s3.create_bucket(Bucket=place)
    (listed,) = s3.list_objects_v2(Bucket=place)["Contents"]
    assert listed["Key"].startswith(f"refused/{name}/AllTraffic/")
    assert hosting.sagemaker.describe_endpoint(EndpointName=name)["DataCaptureConfig"]["CaptureStatus"] == (
        "Started"
    )
    hosting.delete(name)


def policies(sandbox: Any, method: str, body: Any = None) -> None:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{sandbox.url}/_sandbox/policies", data=data, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        assert answer.status == 200
