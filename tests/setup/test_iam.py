"""The policies of setup/iam: all that the workshop's calls ask for, and nothing that none of them does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.permissions_record import (
    ACCOUNT,
    EXECUTION,
    IAM_DIR,
    PERSON,
    POLICIES,
    REGION,
    ROLE_ARN,
    documents,
    listed,
    policy,
    recorded,
    unseen,
)
from tests.sandbox.conftest import RunningSandbox

from sandbox.iam.conditions import matches
from sandbox.iam.policies import decide, read

BUCKET = f"sagemaker-{REGION}-{ACCOUNT}"
# What AWS knows of such a request, and what the simulator has to be told.
USER = "kim"
CONTEXT = {
    "aws:username": USER,
    "iam:PassedToService": "sagemaker.amazonaws.com",
    "application-autoscaling:service-namespace": "sagemaker",
    "cloudwatch:namespace": "KoreanNews/Monitoring",
}
# Characters without white space. Source: IAM User Guide, "IAM and AWS STS quotas".
MAX_MANAGED, MAX_INLINE_OF_ROLE = 6144, 10_240


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    running = RunningSandbox(tmp_path_factory.mktemp("iam") / "home")
    try:
        yield running
    finally:
        running.close()


def calls() -> list[tuple[str, str, str]]:
    """Return every recorded call: person or execution, action, pattern of the resource."""
    return sorted(
        {
            (who, action, resource)
            for part in recorded().values()
            for who, actions in part.items()
            for action, resources in actions.items()
            for resource in resources
        }
    )


def in_account(pattern: str) -> str:
    values = {"USERNAME": USER, "ROLE_ARN": ROLE_ARN, "ACCOUNT": ACCOUNT, "REGION": REGION, "BUCKET": BUCKET}
    for placeholder, value in values.items():
        pattern = pattern.replace(placeholder, value)
    return pattern


def allowed(who: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield action, resource and statement of everything that a policy allows."""
    for statement in policy(who)["Statement"]:
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                yield action, resource, statement


def test_the_record_has_all_parts_of_the_workshop() -> None:
    assert set(recorded()) == {"cleanup", "notebooks"}
    assert len({action for _, action, _ in calls()}) > 50


@pytest.mark.parametrize("who", POLICIES)
def test_every_recorded_call_is_allowed(who: str) -> None:
    policies = [read(who, "none", json.dumps(policy(who)))]
    context = {key.lower(): [value] for key, value in CONTEXT.items()}
    refused = [
        (action, resource)
        for of, action, resource in calls()
        if of == who and decide(policies, action, in_account(resource), context).effect != "allowed"
    ]
    assert refused == []


@pytest.mark.parametrize("who", POLICIES)
def test_iams_simulator_allows_every_recorded_call_of_a_role_that_has_the_policy(
    sandbox: RunningSandbox, who: str
) -> None:
    """Asked as the SDK asks it: of a role, by boto3."""
    iam = sandbox.client("iam")
    trust = (IAM_DIR / "trust-policy.json").read_text(encoding="utf-8")
    arn = iam.create_role(RoleName=who, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName=who, PolicyName="shipped", PolicyDocument=json.dumps(policy(who)))
    entries = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in CONTEXT.items()
    ]
    by_resource: dict[str, list[str]] = {}
    for of, action, resource in calls():
        if of == who:
            by_resource.setdefault(in_account(resource), []).append(action)
    for resource, actions in by_resource.items():
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=arn, ActionNames=actions, ResourceArns=[resource], ContextEntries=entries
        )
        decided = {
            one["EvalActionName"]: one["EvalDecision"] for page in pages for one in page["EvaluationResults"]
        }
        assert decided == dict.fromkeys(actions, "allowed"), resource


@pytest.mark.parametrize("who", POLICIES)
def test_nothing_is_allowed_that_nobody_asks_for(who: str) -> None:
    asked = [(action, in_account(resource)) for of, action, resource in calls() if of == who]
    unused = sorted({action for action, _, _ in allowed(who) if action not in {each for each, _ in asked}})
    assert unused == sorted(unseen(who)), "allowed, not asked for, and not in unseen.yaml with a reason"


@pytest.mark.parametrize("who", POLICIES)
def test_no_resource_is_named_that_nobody_uses(who: str) -> None:
    asked = [(action, in_account(resource)) for of, action, resource in calls() if of == who]
    idle, oneself = [], {"aws:username": [USER]}
    for number, statement in enumerate(policy(who)["Statement"]):
        given = set(listed(statement["Action"]))
        if given <= unseen(who).keys():
            continue
        idle += [
            (number, resource)
            for resource in listed(statement["Resource"])
            if not any(action in given and matches(resource, on, oneself) for action, on in asked)
        ]
    assert idle == []


def test_no_action_and_no_resource_is_a_wildcard_but_where_aws_knows_no_resource() -> None:
    for who in POLICIES:
        for action, resource, statement in allowed(who):
            assert "*" not in action
            if resource == "*":
                assert statement["Sid"] in (
                    "ActionsThatKnowNoResource",
                    "PutMetricsOfTheWorkshop",
                    "WhatTheSdkAsksForBeforeAJob",
                )


def test_the_role_may_what_the_sdk_asks_for_before_a_job(sandbox: RunningSandbox) -> None:
    from sagemaker.core.helper.iam_role_resolver import _get_smoke_test_actions

    actions = _get_smoke_test_actions("training")
    assert len(actions) == 11
    answer = sandbox.client("iam").simulate_principal_policy(PolicySourceArn=ROLE_ARN, ActionNames=actions)
    assert {one["EvalDecision"] for one in answer["EvaluationResults"]} == {"allowed"}


def test_the_policies_are_not_larger_than_iam_takes() -> None:
    limits = {PERSON: MAX_MANAGED, EXECUTION: MAX_INLINE_OF_ROLE}
    for who, limit in limits.items():
        for name, document in documents(who, bucket="b" * 63, region="ap-northeast-2").items():
            assert len(re.sub(r"\s", "", json.dumps(document))) <= limit, name


def test_the_commands_take_what_botocore_takes() -> None:
    """The CLI reads the same files into the same requests."""
    from botocore.session import get_session
    from botocore.validate import ParamValidator

    def request(service: str, operation: str, **members: Any) -> None:
        shape = get_session().get_service_model(service).operation_model(operation).input_shape
        report = ParamValidator().validate(members, shape)
        assert not report.has_errors(), report.generate_report()

    budget, alarm = (
        json.loads((IAM_DIR / f"{name}.json").read_text()) for name in ("budget", "budget-alarm")
    )
    request("budgets", "CreateBudget", AccountId=ACCOUNT, Budget=budget, NotificationsWithSubscribers=alarm)
    for document in documents(PERSON).values():
        request("iam", "CreatePolicy", PolicyName="p", PolicyDocument=json.dumps(document))
