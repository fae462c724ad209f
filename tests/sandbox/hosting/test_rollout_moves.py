"""Endpoints for inference components get other instances: the copies move, and no request is lost."""

from __future__ import annotations

from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.sandbox.hosting.conftest import ROLE
from tests.sandbox.hosting.endpoint_updates import ask_for_fault, blue_green, rolling, update
from tests.sandbox.hosting.load import Load


def configuration(hosting: Any, **variant: Any) -> str:
    """Create a configuration without a model and return its name."""
    given = {"ModelName": None, "InstanceType": "ml.g5.12xlarge", **variant}
    return hosting.configure(variants=(given,), config={"ExecutionRoleArn": ROLE})


def test_copies_move_to_other_instances_under_load(hosting: Any, components: Any) -> None:
    endpoint = components.endpoint()
    name = components.deploy(endpoint, num_copies=2)
    beside = components.deploy(endpoint)
    old_pids = components.pids(endpoint, name, 2)
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 3}
    config = configuration(
        hosting, InstanceType="ml.g5.48xlarge", InitialInstanceCount=2, ManagedInstanceScaling=scaling
    )
    with Load(hosting.sandbox.url, endpoint, InferenceComponentName=name) as load:
        described = update(hosting, endpoint, config)
        load.wait_for(20)
    assert load.failures == []
    assert not any(map(psutil.pid_exists, old_pids))
    (variant,) = described["ProductionVariants"]
    assert described["EndpointConfigName"] == config
    assert (variant["CurrentInstanceCount"], variant["ManagedInstanceScaling"]) == (2, scaling)
    for each, num_copies in ((name, 2), (beside, 1)):
        reported = components.describe(each)
        assert reported["InferenceComponentStatus"] == "InService"
        assert reported["RuntimeConfig"]["CurrentCopyCount"] == num_copies
    # Of 16 accelerators.
    assert components.scale(name, 12)["RuntimeConfig"]["CurrentCopyCount"] == 12
    for each in (name, beside):
        components.delete(each)
    hosting.delete(endpoint)


@pytest.mark.parametrize("fault", [None, "FailedHealthCheck"], ids=["too small", "unhealthy"])
def test_copies_stay_where_they_are_when_they_cannot_move(
    hosting: Any, components: Any, fault: str | None
) -> None:
    endpoint = components.endpoint()
    name = components.deploy(endpoint, num_copies=2)
    pids = components.pids(endpoint, name, 2)
    if fault:
        ask_for_fault(hosting, fault)
    config = configuration(hosting, InstanceType="ml.g5.12xlarge" if fault else "ml.g5.xlarge")
    with Load(hosting.sandbox.url, endpoint, InferenceComponentName=name) as load:
        described = update(hosting, endpoint, config)
        load.wait_for(20)
    assert load.failures == []
    assert load.pids == pids
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", endpoint)
    assert ("ping health check" if fault else "not enough hardware resources") in described["FailureReason"]
    assert components.describe(name)["InferenceComponentStatus"] == "InService"
    assert components.scale(name, 4)["RuntimeConfig"]["CurrentCopyCount"] == 4
    components.delete(name)
    hosting.delete(endpoint)


def test_while_copies_move_components_can_not_be_changed(hosting: Any, components: Any) -> None:
    endpoint = components.endpoint()
    name = components.deploy(endpoint, environment={"START_DELAY_S": "1"})
    hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=configuration(hosting))
    with pytest.raises(ClientError, match="it must be InService"):
        components.create(endpoint)
    with pytest.raises(ClientError, match="Cannot update inference component"):
        components.scale(name, 2)
    assert "FailureReason" not in hosting.wait(endpoint)
    creating = components.create(endpoint, environment={"START_DELAY_S": "1"})
    with pytest.raises(ClientError, match=r"Cannot update inference component .*CREATE_IN_PROGRESS"):
        hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=configuration(hosting))
    assert hosting.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"
    components.wait(creating)
    for each in (name, creating):
        components.delete(each)
    hosting.delete(endpoint)


def test_an_endpoint_stays_of_its_kind_and_is_not_deleted_under_components(
    hosting: Any, components: Any
) -> None:
    endpoint = components.endpoint()
    name = components.deploy(endpoint)

    def refused(message: str, config: str, **members: Any) -> None:
        with pytest.raises(ClientError, match=message):
            hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config, **members)

    refused("can not be updated to run models", hosting.configure())
    two = configuration(hosting, InitialInstanceCount=2)
    refused("does not implement traffic in steps", two, DeploymentConfig=rolling(1))
    half = blue_green("CANARY", CanarySize={"Type": "CAPACITY_PERCENT", "Value": 50})
    refused("does not implement traffic in steps", two, DeploymentConfig=half)
    refused("keep their names", configuration(hosting, VariantName="Other"))
    with pytest.raises(ClientError, match="Cannot delete endpoint with inference component associated"):
        hosting.sagemaker.delete_endpoint(EndpointName=endpoint)
    assert hosting.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"
    assert components.ask(endpoint, name)
    components.delete(name)
    hosting.delete(endpoint)
