"""Which version of a model serves, and with which report it was registered: asked from AWS each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workshop.aws.resources import described_or_none
from workshop.errors import WorkshopError

if TYPE_CHECKING:
    from workshop.aws.session import Aws


@dataclass(frozen=True, kw_only=True)
class ServedVersion:
    """A version of a model package group in production.

    Attributes:
        package_arn: Its ModelPackageArn.
        group: Of the model package group.
        version: Its number in the group.
        model_name: The model that was made of it.
        config_name: The endpoint configuration that names the model.
        report_uri: S3 folder of the report that it was registered with (ModelMetrics, ModelQuality).
    """

    package_arn: str
    group: str
    version: int
    model_name: str
    config_name: str
    report_uri: str


def version_in_production(aws: Aws, endpoint_name: str) -> ServedVersion | None:
    """Follow an endpoint to the version that it serves: configuration, model, model package.

    With several variants it is the one with the most traffic.

    Returns:
        None when there is no such endpoint.

    Raises:
        WorkshopError: It serves something that was not deployed from a model package, or without a report.
    """
    sagemaker = aws.client("sagemaker")
    endpoint = described_or_none(sagemaker.describe_endpoint, EndpointName=endpoint_name)
    if endpoint is None:
        return None
    config_name = endpoint["EndpointConfigName"]
    config = sagemaker.describe_endpoint_config(EndpointConfigName=config_name)
    weights = {
        variant["VariantName"]: variant.get("CurrentWeight", 0)
        for variant in endpoint.get("ProductionVariants", ())
    }
    variant = max(config["ProductionVariants"], key=lambda each: weights.get(each["VariantName"], 0))
    model_name = variant.get("ModelName")
    package_arn = _package_of(sagemaker.describe_model(ModelName=model_name)) if model_name else None
    if package_arn is None:
        raise WorkshopError(
            found=f"the endpoint {endpoint_name}, which serves {model_name or 'inference components'}: "
            "no model package",
            expected="a model made of a registered version (CreateModel with ModelPackageName)",
            next_step="delete the endpoint, or deploy under another name",
        )
    package = sagemaker.describe_model_package(ModelPackageName=package_arn)
    return ServedVersion(
        package_arn=package_arn,
        group=package["ModelPackageGroupName"],
        version=package["ModelPackageVersion"],
        model_name=model_name,
        config_name=config_name,
        report_uri=report_uri(package),
    )


def report_uri(package: dict[str, Any]) -> str:
    """Return the S3 folder of the report that a version was registered with, with a slash at its end.

    Args:
        package: DescribeModelPackage.

    Raises:
        WorkshopError: It was registered without one.
    """
    quality = package.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {})
    if "S3Uri" not in quality:
        raise WorkshopError(
            found=f"{package['ModelPackageArn']} without ModelMetrics.ModelQuality.Statistics",
            expected="a version that was registered with its evaluation.json",
            next_step="register it by the pipeline, whose register step names the report of its evaluation",
        )
    return quality["S3Uri"].rpartition("/")[0] + "/"


def _package_of(model: dict[str, Any]) -> str | None:
    containers = model.get("Containers") or [model.get("PrimaryContainer", {})]
    return containers[0].get("ModelPackageName")
