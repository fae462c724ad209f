"""An endpoint that does not come says why, with its container's last lines."""

from __future__ import annotations

import json
import urllib.request
import uuid

import pytest

from workshop.aws.session import Aws
from workshop.aws.upload import upload_base_model
from workshop.endpoint.endpoints import last_log_lines, wait_until_in_service
from workshop.errors import WorkshopError
from workshop.settings import load_settings

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04"  # noqa: E501


def create_endpoint(aws: Aws, **environment: str) -> str:
    """Create an endpoint that serves the small base model, with these variables."""
    name = f"endpoint-{uuid.uuid4().hex[:8]}"
    weights = {
        "S3Uri": upload_base_model(aws, load_settings(environ={})),
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    container = {
        "Image": IMAGE,
        "Environment": {"HF_MODEL_ID": "/opt/ml/model", **environment},
        "ModelDataSource": {"S3DataSource": weights},
    }
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.g5.4xlarge",
        "InitialInstanceCount": 1,
    }
    sagemaker = aws.client("sagemaker")
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=aws.role_arn)
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    return name


def test_a_container_that_ends_shows_its_reason_and_its_last_lines(sample_aws: Aws) -> None:
    name = create_endpoint(sample_aws, MAX_INPUT_TOKENS="many")
    with pytest.raises(WorkshopError, match="MAX_INPUT_TOKENS") as caught:
        wait_until_in_service(sample_aws, name, timeout_s=600)
    assert "did not pass the ping health check" in caught.value.found
    assert "under Delete" in caught.value.next_step
    assert any("MAX_INPUT_TOKENS" in line for line in last_log_lines(sample_aws, name))
    assert len(last_log_lines(sample_aws, name, 1)) == 1


def test_a_wait_that_is_over_says_that_the_endpoint_goes_on_costing(sample_aws: Aws) -> None:
    url = sample_aws.client("sagemaker").meta.endpoint_url
    fault = {"operation": "CreateEndpoint", "fault": "SlowStart", "delay_s": 3600}
    request = urllib.request.Request(f"{url}/_sandbox/faults", json.dumps(fault).encode(), method="PUT")
    urllib.request.urlopen(request).close()
    name = create_endpoint(sample_aws)
    with pytest.raises(WorkshopError, match="is Creating after") as caught:
        wait_until_in_service(sample_aws, name, timeout_s=0.5)
    assert "it costs money" in caught.value.next_step


def test_an_endpoint_without_a_log_has_no_last_lines(sample_aws: Aws) -> None:
    assert last_log_lines(sample_aws, "never-created") == []
