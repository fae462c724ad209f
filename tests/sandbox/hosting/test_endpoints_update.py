"""What UpdateEndpoint is asked for: kept properties, time limits, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.hosting.endpoint_updates import (
    SPEED,
    blue_green,
    eventually,
    instances,
    rolling,
    size,
    stage,
    update,
)

from sandbox import clock


@pytest.fixture(scope="module", autouse=True)
def fast_clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(clock.VARIABLE, str(SPEED))
        yield


def test_a_deployment_that_takes_too_long_goes_back(hosting: Any) -> None:
    name, new = hosting.deploy(), hosting.configure()
    config = blue_green(wait_s=700)
    config["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 600
    described = update(hosting, name, new, DeploymentConfig=config)
    assert described["EndpointConfigName"] == name
    assert "longer than 600 seconds" in described["FailureReason"]
    hosting.delete(name)


def test_counts_and_weights_are_kept_if_that_is_asked_for(hosting: Any) -> None:
    name = hosting.deploy(variants=({"InitialInstanceCount": 2, "InitialVariantWeight": 3.0},))
    new = hosting.configure(variants=({"InitialVariantWeight": 1.0},))
    described = update(hosting, name, new, RetainAllVariantProperties=True)
    (variant,) = described["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (2, 3.0)
    described = update(
        hosting,
        name,
        new,
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredInstanceCount"}],
    )
    (variant,) = described["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (1, 3.0)
    hosting.delete(name)


def test_the_last_deployment_config_is_used_again_if_that_is_asked_for(hosting: Any) -> None:
    name, new = hosting.deploy(variants=instances(2)), hosting.configure(variants=instances(2))
    config = blue_green("CANARY", 100, CanarySize=size(1))
    update(hosting, name, new, DeploymentConfig=config)
    hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new, RetainDeploymentConfig=True)
    eventually(lambda: stage(hosting, name) == "Baking")
    assert hosting.wait(name)["LastDeploymentConfig"] == config
    hosting.delete(name)


def test_while_it_is_updated_nothing_else_can_be_done_with_it(hosting: Any) -> None:
    name, new = hosting.deploy(), hosting.configure()
    hosting.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=new, DeploymentConfig=blue_green(wait_s=300)
    )
    for call in (
        lambda: hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new),
        lambda: hosting.sagemaker.delete_endpoint(EndpointName=name),
        lambda: hosting.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name,
            DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredWeight": 1}],
        ),
    ):
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            call()
    assert hosting.wait(name)["EndpointConfigName"] == new
    hosting.delete(name)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**blue_green(), **rolling(1)}, "BlueGreenUpdatePolicy and a RollingUpdatePolicy"),
        (blue_green("CANARY"), "CanarySize is required"),
        (blue_green("CANARY", CanarySize=size(2)), "CanarySize must be at most 50%"),
        (blue_green("LINEAR", LinearStepSize=size(9, "CAPACITY_PERCENT")), "between 10% and 50%"),
        (rolling(2), "MaximumBatchSize must be between 5% and 50%"),
    ],
)  # fmt: skip
def test_a_deployment_that_cannot_be_is_refused(hosting: Any, served: str, config: Any, message: str) -> None:
    new = hosting.configure(variants=instances(2))
    with pytest.raises(ClientError, match=message):
        hosting.sagemaker.update_endpoint(
            EndpointName=served, EndpointConfigName=new, DeploymentConfig=config
        )
    assert hosting.sagemaker.describe_endpoint(EndpointName=served)["EndpointStatus"] == "InService"


def test_what_is_not_there_or_has_failed_can_not_be_updated(hosting: Any, served: str) -> None:
    def refused(match: str, name: str, config: str, **members: Any) -> None:
        with pytest.raises(ClientError, match=match):
            hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, **members)

    config = hosting.configure()
    refused("Could not find endpoint ", "nobody", config)
    refused("Could not find endpoint configuration", served, "none")
    two = hosting.configure(variants=({"VariantName": "A"}, {"VariantName": "AllTraffic"}))
    refused("same variant names", served, two, DeploymentConfig=blue_green())
    failed = hosting.create(environment={"DIE_AT_START": "1"})
    hosting.wait(failed)
    refused("it has failed", failed, config)
    name = hosting.deploy()
    hosting.sagemaker.delete_endpoint_config(EndpointConfigName=name)
    refused("Could not find endpoint configuration", name, config)
    hosting.delete(name)
    hosting.delete(failed)
