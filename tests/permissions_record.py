"""Which permissions the workshop's calls ask for: setup/iam/recorded.yaml, written and compared by tests.

    export RECORD_PERMISSIONS=1
    pytest tests/notebooks/test_requests_in_both_modes.py tests/workshop/account/test_permissions.py

What a call names is written as a pattern, so that the next run finds the same: the workshop's names end in *.
"""

from __future__ import annotations

import json
import os
import re
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from tests.sandbox.conftest import RunningSandbox

from sandbox.iam.authorization import read_calls
from workshop.account.permissions import filled
from workshop.aws.session import PREFIX

IAM_DIR = Path(__file__).parents[1] / "setup" / "iam"
PATH = IAM_DIR / "recorded.yaml"
ACCOUNT, REGION = "000000000000", "us-east-1"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/workshop-sample"
PERSON, EXECUTION = "person", "execution"
POLICIES = {PERSON: ("person-policy", "person-policy-read"), EXECUTION: ("execution-role-policy",)}
OF_TESTS = (
    *("s3:PutBucketVersioning", "cloudwatch:SetAlarmState"),
    *("iam:CreateUser", "iam:CreateAccessKey", "iam:PutUserPolicy"),
)
"""What a test does as the account's owner."""

_HEAD = "# Which actions the workshop's calls ask for, on what: written by tests/permissions_record.py\n"
Record = dict[str, dict[str, dict[str, list[str]]]]
"""Part of the workshop -> person or execution -> action -> patterns of resources."""


def documents(
    who: str, bucket: str = f"sagemaker-{REGION}-{ACCOUNT}", region: str = REGION
) -> dict[str, dict[str, Any]]:
    """Return the shipped policies by their files' names, filled in for the sandbox's account."""
    places = {"account_id": ACCOUNT, "region": region, "bucket": bucket, "role_arn": ROLE_ARN}
    return {name: json.loads(filled(name, **places)) for name in POLICIES[who]}


def policy(who: str) -> dict[str, Any]:
    """Return what the shipped policies allow together, as one."""
    shipped = list(documents(who).values())
    return {**shipped[0], "Statement": [each for one in shipped for each in one["Statement"]]}


def actions(who: str) -> list[str]:
    """Return the actions that a shipped policy allows."""
    return sorted(action for statement in policy(who)["Statement"] for action in listed(statement["Action"]))


def without(who: str, action: str) -> list[dict[str, Any]]:
    """Return a shipped policy with one action taken away."""
    shipped = policy(who)
    for statement in shipped["Statement"]:
        statement["Action"] = [each for each in listed(statement["Action"]) if each != action]
    return [shipped]


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def pattern(resource: str, bucket: str) -> str:
    """Return a resource as the policies name it."""
    for value, placeholder in ((ROLE_ARN, "ROLE_ARN"), (bucket, "BUCKET"), (ACCOUNT, "ACCOUNT")):
        resource = resource.replace(value, placeholder)
    resource = resource.replace(REGION, "REGION")
    resource = re.sub(r"(:user/).*", r"\1USERNAME", resource)
    resource = re.sub(rf"(:::BUCKET/{PREFIX}/).*", r"\1*", resource)
    resource = re.sub(r"(:mlflow-app/).*", r"\1*", resource)  # what AWS calls an App is not its name
    return re.sub(
        r"([:/](news|pipelines)-).*", r"\1*", resource
    )  # the workshop's names, and a pipeline's jobs'


def recorded() -> Record:
    return yaml.safe_load(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


def unseen(who: str) -> dict[str, str]:
    """Return the actions that only AWS itself sees, each with its reason."""
    return yaml.safe_load((IAM_DIR / "unseen.yaml").read_text(encoding="utf-8"))[who]


def record_of(homes: Iterable[Path], bucket: str) -> dict[str, dict[str, list[str]]]:
    """Return what the sandboxes of these homes were asked for, without what tests did in AWS's place."""
    left_out = {PERSON: {*unseen(PERSON), *OF_TESTS}, EXECUTION: unseen(EXECUTION)}
    found: dict[str, dict[str, set[str]]] = {PERSON: {}, EXECUTION: {}}
    for home in homes:
        calls = read_calls(home / "calls.jsonl")
        for call in (each for each in calls if each["action"] not in left_out[each["who"]]):
            found[call["who"]].setdefault(call["action"], set()).add(pattern(call["resource"], bucket))
    return {
        who: {action: sorted(actions[action]) for action in sorted(actions)} for who, actions in found.items()
    }


def check(part: str, homes: Iterable[Path], bucket: str = f"sagemaker-{REGION}-{ACCOUNT}") -> None:
    """Compare what was asked for with the record of a part of the workshop, or write it."""
    found = record_of(homes, bucket)
    if os.environ.get("RECORD_PERMISSIONS"):
        text = yaml.safe_dump(dict(sorted({**recorded(), part: found}.items())), sort_keys=False, width=200)
        PATH.write_text(_HEAD + text, encoding="utf-8")
    known = recorded().get(part, {PERSON: {}, EXECUTION: {}})
    news = [
        (who, action, resource)
        for who, asked in found.items()
        for action, resources in asked.items()
        for resource in resources
        if resource not in known[who].get(action, [])
    ]
    gone = [(who, action) for who, asked in known.items() for action in asked if action not in found[who]]
    assert (news, gone) == ([], []), "again with RECORD_PERMISSIONS=1, then tests/setup/test_iam.py"


def enforce(sandbox: RunningSandbox, **policies: list[dict[str, Any]]) -> None:
    """Let policies count in a sandbox: the shipped ones where none are given."""
    given = {who: policies.get(who, [policy(who)]) for who in POLICIES}
    request = urllib.request.Request(
        f"{sandbox.url}/_sandbox/policies", data=json.dumps(given).encode(), method="PUT"
    )
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
