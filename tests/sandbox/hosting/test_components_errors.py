"""Wrong orders and wrong specifications of inference components, answered with AWS's errors."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.hosting.components import ARN, specification

NEEDS = {"NumberOfAcceleratorDevicesRequired": 1, "MinMemoryRequiredInMb": 1024}
ARTIFACT = {"ArtifactUrl": "s3://a/b.tar.gz"}
CONTAINER = {"Image": "test/container:1"}


@pytest.fixture(scope="module")
def endpoint(components: Any) -> str:
    return components.endpoint()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Container": CONTAINER}, "ComputeResourceRequirements is required"),
        ({"ComputeResourceRequirements": NEEDS}, "needs either a ModelName or a Container"),
        (
            {"ModelName": "m", "Container": CONTAINER, "ComputeResourceRequirements": NEEDS},
            "needs either a ModelName or a Container",
        ),
        ({"ModelName": "none", "ComputeResourceRequirements": NEEDS}, 'Could not find model "arn:aws'),
        ({"Container": {}, "ComputeResourceRequirements": NEEDS}, "needs an Image"),
        (
            {"Container": CONTAINER, "ComputeResourceRequirements": {**NEEDS, "MaxMemoryRequiredInMb": 1023}},
            "MaxMemoryRequiredInMb is below",
        ),
        (
            {
                "Container": {**CONTAINER, "Environment": {f"V{number}": "1" for number in range(17)}},
                "ComputeResourceRequirements": NEEDS,
            },
            "'specification.container.environment' failed to satisfy constraint: Member must have length"
            " less than or equal to 16",
        ),
        (
            {"BaseInferenceComponentName": "none", "Container": {"ArtifactUrl": "s3://a/b.tar.gz"}},
            "Could not",
        ),
        ({"BaseInferenceComponentName": "none"}, "needs Container.ArtifactUrl"),
        (
            {
                "BaseInferenceComponentName": "none",
                "Container": ARTIFACT,
                "ComputeResourceRequirements": NEEDS,
            },
            "can not have ComputeResourceRequirements",
        ),
        ({**specification(), "DataCacheConfig": {"EnableCaching": True}}, "does not implement"),
    ],
)
def test_a_specification_that_makes_no_sense_is_refused(
    components: Any, endpoint: str, given: dict[str, Any], message: str
) -> None:
    runtime_config = None if "BaseInferenceComponentName" in given else {"CopyCount": 1}
    with pytest.raises(ClientError, match=f"ValidationException.*{message}"):
        components.create(endpoint, "refused", Specification=given, RuntimeConfig=runtime_config)
    with pytest.raises(ClientError, match="Could not find inference component"):
        components.describe("refused")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"EndpointName": "none"}, 'Could not find endpoint "arn:aws'),
        ({"VariantName": "none"}, "Variant none is not one of the endpoint's: AllTraffic"),
        ({"RuntimeConfig": None}, "RuntimeConfig is required"),
        ({"Specification": None}, "needs a Specification"),
        ({"Specification": None, "Specifications": [specification()]}, "does not implement Specifications"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    components: Any, endpoint: str, members: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=f"ValidationException.*{message}"):
        components.create(endpoint, "refused", **members)


def test_a_name_is_there_once(components: Any, endpoint: str) -> None:
    name = components.deploy(endpoint)
    with pytest.raises(ClientError, match=f'already existing inference component "{ARN}/{name}"'):
        components.create(endpoint, name)
    components.delete(name)


def test_a_component_goes_only_to_a_variant_without_a_model_that_serves(components: Any) -> None:
    hosting = components.hosting
    with_model = hosting.deploy()
    with pytest.raises(ClientError, match="Inference Components are not supported in this Endpoint"):
        components.create(with_model)
    with pytest.raises(ClientError, match=r"ValidationError.*header is not allowed for endpoints to which"):
        components.ask(with_model, "any")
    hosting.delete(with_model)


def test_an_unknown_instance_type_is_refused_where_its_capacity_counts(components: Any) -> None:
    with pytest.raises(ClientError, match=r"does not implement inference components on ml.t2.medium"):
        components.endpoint(InstanceType="ml.t2.medium")


def test_an_invocation_needs_a_component_that_is_in_service(components: Any, endpoint: str) -> None:
    with pytest.raises(ClientError, match=r"ValidationError.*Inference Component Name header is required"):
        components.hosting.ask(endpoint)
    name = components.create(endpoint, environment={"START_DELAY_S": "0.5"})
    with pytest.raises(ClientError, match=f"ValidationError.*Inference Component {name} not found"):
        components.ask(endpoint, name)
    components.wait(name)
    assert components.ask(endpoint, name)["pid"]
    components.delete(name)


def test_a_component_that_is_being_changed_can_be_neither_changed_nor_deleted(
    components: Any, endpoint: str
) -> None:
    name = components.create(endpoint, environment={"START_DELAY_S": "0.5"})
    client = components.sagemaker
    arn = f'inference component "{ARN}/{name}"'
    with pytest.raises(ClientError, match=f"Cannot delete {arn} while it is in state CREATE_IN_PROGRESS"):
        client.delete_inference_component(InferenceComponentName=name)
    components.wait(name)
    client.update_inference_component_runtime_config(
        InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": 2}
    )
    with pytest.raises(ClientError, match=f"Cannot update {arn} while it is in state UPDATE_RC_IN_PROGRESS"):
        components.update(name, Specification=specification())
    with pytest.raises(ClientError, match=f"Cannot delete {arn} while it is in state UPDATE_RC_IN_PROGRESS"):
        client.delete_inference_component(InferenceComponentName=name)
    components.wait(name)
    client.update_inference_component(
        InferenceComponentName=name, Specification=specification({"START_DELAY_S": "0.5"})
    )
    with pytest.raises(ClientError, match=f"Cannot update {arn} while it is in state UPDATE_IN_PROGRESS"):
        components.scale(name, 3)
    components.wait(name)
    components.delete(name)


@pytest.mark.parametrize("call", ["describe", "delete", "update", "scale"])
def test_a_component_that_is_missing_is_named(components: Any, call: str) -> None:
    client = components.sagemaker
    calls = {
        "describe": client.describe_inference_component,
        "delete": client.delete_inference_component,
        "update": partial(client.update_inference_component, RuntimeConfig={"CopyCount": 1}),
        "scale": partial(
            client.update_inference_component_runtime_config, DesiredRuntimeConfig={"CopyCount": 1}
        ),
    }
    with pytest.raises(ClientError, match=f'Could not find inference component "{ARN}/none-1"'):
        calls[call](InferenceComponentName="None-1")


def test_an_update_changes_something(components: Any, endpoint: str) -> None:
    name = components.deploy(endpoint)
    with pytest.raises(ClientError, match="An update needs a Specification or a RuntimeConfig"):
        components.update(name)
    with pytest.raises(ClientError, match="can not become an adapter"):
        components.update(name, Specification={"BaseInferenceComponentName": "other"})
    components.delete(name)


def test_a_variant_of_components_needs_a_role(components: Any) -> None:
    variant = {"VariantName": "v", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
    with pytest.raises(ClientError, match="ExecutionRoleArn is required"):
        components.sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 2}
    with pytest.raises(ClientError, match="does not implement ManagedInstanceScaling of a variant with a"):
        components.hosting.create(variants=({"ManagedInstanceScaling": scaling},))


def test_an_invocation_without_a_component_has_the_code_that_other_clients_read(
    components: Any, endpoint: str
) -> None:
    url = f"{components.hosting.sandbox.url}/endpoints/{endpoint}/invocations"
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(urllib.request.Request(url, b"{}"))
    with raised.value as response:
        body = json.loads(response.read())
    assert (response.code, body["ErrorCode"]) == (400, "INFERENCE_COMPONENT_NAME_MISSING")
    assert body["Message"].startswith("Inference Component Name header is required for endpoints")
