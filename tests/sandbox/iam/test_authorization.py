"""Every call is noted once, and refused in AWS's words while policies count that do not allow it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.sandbox.conftest import RunningSandbox

from sandbox.iam.authorization import read_calls

ANYTHING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
BUCKET = "news-of-everybody"
Enforce = Callable[..., None]


def control(sandbox: RunningSandbox, method: str, body: Any = None) -> None:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{sandbox.url}/_sandbox/policies", data=data, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        assert answer.status == 200


def all_but(*actions: str) -> dict[str, Any]:
    """Return a policy that allows everything else."""
    statement = {"Effect": "Allow", "NotAction": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.fixture
def enforce(sandbox: RunningSandbox) -> Iterator[Enforce]:
    """Let policies of a person, and of the execution role, count until the test ends."""

    def enforced(person: Any = ANYTHING, execution: Any = ANYTHING) -> None:
        control(sandbox, "PUT", {"person": [person], "execution": [execution]})

    sandbox.client("s3").create_bucket(Bucket=BUCKET)
    yield enforced
    control(sandbox, "DELETE")


def denied(call: Callable[..., Any], **members: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return caught.value


def noted(sandbox: RunningSandbox) -> list[tuple[str, str, str]]:
    return [tuple(call.values()) for call in read_calls(sandbox.home / "calls.jsonl")]


def test_a_call_is_noted_once_with_who_made_it(sandbox: RunningSandbox) -> None:
    for _ in range(2):
        sandbox.client("sagemaker").list_models()
    keys = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox", "region_name": "us-east-1"}
    boto3.client("sagemaker", endpoint_url=sandbox.url, **keys).list_models()
    listed = [call for call in noted(sandbox) if call[1] == "sagemaker:ListModels"]
    assert listed == [
        ("person", "sagemaker:ListModels", "*"),
        ("execution", "sagemaker:ListModels", "*"),
    ]
    with (sandbox.home / "calls.jsonl").open("a") as file:
        file.write('{"who": "cut of')
    sandbox.restart()
    sandbox.client("sagemaker").list_models()
    assert [call for call in noted(sandbox) if call[1] == "sagemaker:ListModels"] == listed


@pytest.mark.parametrize(
    ("service", "operation", "members", "action", "code"),
    [
        ("sagemaker", "list_models", {}, "sagemaker:ListModels", "AccessDeniedException"),
        ("logs", "describe_log_groups", {}, "logs:DescribeLogGroups", "AccessDeniedException"),
        ("iam", "get_role", {"RoleName": "workshop-sample"}, "iam:GetRole", "AccessDenied"),
        ("cloudwatch", "describe_alarms", {}, "cloudwatch:DescribeAlarms", "AccessDenied"),
        ("s3", "list_objects_v2", {"Bucket": BUCKET}, "s3:ListBucket", "AccessDenied"),
        (
            "sagemaker-runtime",
            "invoke_endpoint",
            {"EndpointName": "e", "Body": b""},
            "sagemaker:InvokeEndpoint",
            "AccessDeniedException",
        ),
        (
            "application-autoscaling",
            "describe_scalable_targets",
            {"ServiceNamespace": "sagemaker"},
            "application-autoscaling:DescribeScalableTargets",
            "AccessDeniedException",
        ),
    ],
)
def test_what_no_policy_allows_is_refused_and_named(
    sandbox: RunningSandbox,
    enforce: Enforce,
    service: str,
    operation: str,
    members: dict[str, Any],
    action: str,
    code: str,
) -> None:
    call = getattr(sandbox.client(service), operation)
    enforce(all_but(action))
    error = denied(call, **members).response["Error"]
    assert error["Code"] == code
    assert f"is not authorized to perform: {action} on resource: " in error["Message"]
    assert f"no identity-based policy allows the {action} action" in error["Message"]
    enforce()
    if service != "sagemaker-runtime":
        call(**members)


def test_a_head_is_refused_without_a_word(sandbox: RunningSandbox, enforce: Enforce) -> None:
    enforce(all_but("s3:ListBucket"))
    error = denied(sandbox.client("s3").head_bucket, Bucket=BUCKET).response["Error"]
    assert error == {"Code": "403", "Message": "Forbidden"}


def test_keys_that_may_not_be_deleted_are_errors_of_an_answer(
    sandbox: RunningSandbox, enforce: Enforce
) -> None:
    s3 = sandbox.client("s3")
    s3.put_object(Bucket=BUCKET, Key="가 & 나", Body=b"1")
    enforce(all_but("s3:DeleteObject"))
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "가 & 나"}]})
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("가 & 나", "AccessDenied")]
    assert "s3:DeleteObject" in answer["Errors"][0]["Message"]
    s3.head_object(Bucket=BUCKET, Key="가 & 나")


def test_a_deny_wins_and_is_said_to_be_one(sandbox: RunningSandbox, enforce: Enforce) -> None:
    deny = {"Effect": "Deny", "Action": "sagemaker:List*", "Resource": "*"}
    enforce({"Version": "2012-10-17", "Statement": [ANYTHING["Statement"], deny]})
    assert "explicit deny" in denied(sandbox.client("sagemaker").list_models).response["Error"]["Message"]


def test_the_execution_role_has_policies_of_its_own(sandbox: RunningSandbox, enforce: Enforce) -> None:
    keys = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox", "region_name": "us-east-1"}
    of_a_job = boto3.client("s3", endpoint_url=sandbox.url, **keys)
    enforce(execution=all_but("s3:PutObject"))
    sandbox.client("s3").put_object(Bucket=BUCKET, Key="a", Body=b"1")
    assert denied(of_a_job.put_object, Bucket=BUCKET, Key="a", Body=b"1").response["Error"]["Code"] == (
        "AccessDenied"
    )


def test_policies_that_cannot_be_read_change_nothing(sandbox: RunningSandbox, enforce: Enforce) -> None:
    for wrong in ({}, {"person": [{}], "execution": []}, [1]):
        with pytest.raises(urllib.error.HTTPError):
            control(sandbox, "PUT", wrong)
    sandbox.client("sagemaker").list_models()
