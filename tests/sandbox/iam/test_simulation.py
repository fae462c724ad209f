"""What IAM says of a role before a job starts: its policies, as they are, and nothing made up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"
EVERYTHING = {"Action": "*", "Resource": "*"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]}
    )


@pytest.fixture
def iam(sandbox) -> Any:
    return sandbox.client("iam")


def role(iam: Any, name: str, *statements: dict[str, Any], managed: tuple[str, ...] = (), **more: Any) -> str:
    """Make a role with an inline policy and AWS's managed ones; return its ARN."""
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), **more)
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="mine", PolicyDocument=document(*statements))
    for policy in managed:
        iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    return made["Role"]["Arn"]


def decisions(iam: Any, arn: str, *actions: str, **request: Any) -> list[str]:
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=list(actions), **request)
    assert answer["IsTruncated"] is False
    return [result["EvalDecision"] for result in answer["EvaluationResults"]]


def when(name: str, key: str, expected: Any) -> dict[str, Any]:
    return {"Condition": {name: {key: expected}}}


def custom(
    iam: Any, *statements: dict[str, Any], action: str = "s3:GetObject", **request: Any
) -> dict[str, Any]:
    answer = iam.simulate_custom_policy(
        PolicyInputList=[document(*statements)], ActionNames=[action], **request
    )
    (result,) = answer["EvaluationResults"]
    return result


def test_a_role_may_what_its_policies_allow_and_nothing_else(iam: Any) -> None:
    arn = role(
        iam,
        "reads-news",
        {"Action": "s3:Get*", "Resource": ["arn:aws:s3:::news", "arn:aws:s3:::news/*"]},
        {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::news/secret/*"},
        managed=("AmazonSageMakerReadOnly",),
    )
    asked = ("s3:GetObject", "s3:PutObject", "sagemaker:DescribeEndpoint", "sagemaker:CreateEndpoint")
    assert decisions(iam, arn, *asked) == ["implicitDeny", "implicitDeny", "allowed", "implicitDeny"]
    assert decisions(
        iam,
        arn,
        "s3:getobject",
        ResourceArns=[f"arn:aws:s3:::{each}" for each in ("news/a", "news/secret/b", "newspaper/c")],
    ) == ["allowed", "explicitDeny", "implicitDeny"]


def test_a_result_names_the_policy_that_decided(iam: Any) -> None:
    arn = role(iam, "named", {"Action": "s3:*", "Resource": "*"}, managed=("AmazonS3FullAccess",))
    (result,) = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["s3:PutObject"], ResourceArns=["arn:aws:s3:::news/*"]
    )["EvaluationResults"]
    assert [(each["SourcePolicyId"], each["SourcePolicyType"]) for each in result["MatchedStatements"]] == [
        ("mine", "role"),
        ("AmazonS3FullAccess", "aws-managed"),
    ]
    assert (result["EvalActionName"], result["EvalResourceName"]) == ("s3:PutObject", "arn:aws:s3:::news/*")
    (specific,) = result["ResourceSpecificResults"]
    assert (specific["EvalResourceName"], specific["EvalResourceDecision"]) == (
        "arn:aws:s3:::news/*",
        "allowed",
    )


def test_a_policy_is_evaluated_in_its_default_version(iam: Any) -> None:
    policy = iam.create_policy(
        PolicyName="versions", PolicyDocument=document({"Action": "s3:*", "Resource": "*"})
    )["Policy"]["Arn"]
    arn = role(iam, "versioned")
    iam.attach_role_policy(RoleName="versioned", PolicyArn=policy)
    assert decisions(iam, arn, "s3:PutObject", "logs:GetLogEvents") == ["allowed", "implicitDeny"]
    iam.create_policy_version(
        PolicyArn=policy, PolicyDocument=document({"Action": "logs:*", "Resource": "*"}), SetAsDefault=True
    )
    assert decisions(iam, arn, "s3:PutObject", "logs:GetLogEvents") == ["implicitDeny", "allowed"]


def test_a_boundary_limits_what_policies_allow(iam: Any) -> None:
    boundary = iam.create_policy(
        PolicyName="logs-only", PolicyDocument=document({"Action": "logs:*", "Resource": "*"})
    )["Policy"]["Arn"]
    arn = role(iam, "bounded", {"Action": "*", "Resource": "*"}, PermissionsBoundary=boundary)
    answer = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["s3:PutObject", "logs:GetLogEvents"]
    )
    assert [
        (each["EvalDecision"], each["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"])
        for each in answer["EvaluationResults"]
    ] == [("implicitDeny", False), ("allowed", True)]


def test_a_user_has_its_own_policies_and_those_of_its_groups(iam: Any) -> None:
    iam.create_group(GroupName="readers")
    arn = iam.create_user(UserName="kim")["User"]["Arn"]
    assert decisions(iam, arn, "s3:GetObject") == ["implicitDeny"]
    iam.put_group_policy(
        GroupName="readers", PolicyName="g", PolicyDocument=document({"Action": "s3:Get*", "Resource": "*"})
    )
    iam.add_user_to_group(GroupName="readers", UserName="kim")
    assert decisions(iam, arn, "s3:GetObject", "s3:PutObject") == ["allowed", "implicitDeny"]
    group = iam.get_group(GroupName="readers")["Group"]["Arn"]
    assert decisions(iam, group, "s3:GetObject") == ["allowed"]
    more = {"PolicyInputList": [document({"Action": "s3:Put*", "Resource": "*"})]}
    assert decisions(iam, group, "s3:PutObject", **more) == ["allowed"]


@pytest.mark.parametrize(
    ("statement", "values", "decision", "missing"),
    [
        (when("StringEquals", "s3:prefix", "news"), {}, "implicitDeny", ["s3:prefix"]),
        (when("StringEquals", "s3:prefix", "news"), {"S3:Prefix": ["news"]}, "allowed", []),
        (when("StringEquals", "s3:prefix", "n*"), {"s3:prefix": ["news"]}, "implicitDeny", []),
        (when("StringLike", "s3:prefix", ["a", "n?ws"]), {"s3:prefix": ["news"]}, "allowed", []),
        (when("StringNotEquals", "s3:prefix", "news"), {}, "allowed", ["s3:prefix"]),
        (when("StringNotLike", "s3:prefix", "n*"), {"s3:prefix": ["news"]}, "implicitDeny", []),
        (when("StringEqualsIfExists", "s3:prefix", "news"), {}, "allowed", ["s3:prefix"]),
        (when("StringEqualsIgnoreCase", "s3:prefix", "NEWS"), {"s3:prefix": ["news"]}, "allowed", []),
        (when("Null", "s3:prefix", "true"), {}, "allowed", ["s3:prefix"]),
        (when("Null", "s3:prefix", False), {"s3:prefix": ["x"]}, "allowed", []),
        (when("Bool", "aws:SecureTransport", True), {"aws:SecureTransport": ["true"]}, "allowed", []),
        (when("NumericLessThan", "s3:max-keys", 10), {"s3:max-keys": ["9"]}, "allowed", []),
        (when("NumericLessThan", "s3:max-keys", 10), {"s3:max-keys": ["10"]}, "implicitDeny", []),
        (when("NumericGreaterThanEquals", "s3:max-keys", 10), {"s3:max-keys": ["10"]}, "allowed", []),
        (
            when("DateLessThan", "aws:CurrentTime", "2026-01-01T00:00:00Z"),
            {"aws:CurrentTime": ["2025-12-31T23:59:59+00:00"]},
            "allowed",
            [],
        ),
        (when("IpAddress", "aws:SourceIp", "10.0.0.0/8"), {"aws:SourceIp": ["10.1.2.3"]}, "allowed", []),
        (
            when("NotIpAddress", "aws:SourceIp", ["10.0.0.0/8", "11.0.0.1"]),
            {"aws:SourceIp": ["11.0.0.1"]},
            "implicitDeny",
            [],
        ),
        (
            when("ArnLike", "aws:SourceArn", "arn:aws:sagemaker:*:*:job/*"),
            {"aws:SourceArn": ["arn:aws:sagemaker:us-east-1:1:job/a"]},
            "allowed",
            [],
        ),
        (
            when("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b"]),
            {"aws:TagKeys": ["a", "c"]},
            "implicitDeny",
            [],
        ),
        (
            when("ForAnyValue:StringEquals", "aws:TagKeys", ["a", "b"]),
            {"aws:TagKeys": ["a", "c"]},
            "allowed",
            [],
        ),
        (when("ForAllValues:StringEquals", "aws:TagKeys", "a"), {}, "allowed", ["aws:TagKeys"]),
        (when("ForAnyValue:StringNotEquals", "aws:TagKeys", "a"), {}, "implicitDeny", ["aws:TagKeys"]),
        (
            {"Condition": {"StringEquals": {"s3:prefix": "a"}, "Bool": {"aws:SecureTransport": "true"}}},
            {"s3:prefix": ["a"]},
            "implicitDeny",
            ["aws:SecureTransport"],
        ),
        ({"Resource": "arn:aws:s3:::${aws:username}/*"}, {"aws:username": ["kim"]}, "allowed", []),
        ({"Resource": "arn:aws:s3:::${aws:username, 'kim'}/*"}, {}, "allowed", ["aws:username"]),
        ({"Resource": "arn:aws:s3:::${aws:username}/*"}, {"aws:username": ["k*"]}, "implicitDeny", []),
        ({"Resource": "arn:aws:s3:::ki?/*"}, {}, "allowed", []),
        ({"Resource": "arn:aws:s3:::ki${?}/*"}, {}, "implicitDeny", []),
        ({"NotResource": "arn:aws:s3:::kim/*"}, {}, "implicitDeny", []),
        ({"NotAction": "s3:Put*"}, {}, "allowed", []),
        ({"NotAction": ["s3:put*", "S3:GetObject"]}, {}, "implicitDeny", []),
    ],
)
def test_a_statement_holds_as_the_user_guide_says(
    iam: Any, statement: dict[str, Any], values: dict[str, list[str]], decision: str, missing: list[str]
) -> None:
    whole = {} if "NotAction" in statement else {"Action": "s3:*"}
    whole |= {} if "NotResource" in statement else {"Resource": "*"}
    entries = [
        {"ContextKeyName": name, "ContextKeyValues": given, "ContextKeyType": "stringList"}
        for name, given in values.items()
    ]
    result = custom(iam, whole | statement, ResourceArns=["arn:aws:s3:::kim/a"], ContextEntries=entries)
    assert (result["EvalDecision"], result["MissingContextValues"]) == (decision, missing)


def test_the_context_keys_of_policies_are_listed(iam: Any) -> None:
    statement = {
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::${aws:username}/${*}",
        "Condition": {"StringLike": {"s3:prefix": "${aws:userid}"}},
    }
    keys = ["aws:userid", "aws:username", "s3:prefix"]
    given = iam.get_context_keys_for_custom_policy(PolicyInputList=[document(statement)])
    assert given["ContextKeyNames"] == keys
    arn = role(iam, "with-keys", statement)
    found = iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)
    assert found["ContextKeyNames"] == keys


def test_many_results_come_in_pages(iam: Any) -> None:
    arn = role(iam, "paged", {"Action": "s3:Get*", "Resource": "*"})
    actions = [f"s3:Get{number}" for number in range(120)] + ["s3:PutObject"]
    first = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions)
    assert (len(first["EvaluationResults"]), first["IsTruncated"]) == (100, True)
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn, ActionNames=actions, PaginationConfig={"PageSize": 50}
    )
    results = [result for page in pages for result in page["EvaluationResults"]]
    assert [result["EvalActionName"] for result in results] == actions
    assert {result["EvalDecision"] for result in results[:-1]} == {"allowed"}
    assert results[-1]["EvalDecision"] == "implicitDeny"


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({"PolicySourceArn": f"{ROLE}/nobody"}, "NoSuchEntity", "role with name nobody cannot be found"),
        (
            {"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:user/nobody"},
            "NoSuchEntity",
            "user with name nobody cannot be found",
        ),
        (
            {"PolicySourceArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/workshop-sample/s"},
            "InvalidInput",
            "does not clearly define entity type and name",
        ),
        ({"ActionNames": ["s3:*"]}, "InvalidInput", r"Invalid Action Name: s3:\*"),
        ({"ActionNames": ["PutObject"]}, "InvalidInput", "Invalid Action Name: PutObject"),
        ({"PolicyInputList": ["{"]}, "InvalidInput", r"Syntax errors in policy PolicyInputList\.1"),
        ({"PolicyInputList": ['{"Statement": {"Effect": "Allow"}}']}, "InvalidInput", "either Action or"),
        ({"ResourcePolicy": document()}, "InvalidInput", "does not simulate ResourcePolicy"),
        ({"ResourceHandlingOption": "EC2-VPC-InstanceStore"}, "InvalidInput", "does not simulate Resource"),
        ({"CallerArn": f"arn:aws:iam::{ACCOUNT}:user/kim"}, "InvalidInput", "does not simulate CallerArn"),
        (
            {"PolicyInputList": [document({**EVERYTHING, "Condition": {"StringIs": {"a:b": "c"}}})]},
            "InvalidInput",
            "Invalid condition operator: StringIs",
        ),
        (
            {
                "PolicyInputList": [document({**EVERYTHING, "Condition": {"IpAddress": {"a:bcd": "here"}}})],
                "ContextEntries": [{"ContextKeyName": "a:bcd", "ContextKeyValues": ["10.0.0.1"]}],
            },
            "InvalidInput",
            "cannot be evaluated: 'here'",
        ),
        ({"Marker": "x"}, "ValidationError", "Invalid Marker"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    iam: Any, request_: dict[str, Any], code: str, message: str
) -> None:
    asked = {"PolicySourceArn": f"{ROLE}/workshop-sample", "ActionNames": ["s3:PutObject"], **request_}
    with pytest.raises(ClientError, match=message) as caught:
        iam.simulate_principal_policy(**asked)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404)


def test_a_caller_without_a_key_of_its_own_is_a_role_with_the_shipped_policies(sandbox, iam: Any) -> None:
    caller = sandbox.client("sts").get_caller_identity()
    assert caller["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/workshop-sample/sandbox"
    found = iam.get_role(RoleName="workshop-sample")["Role"]
    assert found["Arn"] == f"{ROLE}/workshop-sample"
    trusted = [each["Principal"]["Service"] for each in found["AssumeRolePolicyDocument"]["Statement"]]
    assert trusted == ["sagemaker.amazonaws.com", "events.amazonaws.com"]
    assert decisions(iam, found["Arn"], "ec2:DescribeVpcs", "iam:CreateRole") == ["allowed", "implicitDeny"]
    model = [f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:model/{name}" for name in ("news-1", "theirs")]
    made = decisions(iam, found["Arn"], "sagemaker:CreateModel", ResourceArns=model)
    assert made == ["allowed", "implicitDeny"]


def test_a_user_and_an_assumed_role_are_themselves(sandbox, iam: Any) -> None:
    import boto3

    def caller(key: dict[str, Any]) -> str:
        session = boto3.session.Session(key["AccessKeyId"], key["SecretAccessKey"], key.get("SessionToken"))
        client = session.client("sts", region_name="us-east-1", endpoint_url=sandbox.url)
        return client.get_caller_identity()["Arn"]

    arn = iam.create_user(UserName="lee")["User"]["Arn"]
    assert caller(iam.create_access_key(UserName="lee")["AccessKey"]) == arn
    assumed = sandbox.client("sts").assume_role(RoleArn=role(iam, "assumed"), RoleSessionName="job")
    assert caller(assumed["Credentials"]) == f"arn:aws:sts::{ACCOUNT}:assumed-role/assumed/job"


def test_a_role_of_another_account_is_there_once_a_simulation_named_it(iam: Any) -> None:
    """Somebody's script names the role of his own account, which nobody can make here."""
    arn = "arn:aws:iam::111122223333:role/service-role/AmazonSageMaker-ExecutionRole-2026"
    name = arn.rpartition("/")[2]
    with pytest.raises(ClientError, match=f"NoSuchEntity.*The role with name {name} cannot be found"):
        iam.get_role(RoleName=name)
    for _ in range(2):
        assert decisions(iam, arn, "s3:PutObject", "ec2:DescribeVpcs") == ["allowed", "allowed"]
    found = iam.get_role(RoleName=name)["Role"]
    assert found["Path"] == "/service-role/"
    assert "another account" in found["Description"]


@pytest.fixture
def session(sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session of the SDK by the documented variables, its check of roles on."""
    import boto3
    from sagemaker.core.helper.session_helper import Session

    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.url)
    monkeypatch.delenv("SAGEMAKER_VALIDATE_ROLE", raising=False)
    return Session(boto3.session.Session("a", "b", region_name="us-east-1"))


def test_the_sdk_validates_a_role_as_on_aws(session: Any, iam: Any) -> None:
    from sagemaker.core.helper.iam_role_resolver import RoleValidationError, resolve_and_validate_role

    def resolve(role_arn: str | None, role_type: str = "training") -> str:
        return resolve_and_validate_role(role_arn, role_type, session)

    assert resolve(None) == resolve(None, "serving") == f"{ROLE}/workshop-sample"
    assert resolve("workshop-sample") == f"{ROLE}/workshop-sample"
    elsewhere = "arn:aws:iam::111122223333:role/Exec"
    assert resolve(elsewhere) == elsewhere
    full = role(iam, "full", managed=("AmazonSageMakerFullAccess",))
    assert resolve(full) == full
    poor = role(iam, "poor", {"Action": "s3:*", "Resource": "*"})
    with pytest.raises(RoleValidationError, match="Missing permissions: cloudwatch:PutMetricData"):
        resolve(poor)
    with pytest.raises(RoleValidationError, match="cannot be used"):
        resolve(f"{ROLE}/nobody")
    with pytest.raises(ValueError, match="'nobody' does not exist"):
        resolve("nobody")
    iam.update_assume_role_policy(
        RoleName="full",
        PolicyDocument=json.dumps(TRUST).replace("sagemaker.amazonaws.com", "lambda.amazonaws.com"),
    )
    with pytest.raises(RoleValidationError, match="trust policy does not allow"):
        resolve(full)


def test_the_sdk_makes_a_role_that_it_then_accepts(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sagemaker.core.helper import iam_role_resolver
    from sagemaker.core.helper.iam_role_resolver import IamRoleResolver, resolve_and_validate_role

    monkeypatch.setattr(iam_role_resolver, "_IAM_PROPAGATION_DELAY_SECONDS", 0)  # a role of AWS's takes 10 s
    made = IamRoleResolver(sagemaker_session=session).create_execution_role(role_type="training")
    assert resolve_and_validate_role(made, "training", session) == made


def test_a_role_with_another_path_is_another_one(iam: Any) -> None:
    arn = role(iam, "pathed", {"Action": "s3:*", "Resource": "*"}, Path="/service-role/")
    assert arn == f"{ROLE}/service-role/pathed"
    assert decisions(iam, arn, "s3:GetObject") == ["allowed"]
    with pytest.raises(ClientError, match="NoSuchEntity"):
        decisions(iam, f"{ROLE}/pathed", "s3:GetObject")
