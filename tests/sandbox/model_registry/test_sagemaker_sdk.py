"""The registry's classes of SageMaker's own SDK, and its ModelBuilder, as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from tests.sandbox.hosting.conftest import IMAGE, ROLE
from tests.sandbox.model_registry.contents import ARN, delete_group, everything
from tests.sandbox.model_registry.contents import IMAGE as LMI

GROUP = "by-the-sdk"


@pytest.fixture
def aws(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A boto3 session whose every client talks to the sandbox, and no group afterwards."""
    for name, value in {
        "AWS_ENDPOINT_URL": sandbox.url,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(sandbox.home / "sagemaker-sdk.yaml"),
    }.items():
        monkeypatch.setenv(name, value)
    session = boto3.session.Session()
    yield session
    client = session.client("sagemaker")
    if client.list_model_package_groups(NameContains=GROUP)["ModelPackageGroupSummaryList"]:
        delete_group(client, GROUP)


def test_the_sdks_classes_register_approve_make_a_model_and_delete(aws: Any) -> None:
    from sagemaker.core.resources import Model, ModelPackage, ModelPackageGroup
    from sagemaker.core.shapes import ContainerDefinition, InferenceSpecification

    group = ModelPackageGroup.create(model_package_group_name=GROUP, session=aws)
    group.wait_for_status("Completed", poll=1, timeout=60)
    # Version 3.27 has two classes of this name, of which this one knows no environment: use boto3 for that.
    # It registers, and then looks for a name in an answer that has none on AWS either.
    container = {"image": IMAGE}
    with pytest.raises(KeyError, match="ModelPackageName"):
        ModelPackage.create(
            model_package_group_name=GROUP,
            inference_specification=InferenceSpecification(containers=[container]),
            session=aws,
        )
    package = ModelPackage.get(model_package_name=f"{ARN}:model-package/{GROUP}/1", session=aws)
    package.wait_for_status("Completed", poll=1, timeout=60)
    assert package.model_approval_status == "PendingManualApproval"
    package.update(model_approval_status="Approved", approval_description="better")
    package.refresh()
    assert (package.model_approval_status, package.approval_description) == ("Approved", "better")
    again = ModelPackage.get(model_package_name=f"{ARN}:model-package/{GROUP}/1", session=aws)
    assert again.inference_specification.containers[0].image == IMAGE
    listed = ModelPackage.get_all(model_package_group_name=GROUP, session=aws)
    assert [each.model_package_version for each in listed] == [1]
    assert GROUP in [each.model_package_group_name for each in ModelPackageGroup.get_all(session=aws)]
    Model.create(
        model_name=GROUP,
        primary_container=ContainerDefinition(model_package_name=again.model_package_arn),
        execution_role_arn=ROLE,
        session=aws,
    )
    model = Model.get(GROUP, session=aws)
    assert model.primary_container.model_package_name == again.model_package_arn
    model.delete()
    # Version 3.27 deletes by a name that versions do not have.
    aws.client("sagemaker").delete_model_package(ModelPackageName=package.model_package_arn)
    package.wait_for_delete(poll=1, timeout=60)
    group.delete()
    group.wait_for_delete(poll=1, timeout=60)


def test_the_sdks_request_for_a_version_makes_its_group_and_is_accepted_whole(aws: Any) -> None:
    """What ModelBuilder.register and pipelines send, without the seconds that importing them takes."""
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.model_registry import create_model_package_from_containers, get_model_package_args

    client, whole = aws.client("sagemaker"), everything()
    session = Session(boto_session=aws, default_bucket="news-models")
    arguments = get_model_package_args(
        content_types=["application/json"],
        response_types=["application/json"],
        inference_instances=["ml.g5.xlarge"],
        model_package_group_name=GROUP,
        image_uri=LMI,
        model_data="s3://news-models/m.tar.gz",
        approval_status="Approved",
        customer_metadata_properties={"rouge-l": "0.61"},
        model_metrics=whole["ModelMetrics"],
        drift_check_baselines=whole["DriftCheckBaselines"],
        source_uri="mlflow/runs/1",
        skip_model_validation="All",
        task="TEXT_GENERATION",
        domain="NATURAL_LANGUAGE_PROCESSING",
    )
    answers = [create_model_package_from_containers(session, **arguments) for _ in range(2)]
    assert [answer["ModelPackageArn"].rpartition("/")[2] for answer in answers] == ["1", "2"]
    described = client.describe_model_package(ModelPackageName=answers[0]["ModelPackageArn"])
    assert described["ModelMetrics"] == whole["ModelMetrics"]
    assert (described["SourceUri"], described["ModelApprovalStatus"]) == ("mlflow/runs/1", "Approved")
    copied = create_model_package_from_containers(
        session, **{**arguments, "source_uri": answers[0]["ModelPackageArn"]}
    )
    described = client.describe_model_package(ModelPackageName=copied["ModelPackageArn"])
    assert described["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == "s3://news-models/m.tar.gz"
