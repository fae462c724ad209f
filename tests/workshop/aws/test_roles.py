"""The role for jobs and endpoints: refused before anything is uploaded when SageMaker could not use it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest

from workshop.aws import roles
from workshop.aws.roles import SERVICE, check_role
from workshop.aws.session import Aws, connect
from workshop.errors import WorkshopError
from workshop.settings import Settings

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role"

Maker = Callable[..., str]


def statement(principal: Any, action: Any = "sts:AssumeRole", effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": action}


SAGEMAKER = {"Service": SERVICE}


@pytest.fixture
def make_role(sample_aws: Aws) -> Iterator[Maker]:
    """Make roles in the sandbox's IAM that are gone after the test."""
    iam, made = sample_aws.client("iam"), []

    def make(name: str, *statements: dict[str, Any], path: str = "/") -> str:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        role = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document)["Role"]
        made.append(name)
        return role["Arn"]

    yield make
    for name in made:
        iam.delete_role(RoleName=name)


def test_the_role_of_sample_mode_is_one_that_sagemaker_may_assume(sample_aws: Aws) -> None:
    assert sample_aws.role == roles.Role(arn=f"{ROLE}/workshop-sample")
    assert sample_aws.role_arn == sample_aws.role.arn


@pytest.mark.parametrize(
    "statements",
    [
        [statement(SAGEMAKER)],
        [statement({"Service": ["lambda.amazonaws.com", SERVICE]}, ["sts:TagSession", "sts:Assume*"])],
        [statement({"AWS": "*"}), {**statement(SAGEMAKER), "Condition": {"StringEquals": {"a": "b"}}}],
    ],
)
def test_a_role_that_trusts_sagemaker_is_taken(
    sample_aws: Aws, make_role: Maker, statements: list[dict[str, Any]]
) -> None:
    arn = make_role("trusting", *statements, path="/service-role/")
    assert check_role(sample_aws.client("iam"), arn, ACCOUNT) == roles.Role(arn=arn)


@pytest.mark.parametrize(
    "statements",
    [
        [statement({"Service": "lambda.amazonaws.com"})],
        [statement({"Federated": "arn:aws:iam::000000000000:saml-provider/x"}, "sts:AssumeRoleWithSAML")],
        [statement(SAGEMAKER, "sts:TagSession")],
        [statement(SAGEMAKER), statement(SAGEMAKER, effect="Deny")],
    ],
)
def test_a_role_that_sagemaker_may_not_assume_is_refused(
    sample_aws: Aws, make_role: Maker, statements: list[dict[str, Any]]
) -> None:
    arn = make_role("AWSReservedSSO_Administrator", *statements)
    with pytest.raises(WorkshopError, match="trust policy does not let sagemaker") as caught:
        check_role(sample_aws.client("iam"), arn, ACCOUNT)
    assert "setup/iam/trust-policy.json" in caught.value.expected
    assert "update-assume-role-policy" in caught.value.next_step


@pytest.mark.parametrize(
    ("arn", "found"),
    [
        (f"{ROLE}/nobody", "no role of the name nobody in this account"),
        (f"{ROLE}/pathed", "a role pathed with another path"),
        ("arn:aws:iam::111122223333:role/theirs", "a role of another account than the credentials"),
        (f"arn:aws:iam::{ACCOUNT}:user/me", "no role: arn:aws:iam::\\*+:user/me"),
    ],
)
def test_a_role_that_is_not_there_is_refused_without_an_account_number(
    sample_aws: Aws, make_role: Maker, arn: str, found: str
) -> None:
    make_role("pathed", statement(SAGEMAKER), path="/service-role/")
    with pytest.raises(WorkshopError, match=found) as caught:
        check_role(sample_aws.client("iam"), arn, ACCOUNT)
    assert ACCOUNT not in str(caught.value)
    assert "111122223333" not in str(caught.value)
    assert "setup/README.md" in caught.value.next_step


def test_a_role_that_nobody_may_look_at_is_taken_with_a_word(
    sample_aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refuses(BaseHTTPRequestHandler):
        """IAM as it answers somebody without iam:GetRole."""

        def do_POST(self) -> None:
            body = b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
            self.send_response(403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Refuses)
    Thread(target=server.serve_forever, daemon=True).start()
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    url = f"http://127.0.0.1:{server.server_port}"
    arn = f"{ROLE}/not-to-be-looked-at"
    role = check_role(boto3.client("iam", endpoint_url=url, **keys), arn, ACCOUNT)
    server.shutdown()
    server.server_close()
    unanswered = check_role(boto3.client("iam", endpoint_url=url, **keys), arn, ACCOUNT)
    assert "iam:GetRole" in role.unsure
    assert "EndpointConnectionError" in unanswered.unsure
    aws = dataclasses.replace(sample_aws)
    aws.__dict__["role"] = role
    assert aws.role_arn == arn
    assert "not checked whether SageMaker can use the role" in capsys.readouterr().out


def test_outside_sagemaker_the_role_of_the_credentials_is_none(
    account: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A single sign-on's role is one, too, and jobs cannot run as it."""
    monkeypatch.setattr(roles, "METADATA_PATH", tmp_path / "absent.json")
    aws = connect(account)
    with pytest.raises(WorkshopError, match='role_arn: "" in mode debug, outside SageMaker') as caught:
        _ = aws.role_arn
    assert "role_arn in workshop.yaml" in caught.value.next_step


def test_the_role_of_the_settings_counts_and_in_studio_its_own(
    account: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from sagemaker.core.helper import session_helper

    metadata = tmp_path / "resource-metadata.json"
    monkeypatch.setattr(roles, "METADATA_PATH", metadata)
    monkeypatch.setattr(session_helper, "NOTEBOOK_METADATA_FILE", str(metadata))
    iam = boto3.Session(region_name="us-east-1").client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement(SAGEMAKER)]})
    studio, given = (
        iam.create_role(RoleName=name, Path="/service-role/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        for name in ("studio", "given")
    )
    metadata.write_text(json.dumps({"ResourceName": "default", "ExecutionRoleArn": studio}))
    assert connect(account).role_arn == studio
    assert connect(dataclasses.replace(account, role_arn=given)).role_arn == given
