"""Model package groups through boto3 as it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.model_registry.contents import ARN, specification

OPERATIONS_ON_POLICIES = ("get_model_package_group_policy", "delete_model_package_group_policy")


@pytest.fixture
def client(sandbox: Any) -> Any:
    return sandbox.client("sagemaker")


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**request)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_group_is_described_by_name_and_by_arn(client: Any) -> None:
    request = {"ModelPackageGroupName": "News-Summaries", "ModelPackageGroupDescription": "뉴스 요약"}
    arn = client.create_model_package_group(**request, Tags=[{"Key": "a", "Value": "b"}])[
        "ModelPackageGroupArn"
    ]
    assert arn == f"{ARN}:model-package-group/news-summaries"
    for given in ("News-Summaries", arn):
        described = client.describe_model_package_group(ModelPackageGroupName=given)
        assert {name: described[name] for name in request} == request
        assert (described["ModelPackageGroupStatus"], described["CreatedBy"]) == ("Completed", {})
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    code, message = refused(client.create_model_package_group, ModelPackageGroupName="News-Summaries")
    assert (code, message) == ("ValidationException", f"Model Package Group already exists: {arn}")
    client.delete_model_package_group(ModelPackageGroupName=arn)
    code, message = refused(client.describe_model_package_group, ModelPackageGroupName="News-Summaries")
    assert (code, message) == ("ValidationException", f"ModelPackageGroup {arn} does not exist.")
    assert refused(client.delete_model_package_group, ModelPackageGroupName=arn)[0] == "ValidationException"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sagemaker:us-east-1:111111111111:model-package-group/mine",
        "arn:aws:sagemaker:eu-west-1:000000000000:model-package-group/mine",
        f"{ARN}:model-package/mine",
    ],
)
def test_a_group_of_another_account_region_or_kind_is_not_there(client: Any, arn: str) -> None:
    client.create_model_package_group(ModelPackageGroupName="mine")
    try:
        assert refused(client.describe_model_package_group, ModelPackageGroupName=arn)[1].startswith(
            f"ModelPackageGroup {arn} "
        )
    finally:
        client.delete_model_package_group(ModelPackageGroupName="mine")


def test_groups_are_listed_filtered_sorted_and_paged(client: Any) -> None:
    for name in ("b-news", "a-news"):
        client.create_model_package_group(ModelPackageGroupName=name)
    since = datetime.now(UTC)
    client.create_model_package_group(ModelPackageGroupName="c-other")

    def listed(**request: Any) -> list[str]:
        pages = client.get_paginator("list_model_package_groups").paginate(
            **request, PaginationConfig={"PageSize": 1}
        )
        return [
            one["ModelPackageGroupName"] for page in pages for one in page["ModelPackageGroupSummaryList"]
        ]

    assert listed() == ["b-news", "a-news", "c-other"], "the oldest first"
    assert listed(NameContains="news", SortBy="Name", SortOrder="Descending") == ["b-news", "a-news"]
    assert listed(CreationTimeAfter=since) == ["c-other"]
    assert listed(CreationTimeBefore=since) == ["b-news", "a-news"]
    assert listed(CrossAccountFilterOption="CrossAccount") == []
    for name in ("b-news", "a-news", "c-other"):
        client.delete_model_package_group(ModelPackageGroupName=name)


def test_a_group_with_a_version_stays_and_numbers_never_come_again(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="numbered")
    client.create_model_package_group(ModelPackageGroupName="numbered-more")

    def register() -> str:
        return client.create_model_package(
            ModelPackageGroupName="numbered", InferenceSpecification=specification()
        )["ModelPackageArn"]

    arns = [register(), register()]
    assert arns == [f"{ARN}:model-package/numbered/{version}" for version in (1, 2)]
    code, message = refused(client.delete_model_package_group, ModelPackageGroupName="numbered")
    assert (code, "has 2 model packages" in message) == ("ConflictException", True)
    client.delete_model_package_group(ModelPackageGroupName="numbered-more")  # has none of the other's
    for arn in arns:
        client.delete_model_package(ModelPackageName=arn)
    assert register().endswith("/3")
    client.delete_model_package(ModelPackageName="numbered/3")
    client.delete_model_package_group(ModelPackageGroupName="numbered")
    client.create_model_package_group(ModelPackageGroupName="numbered")
    assert register().endswith("/1"), "of another group of this name"
    client.delete_model_package(ModelPackageName="numbered/1")
    client.delete_model_package_group(ModelPackageGroupName="numbered")


def test_policies_of_groups_are_refused_by_name(client: Any) -> None:
    for call in OPERATIONS_ON_POLICIES:
        code, message = refused(getattr(client, call), ModelPackageGroupName="g")
        assert code == "UnknownOperationException"
        assert "ModelPackageGroupPolicy of SageMaker" in message
    code, message = refused(
        client.put_model_package_group_policy, ModelPackageGroupName="g", ResourcePolicy="{}"
    )
    assert "does not implement PutModelPackageGroupPolicy" in message
