"""The classes of SageMaker's own SDK, as they are, on endpoints of the sandbox."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

MODEL_DIR = "src/sample/base/model"
TGI = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:"
    "2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04"
)
ROLE = "arn:aws:iam::000000000000:role/sandbox"


@pytest.fixture
def aws(hosting: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A boto3 session whose every client talks to the sandbox, as the documented variables make it."""
    for name, value in {
        "AWS_ENDPOINT_URL": hosting.sandbox.url,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return boto3.session.Session()


def deploy(aws: Any, name: str, image: str, **members: Any) -> Any:
    from sagemaker.core.resources import Endpoint, EndpointConfig, Model
    from sagemaker.core.shapes import ContainerDefinition, ProductionVariant

    Model.create(
        model_name=name,
        primary_container=ContainerDefinition(image=image, **members),
        execution_role_arn=ROLE,
        session=aws,
    )
    variant = ProductionVariant(
        variant_name="AllTraffic", model_name=name, initial_instance_count=1, instance_type="ml.g5.xlarge"
    )
    EndpointConfig.create(endpoint_config_name=name, production_variants=[variant], session=aws)
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name, session=aws)
    endpoint.wait_for_status("InService", poll=1, timeout=1200)
    return endpoint


def test_the_sdks_classes_create_wait_invoke_and_delete(aws: Any, hosting: Any) -> None:
    from sagemaker.core.resources import Endpoint

    endpoint = deploy(aws, "sdk", "test/container:1", environment={"A": "1"})
    answer = endpoint.invoke(body=json.dumps({"tell": 1}), content_type="application/json", session=aws)
    assert json.loads(answer.body.read())["environ"]["A"] == "1"
    again = Endpoint.get("sdk", session=aws)
    assert again.production_variants[0].deployed_images[0].specified_image == "test/container:1"
    assert "sdk" in [each.endpoint_name for each in Endpoint.get_all(session=aws)]
    endpoint.delete()
    endpoint.wait_for_delete(poll=1, timeout=300)


def test_the_sdks_endpoint_is_updated_and_scaled(aws: Any, hosting: Any) -> None:
    from sagemaker.core.shapes import (
        AutoRollbackConfig,
        BlueGreenUpdatePolicy,
        DeploymentConfig,
        DesiredWeightAndCapacity,
        TrafficRoutingConfig,
    )

    endpoint = deploy(aws, "sdk-update", "test/container:1", environment={"MODEL": "old"})
    endpoint.endpoint_config_name = hosting.configure(environment={"MODEL": "new"})
    # Not 0: version 3.27 of the SDK leaves out what is 0, also where AWS requires it.
    routing = TrafficRoutingConfig(type="ALL_AT_ONCE", wait_interval_in_seconds=1)
    endpoint.update(
        deployment_config=DeploymentConfig(
            blue_green_update_policy=BlueGreenUpdatePolicy(traffic_routing_configuration=routing),
            auto_rollback_configuration=AutoRollbackConfig(alarms=[{"alarm_name": "none"}]),
        )
    )
    assert endpoint.endpoint_status == "Updating"
    endpoint.wait_for_status("InService", poll=1, timeout=300)
    assert hosting.ask("sdk-update")["environ"]["MODEL"] == "new"
    wanted = DesiredWeightAndCapacity(variant_name="AllTraffic", desired_instance_count=2)
    endpoint.update_weights_and_capacities(desired_weights_and_capacities=[wanted], session=aws)
    endpoint.wait_for_status("InService", poll=1, timeout=300)
    assert endpoint.production_variants[0].current_instance_count == 2
    hosting.delete("sdk-update")


def test_a_failed_endpoint_raises_with_its_reason(aws: Any, hosting: Any) -> None:
    from sagemaker.core.utils.exceptions import FailedStatusError

    with pytest.raises(FailedStatusError, match="did not pass the ping health check"):
        deploy(aws, "sdk-failed", "test/container:1", environment={"DIE_AT_START": "1"})
    hosting.delete("sdk-failed")


def test_the_sample_model_generates_behind_an_endpoint(aws: Any, hosting: Any, request: Any) -> None:
    """The server of this repository, under the image that a notebook names."""
    from sagemaker.core.shapes import ModelDataSource, S3ModelDataSource

    folder = request.config.rootpath / MODEL_DIR
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="sample-model")
    for path in folder.rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), "sample-model", f"model/{path.relative_to(folder)}")
    source = S3ModelDataSource(
        s3_uri="s3://sample-model/model/", s3_data_type="S3Prefix", compression_type="None"
    )
    endpoint = deploy(
        aws,
        "sample",
        TGI,
        model_data_source=ModelDataSource(s3_data_source=source),
        environment={"HF_MODEL_ID": "/opt/ml/model", "SM_NUM_GPUS": "1"},
    )
    body = json.dumps({"inputs": "서울", "parameters": {"max_new_tokens": 8}})
    answer = endpoint.invoke(body=body, content_type="application/json", session=aws)
    whole = json.loads(answer.body.read())[0]["generated_text"]
    assert whole
    stream = hosting.runtime.invoke_endpoint_with_response_stream(
        EndpointName="sample",
        Body=json.dumps({**json.loads(body), "stream": True}),
        ContentType="application/json",
    )
    content = b"".join(event["PayloadPart"]["Bytes"] for event in stream["Body"]).decode()
    events = [json.loads(line[5:]) for line in content.splitlines() if line.startswith("data:")]
    assert len(events) > 1
    assert events[-1]["generated_text"] == whole
    hosting.delete("sample")


def test_the_sdks_inference_component_is_created_updated_and_deleted(aws: Any, components: Any) -> None:
    from sagemaker.core.resources import InferenceComponent
    from sagemaker.core.shapes import (
        InferenceComponentComputeResourceRequirements,
        InferenceComponentContainerSpecification,
        InferenceComponentRuntimeConfig,
        InferenceComponentSpecification,
    )

    endpoint = components.endpoint()

    def specification(version: str) -> Any:
        return InferenceComponentSpecification(
            container=InferenceComponentContainerSpecification(
                image="test/container:1", environment={"VERSION": version}
            ),
            compute_resource_requirements=InferenceComponentComputeResourceRequirements(
                number_of_accelerator_devices_required=1, min_memory_required_in_mb=1024
            ),
        )

    component = InferenceComponent.create(
        inference_component_name="sdk-component",
        endpoint_name=endpoint,
        variant_name="AllTraffic",
        specification=specification("1"),
        runtime_config=InferenceComponentRuntimeConfig(copy_count=1),
        session=aws,
    )
    component.wait_for_status("InService", poll=1, timeout=1200)
    assert components.ask(endpoint, "sdk-component")["environ"]["VERSION"] == "1"
    component.update(
        specification=specification("2"), runtime_config=InferenceComponentRuntimeConfig(copy_count=2)
    )
    component.wait_for_status("InService", poll=1, timeout=1200)
    again = InferenceComponent.get("sdk-component", session=aws)
    assert again.specification.container.environment == {"VERSION": "2"}
    assert again.runtime_config.current_copy_count == 2
    again.update_runtime_configs(desired_runtime_config=InferenceComponentRuntimeConfig(copy_count=1))
    again.wait_for_status("InService", poll=1, timeout=1200)
    assert [each.inference_component_name for each in InferenceComponent.get_all(session=aws)] == [
        "sdk-component"
    ]
    again.delete()
    again.wait_for_delete(poll=1, timeout=300)
    components.hosting.delete(endpoint)
