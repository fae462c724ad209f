"""What requests to the model registry ask permission for, as policies of AWS name it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.iam.test_requested import environ_of
from tests.sandbox.model_registry.contents import ARN

from sandbox.iam.requested import requested

GROUP, PACKAGE = f"{ARN}:model-package-group", f"{ARN}:model-package"
TAGS = [{"Key": "workshop", "Value": "news"}]


@pytest.mark.parametrize(
    ("operation", "members", "expected"),
    [
        (
            "create_model_package_group",
            {"ModelPackageGroupName": "News", "Tags": TAGS},
            [("CreateModelPackageGroup", f"{GROUP}/news"), ("AddTags", f"{GROUP}/news")],
        ),
        # Which number a version gets is not known yet.
        (
            "create_model_package",
            {"ModelPackageGroupName": f"{GROUP}/news"},
            [("CreateModelPackage", f"{GROUP}/news"), ("CreateModelPackage", f"{PACKAGE}/news/*")],
        ),
        (
            "create_model_package",
            {"ModelPackageName": "Alone", "Tags": TAGS},
            [("CreateModelPackage", f"{PACKAGE}/alone"), ("AddTags", f"{PACKAGE}/alone")],
        ),
        (
            "update_model_package",
            {"ModelPackageArn": f"{PACKAGE}/news/1"},
            [("UpdateModelPackage", f"{PACKAGE}/news/1")],
        ),
        (
            "describe_model_package",
            {"ModelPackageName": "News/2"},
            [("DescribeModelPackage", f"{PACKAGE}/news/2")],
        ),
        (
            "delete_model_package_group",
            {"ModelPackageGroupName": f"{GROUP}/news"},
            [("DeleteModelPackageGroup", f"{GROUP}/news")],
        ),
        (
            "batch_describe_model_package",
            {"ModelPackageArnList": [f"{PACKAGE}/news/1", f"{PACKAGE}/news/2"]},
            [("BatchDescribeModelPackage", f"{PACKAGE}/news/{version}") for version in (1, 2)],
        ),
        ("list_model_packages", {"ModelPackageGroupName": "g"}, [("ListModelPackages", "*")]),
        ("list_model_package_groups", {}, [("ListModelPackageGroups", "*")]),
    ],
)
def test_a_request_asks_for_groups_and_versions_by_their_arns(
    operation: str, members: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = requested(environ_of("sagemaker", operation, members))
    assert [(each.action, each.resource) for each in found] == [
        (f"sagemaker:{action}", resource) for action, resource in expected
    ]


def test_a_policy_may_ask_for_the_approval_and_the_stage_of_a_version() -> None:
    asked = {
        "ModelPackageArn": f"{PACKAGE}/news/1",
        "ModelApprovalStatus": "Approved",
        "ModelLifeCycle": {"Stage": "Production", "StageStatus": "Ready"},
    }
    (update,) = requested(environ_of("sagemaker", "update_model_package", asked))
    assert update.context == {
        "sagemaker:modelapprovalstatus": ["Approved"],
        "sagemaker:modellifecycle:stage": ["Production"],
        "sagemaker:modellifecycle:stagestatus": ["Ready"],
    }
