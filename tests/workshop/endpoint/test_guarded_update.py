"""A canary on the sandbox: followed while it runs, taken back by its alarm, and told from what was seen."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.workshop.endpoint.test_endpoints import create_endpoint

from workshop.aws.session import Aws
from workshop.endpoint.endpoints import wait_until_in_service
from workshop.endpoint.guarded_update import (
    WENT_BACK,
    RollOut,
    delete_alarms,
    give_back_instances,
    guarded_timeout_s,
    outcome_of,
    update_is_needed,
    wait_until_calm,
)
from workshop.endpoint.rollout_watch import UpdateWatch
from workshop.errors import WorkshopError
from workshop.serving.steady_load import SteadyRequest, SteadyResult

NAMESPACE, METRIC = "Test/Rollout", "Bad"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """What the tests of this module leave for each other."""
    return {}


@pytest.fixture
def name(sample_aws: Aws, made: dict[str, Any]) -> str:
    """An endpoint of two instances, and another configuration of the same model for it."""
    if not made:
        sagemaker = sample_aws.client("sagemaker")
        made["name"] = create_endpoint(sample_aws)
        wait_until_in_service(sample_aws, made["name"], timeout_s=600)
        variant = {"VariantName": "AllTraffic", "ModelName": made["name"], "InstanceType": "ml.g5.4xlarge"}
        for suffix in ("two", "next"):
            sagemaker.create_endpoint_config(
                EndpointConfigName=f"{made['name']}-{suffix}",
                ProductionVariants=[variant | {"InitialInstanceCount": 2}],
            )
        sagemaker.update_endpoint(EndpointName=made["name"], EndpointConfigName=f"{made['name']}-two")
        wait_until_in_service(sample_aws, made["name"], timeout_s=600)
    return made["name"]


def dimensions(name: str) -> list[dict[str, str]]:
    return [{"Name": "EndpointName", "Value": name}]


def put_alarm(aws: Aws, name: str) -> str:
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=f"{name}-quality",
        Namespace=NAMESPACE,
        MetricName=METRIC,
        Dimensions=dimensions(name),
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0.5,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    return f"{name}-quality"


def test_a_canary_is_followed_and_taken_back_by_its_alarm(sample_aws: Aws, name: str) -> None:
    sagemaker = sample_aws.client("sagemaker")
    alarm, config = put_alarm(sample_aws, name), f"{name}-next"
    metrics = {"quality": (NAMESPACE, METRIC, dimensions(name), "Average")}
    routing = {
        "Type": "CANARY",
        "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1},
        "WaitIntervalInSeconds": 3600,
    }
    canary = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
    }
    assert update_is_needed(sample_aws, name, config)
    with UpdateWatch(sample_aws, name, [alarm], interval_s=0.05) as watch:
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, DeploymentConfig=canary)
        assert not update_is_needed(sample_aws, name, config)  # it runs
        limit_s = guarded_timeout_s(sample_aws.settings, canary)
        put_until_it_goes_back(sample_aws, name, watch)
        described = wait_until_in_service(sample_aws, name, timeout_s=limit_s)
    requests = [
        SteadyRequest(sent_at_s=watch.snapshots[0].at_s + index, seconds=0.5, label=label)
        for index, label in enumerate(("old", "new", "old", "new"))
    ]
    result = SteadyResult(requests=tuple(requests))
    rolled = RollOut.of(sample_aws, "next", described, config, result, watch.snapshots, metrics)
    assert not rolled.went_through
    assert rolled.outcome.startswith(f"{WENT_BACK}: ")
    assert alarm in str(rolled)
    assert {"Baking", "RollingBack"} <= {one.stage for one in watch.snapshots}
    assert any(one.alarms == {alarm: "ALARM"} for one in watch.snapshots)
    assert max(rolled.series["quality"][1]) == 1.0
    assert rolled.exposure(["new"]).num_requests == 2
    assert rolled.exposure(["new"]).seconds == pytest.approx(2.5)
    assert "2 of 4 requests (50%) in 2.5 s (5 min of AWS's clock)" in rolled.exposure(["new"]).text(
        sample_aws.settings
    )
    assert rolled.exposure(["nobody"]).num_requests == 0


def put_until_it_goes_back(aws: Aws, name: str, watch: UpdateWatch) -> None:
    """Put bad values, once the canary is watched, until the endpoint is no more being updated forwards."""
    while not any(one.stage == "Baking" for one in watch.snapshots):
        time.sleep(0.05)
    while aws.client("sagemaker").describe_endpoint(EndpointName=name)["EndpointStatus"] == "Updating":
        aws.client("cloudwatch").put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[{"MetricName": METRIC, "Dimensions": dimensions(name), "Value": 1.0}],
        )


def test_an_update_waits_until_no_alarm_rings(sample_aws: Aws, name: str) -> None:
    alarm = put_alarm(sample_aws, name)
    assert wait_until_calm(sample_aws, [alarm], timeout_s=600)[alarm] != "ALARM"
    sample_aws.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")
    with pytest.raises(WorkshopError, match="ALARM after"):
        wait_until_calm(sample_aws, [alarm], timeout_s=0)


def test_what_is_in_service_needs_no_update(sample_aws: Aws, name: str) -> None:
    assert not update_is_needed(sample_aws, name, f"{name}-two")
    described = sample_aws.client("sagemaker").describe_endpoint(EndpointName=name)
    assert outcome_of(described, f"{name}-two") == "went through"


def test_alarms_and_instances_go_and_may_be_gone(sample_aws: Aws, name: str) -> None:
    put_alarm(sample_aws, name)
    assert delete_alarms(sample_aws, name) == [f"{name}-quality"]
    assert delete_alarms(sample_aws, name) == []
    give_back_instances(sample_aws, name)
    give_back_instances(sample_aws, name)
