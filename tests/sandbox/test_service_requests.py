"""Wrong requests to the services that speak JSON or forms: AWS's code, and never a 500."""

from __future__ import annotations

import http.client
import json
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.exceptions import ClientError

TARGETS = {
    "ecr": "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
    "logs": "Logs_20140328.DescribeLogGroups",
    "monitoring": "GraniteServiceVersion20100801.DescribeAlarms",
    "secretsmanager": "secretsmanager.ListSecrets",
}
FORM = "application/x-www-form-urlencoded"


def ask(
    sandbox: Any,
    service: str,
    body: bytes,
    *,
    target: str | None = None,
    method: str = "POST",
    path: str = "/",
    **headers: str,
) -> tuple[int, str, str]:
    """Return status, code and text of an answer; an SDK would refuse most of these requests itself."""
    scope = f"a/20260101/us-east-1/{service}/aws4_request"
    head = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0",
        "Content-Type": FORM if target is None else "application/x-amz-json-1.1",
        **({} if target is None else {"X-Amz-Target": target}),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }  # fmt: skip
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=300)
    try:
        connection.request(method, path, body, head)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    found = re.search(r'<Code>(.*?)</Code>|"__type": ?"(.*?)"', text)
    return answer.status, (found[1] or found[2]) if found else "", text


@pytest.mark.parametrize("service", TARGETS)
@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b'{"a": "\xff"}', '{"a": 1}'.encode("utf-16"), b"text", b"{", b"[]", b"null", b"1", b'"a"',
     b'{"a": NaN}', b"[" * 100_000],
)  # fmt: skip
def test_a_body_that_is_no_json_object_in_utf_8(sandbox, service: str, body: bytes) -> None:
    status, code, _ = ask(sandbox, service, body, target=TARGETS[service])
    assert (status, code) == (400, "SerializationException")


@pytest.mark.parametrize(
    ("service", "target", "body"),
    [
        ("logs", "Logs_20140328.CreateLogGroup", {"logGroupName": 5}),
        ("logs", "Logs_20140328.DescribeLogGroups", {"limit": "ten"}),
        ("logs", "Logs_20140328.PutLogEvents", {"logEvents": "x", "logGroupName": "g", "logStreamName": "s"}),
        ("ecr", "AmazonEC2ContainerRegistry_V20150921.CreateRepository", {"repositoryName": 5}),
        ("ecr", "AmazonEC2ContainerRegistry_V20150921.ListImages", {"repositoryName": "r", "filter": "x"}),
        ("secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": ["a"]}),
        ("secretsmanager", "secretsmanager.TagResource", {"SecretId": "a", "Tags": ["x"]}),
        ("monitoring", "GraniteServiceVersion20100801.DescribeAlarms", {"MaxRecords": "x"}),
        ("monitoring", "GraniteServiceVersion20100801.DeleteDashboards", {"DashboardNames": [5]}),
    ],
)
def test_a_member_of_a_wrong_type(sandbox, service: str, target: str, body: Any) -> None:
    status, code, _ = ask(sandbox, service, json.dumps(body).encode(), target=target)
    assert (status, code) == (400, "SerializationException")


@pytest.mark.parametrize(
    ("service", "target", "code", "member"),
    [
        ("logs", "Logs_20140328.CreateLogGroup", "InvalidParameterException", "logGroupName"),
        ("logs", "Logs_20140328.GetQueryResults", "InvalidParameterException", "queryId"),
        (
            "ecr",
            "AmazonEC2ContainerRegistry_V20150921.PutImage",
            "InvalidParameterException",
            "imageManifest",
        ),
        ("secretsmanager", "secretsmanager.GetSecretValue", "ValidationException", "secretId"),
        ("monitoring", "GraniteServiceVersion20100801.GetMetricData", "ValidationException", "startTime"),
    ],
)
def test_a_member_that_is_missing(sandbox, service: str, target: str, code: str, member: str) -> None:
    status, found, text = ask(sandbox, service, b"{}", target=target)
    assert (status, found) == (400, code)
    assert f"'{member}'" in text


@pytest.mark.parametrize("service", TARGETS)
def test_an_operation_that_the_service_does_not_have(sandbox, service: str) -> None:
    for target in (f"{TARGETS[service].partition('.')[0]}.Nope", "", "no-point"):
        status, code, _ = ask(sandbox, service, b"{}", target=target)
        assert (status, code) == (400, "UnknownOperationException"), target


@pytest.mark.parametrize("service", ["ecr", "logs", "secretsmanager"])
def test_a_form_for_a_service_that_speaks_json(sandbox, service: str) -> None:
    status, code, _ = ask(sandbox, service, b"Action=List")
    assert (status, code) == (400, "UnknownOperationException")


@pytest.mark.parametrize("service", ["iam", "monitoring", "sts"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingAction"),
        (b"Action=", "MissingAction"),
        (b"Version=2010-05-08", "MissingAction"),
        (b"&&&=", "MissingAction"),
        (b"Action=Nope&Version=2010-05-08", "InvalidAction"),
        (b"Action=%ff", "InvalidAction"),
        (b"\xff\xfe", "MalformedInput"),
    ],
)
def test_a_form_without_an_operation_of_the_service(sandbox, service: str, body: bytes, code: str) -> None:
    status, found, text = ask(sandbox, service, body)
    assert (status, found) == (400, code)
    assert text.startswith("<?xml")


def test_an_operation_in_a_query_is_an_operation(sandbox) -> None:
    answer = ask(sandbox, "sts", b"", method="GET", path="/?Action=GetCallerIdentity&Version=2011-06-15")
    assert answer[0] == 200
    assert ask(sandbox, "sts", b"", method="GET", path="/?Action=Nope")[:2] == (400, "InvalidAction")


@pytest.mark.parametrize(
    ("service", "form", "code"),
    [
        ("iam", {"Action": "ListRoles", "MaxItems": "ten"}, "MalformedInput"),
        ("iam", {"Action": "CreateRole"}, "ValidationError"),
        ("iam", {"Action": "CreateRole", "RoleName": "r"}, "ValidationError"),
        ("iam", {"Action": "SetDefaultPolicyVersion"}, "ValidationError"),
        ("iam", {"Action": "ListRoles", "Marker": "no-marker"}, "ValidationError"),
        ("sts", {"Action": "AssumeRole"}, "ValidationError"),
        ("sts", {"Action": "GetSessionToken", "DurationSeconds": "long"}, "MalformedInput"),
        ("sts", {"Action": "GetSessionToken", "DurationSeconds": "9" * 30}, "MalformedInput"),
        ("monitoring", {"Action": "DescribeAlarms", "MaxRecords": "x"}, "MalformedInput"),
        ("monitoring", {"Action": "DescribeAlarmHistory", "StartDate": "yesterday"}, "MalformedInput"),
        ("monitoring", {"Action": "DescribeAlarmHistory", "StartDate": "9" * 20}, "MalformedInput"),
        ("monitoring", {"Action": "PutDashboard"}, "ValidationError"),
    ],
)
def test_a_parameter_that_is_missing_or_cannot_be_read(sandbox, service: str, form: Any, code: str) -> None:
    status, found, _ = ask(sandbox, service, urlencode(form).encode())
    assert (status, found) == (400, code)


def test_a_form_that_nobody_signed_is_for_sts_or_for_nobody(sandbox) -> None:
    for body, expected in (
        (b"Action=GetCallerIdentity", (403, "MissingAuthenticationToken")),
        (b"Action=AssumeRoleWithWebIdentity", (400, "ValidationError")),
        (b"", (400, "MissingAction")),
    ):
        assert ask(sandbox, "sts", body, Authorization="")[:2] == expected


@pytest.mark.parametrize("service", [*TARGETS, "iam", "sts"])
def test_a_body_that_says_it_is_gzip(sandbox, service: str) -> None:
    answer = ask(sandbox, service, b"no gzip", target=TARGETS.get(service), Content_Encoding="gzip")
    assert answer[:2] == (400, "SerializationException")


def test_a_protocol_that_moto_does_not_speak(sandbox) -> None:
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    kind = {"Content_Type": "application/cbor", "smithy_protocol": "rpc-v2-cbor"}
    assert ask(sandbox, "monitoring", b"\xa0", path=path, **kind)[:2] == (400, "UnknownOperationException")


def test_a_body_that_is_too_large(sandbox) -> None:
    status, code, _ = ask(sandbox, "logs", b" " * (9 << 20), target=TARGETS["logs"])
    assert (status, code) == (413, "RequestEntityTooLargeException")


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("logs", "get_query_results", {"queryId": "none"}, "InvalidParameterException"),
        (
            "logs",
            "put_delivery_source",
            {"name": "n", "resourceArn": "x", "logType": "l"},
            "InvalidParameterException",
        ),
        (
            "ecr",
            "put_image",
            {"repositoryName": "none", "imageManifest": "{}"},
            "RepositoryNotFoundException",  # looked at before the manifest: storage of images is ours
        ),
        (
            "secretsmanager",
            "batch_get_secret_value",
            {"Filters": [{"Key": "name", "Values": ["a"]}], "NextToken": "x"},
            "InvalidParameterException",
        ),
        ("iam", "create_service_linked_role", {"AWSServiceName": "none"}, "ValidationError"),
        (
            "sts",
            "assume_role_with_saml",
            {"RoleArn": "r" * 20, "PrincipalArn": "p" * 20, "SAMLAssertion": "no base64"},
            "ValidationError",
        ),
        ("cloudwatch", "describe_alarm_history", {"NextToken": "none"}, "InvalidNextToken"),
    ],
)
def test_what_moto_fails_on_is_the_clients_mistake(
    sandbox, service: str, operation: str, arguments: Any, code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(sandbox.client(service), operation)(**arguments)
    response = caught.value.response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (400, code)


def test_nothing_of_all_this_left_a_traceback(sandbox) -> None:
    log = sandbox.log_path.read_text()
    assert "Traceback" not in log
    assert re.search(r"GetQueryResults: InvalidParameterException: .*KeyError.* in logs/models.py:\d+", log)
