"""An endpoint for inference components on the AWS of this machine, with the small base model to put on it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from workshop.aws.session import Aws
from workshop.aws.upload import upload_base_model
from workshop.aws.waits import Wait
from workshop.serving.environment import serving_environment
from workshop.settings import load_settings

TGI_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04"  # noqa: E501
LMI_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.38.0-lmi29.0.0-cu130"
COMPUTE = {
    "NumberOfAcceleratorDevicesRequired": 1,
    "NumberOfCpuCoresRequired": 4,
    "MinMemoryRequiredInMb": 4096,
}


def create_endpoint(aws: Aws) -> str:
    """Create an endpoint without a model and wait for it; its machine has four GPUs."""
    name, sagemaker = f"ic-{uuid.uuid4().hex[:8]}", aws.client("sagemaker")
    variant = {
        "VariantName": "AllTraffic",
        "InstanceType": "ml.g5.12xlarge",
        "InitialInstanceCount": 1,
        "ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2},
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant], ExecutionRoleArn=aws.role_arn
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    Wait(title=name, timeout_s=600, interval_s=0.05, expected="InService", next_step="").until(
        lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"],
        is_done=lambda status: status == "InService",
        text=str,
    )
    return name


def create_model(aws: Aws, name: str, *, image: str = TGI_IMAGE, **environment: str) -> str:
    """Create a model of the small base, with these variables beside the usual ones."""
    source = {
        "S3Uri": upload_base_model(aws, load_settings(environ={})),
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    engine = "tgi" if image == TGI_IMAGE else "lmi"
    aws.client("sagemaker").create_model(
        ModelName=name,
        PrimaryContainer={
            "Image": image,
            "Environment": serving_environment(engine, num_gpus=1) | environment,
            "ModelDataSource": {"S3DataSource": source},
        },
        ExecutionRoleArn=aws.role_arn,
    )
    return name


def create_component(
    aws: Aws, endpoint: str, suffix: str, model: str, *, num_copies: int = 1, **more: Any
) -> str:
    """Create a component and do not wait for it."""
    name = f"{endpoint}-{suffix}"
    aws.client("sagemaker").create_inference_component(
        InferenceComponentName=name,
        EndpointName=endpoint,
        VariantName="AllTraffic",
        Specification={"ModelName": model, "ComputeResourceRequirements": COMPUTE, **more},
        RuntimeConfig={"CopyCount": num_copies},
    )
    return name


def create_adapter(aws: Aws, endpoint: str, base: str, archive: Path) -> str:
    """Create an adapter component on a base, and do not wait for it."""
    name, key = f"{endpoint}-adapter", f"adapters/{endpoint}.tar.gz"
    aws.client("s3").upload_file(str(archive), aws.bucket, key)
    aws.client("sagemaker").create_inference_component(
        InferenceComponentName=name,
        EndpointName=endpoint,
        Specification={
            "BaseInferenceComponentName": base,
            "Container": {"ArtifactUrl": f"s3://{aws.bucket}/{key}"},
        },
    )
    return name
