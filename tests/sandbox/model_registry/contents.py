"""What a model package may hold, whole."""

from __future__ import annotations

from typing import Any

ARN = "arn:aws:sagemaker:us-east-1:000000000000"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.38.0-lmi"


def delete_group(client: Any, name: str) -> None:
    """Delete a group with its versions."""
    for page in client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=name):
        for one in page["ModelPackageSummaryList"]:
            client.delete_model_package(ModelPackageName=one["ModelPackageArn"])
    client.delete_model_package_group(ModelPackageGroupName=name)


def source(uri: str = "s3://news-models/v1/", data_type: str = "S3Prefix", compression: str = "None") -> Any:
    return {"S3DataSource": {"S3Uri": uri, "S3DataType": data_type, "CompressionType": compression}}


def specification(**container: Any) -> dict[str, Any]:
    return {"Containers": [{"Image": IMAGE, **container}]}


def _metrics(name: str) -> dict[str, str]:
    return {
        "ContentType": "application/json",
        "ContentDigest": f"sha256:{'0' * 64}",
        "S3Uri": f"s3://news-models/{name}.json",
    }


def everything() -> dict[str, Any]:
    """Return every member of a CreateModelPackage request that is kept as it was given."""
    quality = {"Statistics": _metrics("statistics"), "Constraints": _metrics("constraints")}
    supported = {
        "SupportedTransformInstanceTypes": ["ml.m5.large"],
        "SupportedRealtimeInferenceInstanceTypes": ["ml.g5.xlarge"],
        "SupportedContentTypes": ["application/json"],
        "SupportedResponseMIMETypes": ["application/json"],
    }
    container = {
        "ContainerHostname": "summaries",
        "Image": IMAGE,
        "ImageDigest": f"sha256:{'1' * 64}",
        "ModelDataSource": source(),
        "Environment": {"HF_MODEL_ID": "/opt/ml/model"},
        "ModelInput": {"DataInputConfig": "{}"},
        "Framework": "PYTORCH",
        "FrameworkVersion": "2.9",
        "NearestModelName": "llama",
    }
    small = {"Image": IMAGE, "ModelDataUrl": "s3://news-models/small.tar.gz"}
    return {
        "ModelPackageDescription": "요약 모델, 세 번째",
        "ModelPackageRegistrationType": "Registered",
        "InferenceSpecification": {"Containers": [container], **supported},
        "AdditionalInferenceSpecifications": [
            {"Name": "small", "Description": "작은 것", "Containers": [small], **supported}
        ],
        "ModelApprovalStatus": "Approved",
        "MetadataProperties": {
            "CommitId": "0a1b2c", "Repository": "https://example.com/news", "ProjectId": "news",
            "GeneratedBy": f"{ARN}:pipeline/news",
        },
        "ModelMetrics": {
            "ModelQuality": quality,
            "ModelDataQuality": quality,
            "Bias": {
                "Report": _metrics("bias"),
                "PreTrainingReport": _metrics("bias-before"),
                "PostTrainingReport": _metrics("bias-after"),
            },
            "Explainability": {"Report": _metrics("shap")},
        },
        "DriftCheckBaselines": {
            "Bias": {
                "ConfigFile": _metrics("bias-config"),
                "PreTrainingConstraints": _metrics("before"),
                "PostTrainingConstraints": _metrics("after"),
            },
            "Explainability": {"Constraints": _metrics("shap"), "ConfigFile": _metrics("shap-config")},
            "ModelQuality": quality,
            "ModelDataQuality": quality,
        },
        "Domain": "NATURAL_LANGUAGE_PROCESSING",
        "Task": "TEXT_GENERATION",
        "SamplePayloadUrl": "s3://news-models/sample.tar.gz",
        "CustomerMetadataProperties": {"rouge-l": "0.61", "데이터": "naver"},
        "SkipModelValidation": "None",
        "SecurityConfig": {"KmsKeyId": "alias/news"},
        "ModelCard": {
            "ModelCardContent": '{"intended_uses": {"risk_rating": "Low", "purpose_of_model": "요약"}}',
            "ModelCardStatus": "Draft",
        },
        "ModelLifeCycle": {"Stage": "Staging", "StageStatus": "Pending", "StageDescription": "검토 전"},
    }  # fmt: skip
