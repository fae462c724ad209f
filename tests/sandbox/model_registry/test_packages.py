"""Model packages through boto3 as it is: what is kept, changed, listed, found and refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.model_registry.contents import ARN, IMAGE, delete_group, everything, source, specification
from tests.sandbox.model_registry.test_groups import refused

INSTANCES = {
    "SupportedTransformInstanceTypes": ["ml.m5.large"],
    "SupportedRealtimeInferenceInstanceTypes": ["ml.g5.xlarge"],
}


@pytest.fixture
def client(sandbox: Any) -> Any:
    return sandbox.client("sagemaker")


@pytest.fixture
def group(client: Any) -> Iterator[str]:
    """A group, and none afterwards."""
    name = "news"
    client.create_model_package_group(ModelPackageGroupName=name, Tags=[{"Key": "workshop", "Value": "news"}])
    yield name
    delete_group(client, name)


def register(client: Any, group: str, **members: Any) -> str:
    request = {"InferenceSpecification": specification(ModelDataSource=source()), **members}
    request = {name: value for name, value in request.items() if value is not None}
    return client.create_model_package(ModelPackageGroupName=group, **request)["ModelPackageArn"]


def versions(client: Any, **request: Any) -> list[int]:
    pages = client.get_paginator("list_model_packages").paginate(**request, PaginationConfig={"PageSize": 2})
    return [one["ModelPackageVersion"] for page in pages for one in page["ModelPackageSummaryList"]]


def test_all_that_a_version_is_given_is_described_as_it_was_given(client: Any, group: str) -> None:
    given = everything()
    arn = register(client, group, **given)
    for name in (arn, f"{group}/1"):
        described = client.describe_model_package(ModelPackageName=name)
        assert {member: described[member] for member in given} == given
    more = {name: value for name, value in described.items() if name not in (*given, "ResponseMetadata")}
    assert more.pop("CreationTime") == more.pop("LastModifiedTime")
    assert more == {
        "ModelPackageGroupName": group, "ModelPackageVersion": 1,
        "ModelPackageArn": f"{ARN}:model-package/news/1", "ModelPackageStatus": "Completed", "CreatedBy": {},
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "CertifyForMarketplace": False,
    }  # fmt: skip


def test_of_a_model_card_the_metadata_can_be_read_alone(client: Any, group: str) -> None:
    arn = register(client, group, **everything())
    described = client.describe_model_package(ModelPackageName=arn, IncludedData="MetadataOnly")
    assert json.loads(described["ModelCard"]["ModelCardContent"]) == {"intended_uses": {"risk_rating": "Low"}}
    assert described["ModelCard"]["ModelCardStatus"] == "Draft"
    code, message = refused(register, client=client, group=group, ModelCard={"ModelCardContent": "{"})
    assert (code, "not a JSON object" in message) == ("ValidationException", True)


def test_a_version_waits_for_approval_and_is_approved_and_rejected(client: Any, group: str) -> None:
    arn = register(client, group, CustomerMetadataProperties={"a": "1", "b": "2"})
    before = client.describe_model_package(ModelPackageName=arn)
    assert before["ModelApprovalStatus"] == "PendingManualApproval"
    assert client.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="점수가 더 높다",
        CustomerMetadataProperties={"b": "3", "c": "4"},
        CustomerMetadataPropertiesToRemove=["a", "absent"],
        ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved"},
    ) | {"ResponseMetadata": 0} == {"ModelPackageArn": arn, "ResponseMetadata": 0}
    after = client.describe_model_package(ModelPackageName=arn)
    assert (after["ModelApprovalStatus"], after["ApprovalDescription"]) == ("Approved", "점수가 더 높다")
    assert after["CustomerMetadataProperties"] == {"b": "3", "c": "4"}
    assert after["ModelLifeCycle"] == {"Stage": "Production", "StageStatus": "Approved"}
    assert after["LastModifiedTime"] > before["LastModifiedTime"]
    assert after["CreationTime"] == before["CreationTime"]
    client.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Rejected", CustomerMetadataPropertiesToRemove=["b", "c"]
    )
    last = client.describe_model_package(ModelPackageName=arn)
    assert (last["ModelApprovalStatus"], "CustomerMetadataProperties" in last) == ("Rejected", False)
    many = {f"key-{number}": "v" for number in range(30)}
    client.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties=many)
    more = {f"more-{number}": "v" for number in range(30)}
    assert "at most 50" in refused(
        client.update_model_package, ModelPackageArn=arn, CustomerMetadataProperties=more
    )[1]  # fmt: skip


def test_what_a_version_runs_can_be_replaced_and_added_to(client: Any, group: str) -> None:
    arn = register(client, group)
    small = {"Name": "small", **specification(ModelDataUrl="s3://b/small.tar.gz")}
    client.update_model_package(
        ModelPackageArn=arn,
        InferenceSpecification=specification(Environment={"A": "1"}),
        AdditionalInferenceSpecificationsToAdd=[small],
        ModelCard={"ModelCardContent": "{}", "ModelCardStatus": "Approved"},
        ModelPackageRegistrationType="Registered",
        ClientToken="once",
    )
    # The answer was lost, and the request is sent again.
    client.update_model_package(
        ModelPackageArn=arn, AdditionalInferenceSpecificationsToAdd=[small], ClientToken="once"
    )
    described = client.describe_model_package(ModelPackageName=arn)
    assert described["InferenceSpecification"] == specification(Environment={"A": "1"})
    assert described["AdditionalInferenceSpecifications"] == [small]
    for more, words in (
        ([small], "must be unique"),
        ([{**small, "Name": f"s{number}"} for number in range(15)], "can not exceed 15"),
    ):
        assert words in refused(
            client.update_model_package, ModelPackageArn=arn, AdditionalInferenceSpecificationsToAdd=more
        )[1]  # fmt: skip
    assert client.describe_model_package(ModelPackageName=arn)["AdditionalInferenceSpecifications"] == [small]


def test_a_package_of_no_group_has_its_name_and_is_not_approved(client: Any) -> None:
    request = {
        "ModelPackageName": "Alone",
        "InferenceSpecification": {**specification(ModelDataUrl="s3://b/m.tar.gz"), **INSTANCES},
        "ModelApprovalStatus": "PendingManualApproval",  # as the SDK sends
    }
    arn = client.create_model_package(**request, Tags=[{"Key": "a", "Value": "b"}])["ModelPackageArn"]
    assert arn == f"{ARN}:model-package/alone"
    described = client.describe_model_package(ModelPackageName="Alone")
    assert described["ModelPackageArn"] == arn
    assert {"ModelApprovalStatus", "ModelPackageVersion", "ModelPackageGroupName"}.isdisjoint(described)
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert "already existing" in refused(client.create_model_package, **request)[1]
    assert "unversioned" in refused(
        client.update_model_package, ModelPackageArn=arn, ModelApprovalStatus="Approved"
    )[1]  # fmt: skip
    client.delete_model_package(ModelPackageName=arn)
    code, message = refused(client.describe_model_package, ModelPackageName="Alone")
    assert (code, message) == ("ValidationException", f"ModelPackage {arn} does not exist.")
    assert refused(client.delete_model_package, ModelPackageName=arn)[0] == "ValidationException"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "Missing ARN."),
        ({"ModelPackageName": "n", "ModelPackageGroupName": "news"}, "Both ModelPackageName and"),
        (
            {"ModelPackageGroupName": "absent"},
            "ModelPackageGroup .*:model-package-group/absent does not exist",
        ),
        ({"ModelPackageGroupName": "news", "Tags": [{"Key": "a", "Value": "b"}]}, "Tags can not be given"),
        (
            {
                "ModelPackageGroupName": "news",
                "SourceUri": "s3://b/m",
                "InferenceSpecification": specification(),
            },
            "either InferenceSpecification or SourceUri",
        ),
        ({"ModelPackageGroupName": "news", "SourceUri": f"{ARN}:model/absent"}, "Could not find model"),
        ({"ModelPackageGroupName": "news", "SourceUri": f"{ARN}:model-package/news/9"}, "does not exist"),
        (
            {"ModelPackageName": "n", "InferenceSpecification": specification()},
            "SupportedTransformInstanceTypes",
        ),
        (
            {
                "ModelPackageName": "n",
                "InferenceSpecification": {**specification(ModelDataSource=source()), **INSTANCES},
            },
            "can not have a ModelDataSource",
        ),
        (
            {
                "ModelPackageGroupName": "news",
                "InferenceSpecification": specification(ModelDataSource=source("s3://b/no-slash")),
            },
            "must end with a slash",
        ),
        (
            {
                "ModelPackageGroupName": "news",
                "InferenceSpecification": specification(ModelDataUrl="s3://b/m", ModelDataSource=source()),
            },
            "not both",
        ),
        (
            {
                "ModelPackageGroupName": "news",
                "AdditionalInferenceSpecifications": [{"Name": "a", **specification()}] * 2,
            },
            "must be unique",
        ),
        ({"ModelPackageGroupName": "news", "ModelApprovalStatus": "Maybe"}, "satisfy enum value set"),
    ],
)
def test_a_package_that_makes_no_sense_is_refused(
    client: Any, group: str, members: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{words}"):
        client.create_model_package(**members)
    assert versions(client, ModelPackageGroupName=group) == []
    assert register(client, group).endswith("/1"), "nothing was numbered"


def test_a_version_is_made_of_another_one_or_of_a_model(client: Any, group: str) -> None:
    environment = {"HF_MODEL_ID": "/opt/ml/model"}
    first = register(client, group, InferenceSpecification=specification(Environment=environment))
    copied = register(client, group, InferenceSpecification=None, SourceUri=first)
    client.create_model(
        ModelName="Registered-Later",
        ExecutionRoleArn="arn:aws:iam::000000000000:role/r",
        PrimaryContainer={"Image": IMAGE, "Environment": environment, "Mode": "SingleModel"},
    )
    of_model = register(client, group, InferenceSpecification=None, SourceUri=f"{ARN}:model/registered-later")
    for arn in (copied, of_model):
        described = client.describe_model_package(ModelPackageName=arn)
        assert described["InferenceSpecification"] == specification(Environment=environment)
    # The SDK names what has no ARN afterwards: https://github.com/..., an MLflow run.
    client.update_model_package(ModelPackageArn=first, SourceUri="mlflow/runs/1")
    described = client.describe_model_package(ModelPackageName=first)
    assert described["SourceUri"] == "mlflow/runs/1"
    assert described["InferenceSpecification"] == specification(Environment=environment)
    client.delete_model(ModelName="Registered-Later")


def test_versions_are_listed_filtered_sorted_and_paged(client: Any, group: str) -> None:
    client.create_model_package(
        ModelPackageName="alone",
        InferenceSpecification={**specification(ModelDataUrl="s3://b/m.tar.gz"), **INSTANCES},
    )
    since = None
    for number in range(12):
        since = datetime.now(UTC) if number == 10 else since
        register(client, group, ModelApprovalStatus="Approved" if number % 5 == 0 else "Rejected")
    everyone = list(range(1, 13))
    of_group = {"ModelPackageGroupName": f"{ARN}:model-package-group/{group}"}
    assert versions(client, **of_group) == everyone, "the oldest first"
    assert versions(client, **of_group, SortBy="Name", SortOrder="Descending") == everyone[::-1], "by number"
    assert versions(client, **of_group, ModelApprovalStatus="Approved") == [1, 6, 11]
    assert versions(client, **of_group, CreationTimeAfter=since) == [11, 12]
    assert versions(client, **of_group, CreationTimeBefore=since) == everyone[:10]
    assert versions(client, ModelPackageType="Versioned", NameContains="ew") == everyone
    assert versions(client, **of_group, ModelPackageType="Unversioned") == []

    def arns(**request: Any) -> list[str]:
        found = client.list_model_packages(MaxResults=100, **request)["ModelPackageSummaryList"]
        return [one["ModelPackageArn"] for one in found]

    alone = f"{ARN}:model-package/alone"
    assert arns() == [alone], "the default is unversioned"
    assert len(arns(ModelPackageType="Both")) == 13
    assert "does not exist" in refused(client.list_model_packages, ModelPackageGroupName="absent")[1]
    assert "NextToken" in refused(client.list_model_packages, NextToken="a")[1]
    client.delete_model_package(ModelPackageName=alone)


def test_many_versions_are_described_at_once_with_their_errors(client: Any, group: str) -> None:
    first, second = register(client, group), register(client, group, InferenceSpecification=None)
    absent = f"{ARN}:model-package/news/9"
    answer = client.batch_describe_model_package(ModelPackageArnList=[first, second, absent])
    assert list(answer["ModelPackageSummaries"]) == [first]
    summary = answer["ModelPackageSummaries"][first]
    assert summary["InferenceSpecification"] == specification(ModelDataSource=source())
    assert (summary["ModelPackageVersion"], summary["ModelApprovalStatus"]) == (1, "PendingManualApproval")
    errors = answer["BatchDescribeModelPackageErrorMap"]
    assert errors[absent] == {
        "ErrorCode": "ValidationException",
        "ErrorResponse": f"ModelPackage {absent} does not exist.",
    }
    assert "no InferenceSpecification" in errors[second]["ErrorResponse"]


def test_a_request_that_is_sent_again_registers_one_version(client: Any, group: str) -> None:
    arns = {register(client, group, ClientToken="once") for _ in range(3)}
    assert len(arns) == 1
    assert register(client, group) not in arns


def test_versions_registered_at_the_same_time_have_numbers_of_their_own(client: Any, group: str) -> None:
    arns: list[str] = []
    threads = [threading.Thread(target=lambda: arns.append(register(client, group))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(arn.rpartition("/")[2]) for arn in arns) == list(range(1, 17))


def test_a_version_uses_the_tags_of_its_group(client: Any, group: str) -> None:
    arn = register(client, group)
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "workshop", "Value": "news"}]
    assert "tags of its own" in refused(
        client.add_tags, ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}]
    )[1]  # fmt: skip
    assert "tags of its own" in refused(client.delete_tags, ResourceArn=arn, TagKeys=["workshop"])[1]
    assert len(client.list_tags(ResourceArn=f"{ARN}:model-package-group/news")["Tags"]) == 1


def test_packages_and_groups_are_searched(client: Any, group: str) -> None:
    for score in ("0.5", "0.7"):
        register(client, group, **{**everything(), "CustomerMetadataProperties": {"rouge": score}})
    client.update_model_package(ModelPackageArn=f"{ARN}:model-package/news/1", ModelApprovalStatus="Rejected")

    def found(resource: str, *filters: tuple[str, str, str], **request: Any) -> list[dict[str, Any]]:
        keys = ("Name", "Operator", "Value")
        conditions = {"Filters": [dict(zip(keys, each, strict=True)) for each in filters]}
        answer = client.search(Resource=resource, SearchExpression=conditions, **request)
        return [each[resource] for each in answer["Results"]]

    approved = found("ModelPackage", ("ModelApprovalStatus", "Equals", "Approved"))
    assert [one["ModelPackageVersion"] for one in approved] == [2]
    assert approved[0]["Tags"] == [{"Key": "workshop", "Value": "news"}]
    assert approved[0]["ModelMetrics"] == everything()["ModelMetrics"]
    both = (("ModelPackageGroupName", "Equals", group), ("Tags.workshop", "Equals", "news"))
    assert [one["ModelPackageVersion"] for one in found("ModelPackage", *both)] == [1, 2], "changed last"
    for name, value in (
        ("CustomerMetadataProperties.rouge", "0.7"),
        ("ModelPackageVersion", "2"),
    ):
        (one,) = found("ModelPackage", (name, "Equals", value))
        assert one["ModelPackageVersion"] == 2
    images = ("InferenceSpecification.Containers.Image", "Equals", IMAGE)
    assert len(found("ModelPackage", images, SortBy="ModelPackageVersion")) == 2
    (its_group,) = found("ModelPackageGroup", ("ModelPackageGroupName", "Equals", group))
    assert its_group["Tags"] == [{"Key": "workshop", "Value": "news"}]
