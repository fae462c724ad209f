"""Tags, through boto3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/service"


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@pytest.fixture
def arn(sandbox) -> Iterator[str]:
    client, name = sandbox.client("sagemaker"), "Tagged-Model"
    answer = client.create_model(
        ModelName=name,
        PrimaryContainer={"Image": "i"},
        ExecutionRoleArn=ROLE,
        Tags=tag_list({"workshop": "한국어 뉴스", "Mode": ""}),
    )
    yield answer["ModelArn"]
    client.delete_model(ModelName=name)


def tags(sandbox, arn: str) -> dict[str, str]:
    return {
        tag["Key"]: tag["Value"] for tag in sandbox.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]
    }


def test_tags_of_a_create_are_listed_added_replaced_and_deleted(sandbox, arn: str) -> None:
    client = sandbox.client("sagemaker")
    assert arn.endswith(":model/tagged-model"), "ARNs are in lower case"
    assert tags(sandbox, arn) == {"workshop": "한국어 뉴스", "Mode": ""}
    added = client.add_tags(ResourceArn=arn, Tags=tag_list({"Mode": "sample"}))
    assert {tag["Key"]: tag["Value"] for tag in added["Tags"]} == tags(sandbox, arn)
    assert tags(sandbox, arn) == {"workshop": "한국어 뉴스", "Mode": "sample"}
    client.delete_tags(ResourceArn=arn, TagKeys=["Mode", "never-there"])
    assert tags(sandbox, arn) == {"workshop": "한국어 뉴스"}


def test_a_resource_has_at_most_fifty(sandbox, arn: str) -> None:
    client = sandbox.client("sagemaker")
    client.add_tags(ResourceArn=arn, Tags=tag_list({f"k{i}": "v" for i in range(48)}))
    client.add_tags(ResourceArn=arn, Tags=tag_list({"k0": "replaced"}))
    with pytest.raises(ClientError, match="Too many tags: 51"):
        client.add_tags(ResourceArn=arn, Tags=tag_list({"one-more": "v"}))
    assert len(tags(sandbox, arn)) == 50


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}], "Duplicate tag keys"),
        ([{"Key": "aws:mine", "Value": "1"}], "reserved prefix"),
        ([{"Key": "AWS:mine", "Value": "1"}], "reserved prefix"),
        ([{"Key": "a" * 129, "Value": "1"}], "less than or equal to 128"),
        ([{"Key": "a", "Value": "1" * 257}], "less than or equal to 256"),
    ],
)
def test_tags_that_aws_refuses(sandbox, arn: str, given: list[dict[str, str]], message: str) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{message}"):
        sandbox.client("sagemaker").add_tags(ResourceArn=arn, Tags=given)
    assert len(tags(sandbox, arn)) == 2


@pytest.mark.parametrize(
    "other",
    [
        "arn:aws:sagemaker:us-east-1:000000000000:model/none",
        "arn:aws:sagemaker:us-east-1:000000000000:endpoint/tagged-model",
        "arn:aws:sagemaker:eu-west-1:000000000000:model/tagged-model",
        "arn:aws:sagemaker:us-east-1:000000000001:model/tagged-model",
    ],
)
def test_a_resource_that_is_not_there_has_no_tags(sandbox, arn: str, other: str) -> None:
    client = sandbox.client("sagemaker")
    for call in (
        lambda: client.list_tags(ResourceArn=other),
        lambda: client.add_tags(ResourceArn=other, Tags=tag_list({"a": "b"})),
        lambda: client.delete_tags(ResourceArn=other, TagKeys=["a"]),
    ):
        with pytest.raises(ClientError, match="Could not find resource"):
            call()


def test_tags_fit_on_one_page(sandbox, arn: str) -> None:
    client = sandbox.client("sagemaker")
    assert "NextToken" not in client.list_tags(ResourceArn=arn, MaxResults=50)
    with pytest.raises(ClientError, match="Invalid NextToken"):
        client.list_tags(ResourceArn=arn, NextToken="x")
