"""The version in production, found by asking AWS: endpoint, configuration, model, model package."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.workshop.components_on_sandbox import create_model

from workshop.aws.session import Aws
from workshop.aws.waits import Wait
from workshop.errors import WorkshopError
from workshop.pipeline.versions import report_uri, version_in_production


@contextmanager
def endpoint(aws: Aws, model_name: str) -> Iterator[str]:
    """Create an endpoint of a model and delete it; what it serves is known at once."""
    sagemaker = aws.client("sagemaker")
    variant = {
        "VariantName": "AllTraffic", "ModelName": model_name, "InstanceType": "ml.g5.4xlarge",
        "InitialInstanceCount": 1,
    }  # fmt: skip
    sagemaker.create_endpoint_config(EndpointConfigName=model_name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=model_name, EndpointConfigName=model_name)
    try:
        yield model_name
    finally:
        Wait(title=model_name, timeout_s=600, interval_s=0.1, expected="an end", next_step="").until(
            lambda: sagemaker.describe_endpoint(EndpointName=model_name)["EndpointStatus"],
            is_done=lambda status: status != "Creating",
            text=str,
        )
        sagemaker.delete_endpoint(EndpointName=model_name)


def register(aws: Aws, group: str, model_name: str, **more: Any) -> str:
    container = aws.client("sagemaker").describe_model(ModelName=model_name)["PrimaryContainer"]
    kept = {key: container[key] for key in ("Image", "ModelDataSource", "Environment")}
    return aws.client("sagemaker").create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [kept],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        **more,
    )["ModelPackageArn"]


def test_an_endpoint_leads_to_its_version_and_the_report_that_it_was_registered_with(sample_aws: Aws) -> None:
    sagemaker, name = sample_aws.client("sagemaker"), f"versions-{uuid.uuid4().hex[:8]}"
    assert version_in_production(sample_aws, name) is None
    create_model(sample_aws, name, QUANTIZE="none-that-there-is")  # its container ends at once
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    report = sample_aws.uri("pipeline", "evaluation", name, "evaluation.json")
    sample_aws.client("s3").put_object(
        Bucket=sample_aws.bucket, Key=report.removeprefix(f"s3://{sample_aws.bucket}/"), Body=b"{}"
    )
    quality = {"Statistics": {"ContentType": "application/json", "S3Uri": report}}
    arn = register(sample_aws, name, name, ModelMetrics={"ModelQuality": quality})
    sagemaker.create_model(
        ModelName=f"{name}-1",
        PrimaryContainer={"ModelPackageName": arn},
        ExecutionRoleArn=sample_aws.role_arn,
    )
    with endpoint(sample_aws, f"{name}-1") as endpoint_name:
        served = version_in_production(sample_aws, endpoint_name)
    assert (served.package_arn, served.group, served.version) == (arn, name, 1)
    assert (served.model_name, served.config_name) == (f"{name}-1", f"{name}-1")
    assert served.report_uri == report.removesuffix("evaluation.json")
    # A model of no version is said to be none, not passed over.
    with endpoint(sample_aws, name) as endpoint_name, pytest.raises(WorkshopError) as error:
        version_in_production(sample_aws, endpoint_name)
    assert f"which serves {name}: no model package" in error.value.found


def test_a_version_without_a_report_says_so() -> None:
    arn = "arn:aws:sagemaker:us-east-1:000000000000:model-package/news/1"
    with pytest.raises(WorkshopError) as error:
        report_uri({"ModelPackageArn": arn})
    assert error.value.found.startswith(arn)
