"""Every operation of the model registry with every field that is done, through boto3 as it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.model_registry.contents import everything, specification

TIMES = {"CreationTimeAfter": datetime(2020, 1, 1, tzinfo=UTC), "CreationTimeBefore": datetime.now(UTC)}
LISTED: dict[str, Any] = {
    "NameContains": "a",
    "SortBy": "Name",
    "SortOrder": "Ascending",
    "MaxResults": 1,
    **TIMES,
}
GROUP = "all-fields"


def register_models(sandbox: RunningSandbox) -> None:
    """Register, change, deploy, list and delete packages of a group and of none."""
    client = sandbox.client("sagemaker")
    tags = [{"Key": "a", "Value": "b"}]
    client.create_model_package_group(
        ModelPackageGroupName=GROUP, ModelPackageGroupDescription="d", Tags=tags
    )
    client.describe_model_package_group(ModelPackageGroupName=GROUP)
    client.list_model_package_groups(**LISTED, CrossAccountFilterOption="SameAccount")
    whole = everything()
    arn = client.create_model_package(ModelPackageGroupName=GROUP, ClientToken="t", **whole)[
        "ModelPackageArn"
    ]
    additional = whole["AdditionalInferenceSpecifications"]
    main = {name: value for name, value in additional[0].items() if name not in ("Name", "Description")}
    alone = {"InferenceSpecification": main, "AdditionalInferenceSpecifications": additional}
    client.create_model_package(ModelPackageName="alone", Tags=tags, **alone)
    copied = client.create_model_package(ModelPackageGroupName=GROUP, SourceUri=arn)["ModelPackageArn"]
    client.describe_model_package(ModelPackageName=arn, IncludedData="MetadataOnly")
    client.batch_describe_model_package(ModelPackageArnList=[arn])
    client.update_model_package(
        ModelPackageArn=copied,
        ModelApprovalStatus="Approved",
        ModelPackageRegistrationType="Registered",
        ApprovalDescription="d",
        CustomerMetadataProperties={"a": "b"},
        CustomerMetadataPropertiesToRemove=["c"],
        AdditionalInferenceSpecificationsToAdd=additional,
        InferenceSpecification=specification(),
        ModelCard=whole["ModelCard"],
        ModelLifeCycle=whole["ModelLifeCycle"],
        ClientToken="u",
    )
    client.update_model_package(ModelPackageArn=copied, SourceUri="mlflow/runs/1")
    client.create_model(
        ModelName="of-a-package",
        ExecutionRoleArn="arn:aws:iam::000000000000:role/r",
        PrimaryContainer={"ModelPackageName": arn, "InferenceSpecificationName": "small"},
    )
    client.list_model_packages(
        **LISTED, ModelPackageGroupName=GROUP, ModelPackageType="Versioned", ModelApprovalStatus="Approved"
    )
    for call in (client.list_model_packages, client.list_model_package_groups):
        with pytest.raises(ClientError, match="NextToken"):
            call(NextToken="a")
    client.delete_model(ModelName="of-a-package")
    for name in (arn, copied, "alone"):
        client.delete_model_package(ModelPackageName=name)
    client.delete_model_package_group(ModelPackageGroupName=GROUP)
