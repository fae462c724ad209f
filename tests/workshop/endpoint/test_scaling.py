"""A wait for an alarm ends when it is quiet, or says that there is none."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from workshop.aws.session import Aws
from workshop.endpoint.scaling import wait_until_quiet
from workshop.errors import WorkshopError


@pytest.fixture
def alarm(sample_aws: Aws) -> Iterator[str]:
    """An alarm that rings as soon as it is evaluated: missing points count as breaching."""
    name, cloudwatch = f"alarm-{uuid4().hex[:8]}", sample_aws.client("cloudwatch")
    put_alarm(sample_aws, name, missing="breaching")
    yield name
    cloudwatch.delete_alarms(AlarmNames=[name])


def put_alarm(aws: Aws, name: str, *, missing: str) -> None:
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=name, Namespace="AWS/SageMaker", MetricName="Invocations", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold",
        Dimensions=[{"Name": "InferenceComponentName", "Value": "never"}], TreatMissingData=missing,
    )  # fmt: skip


def state_of(aws: Aws, name: str) -> str:
    return aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]


def test_it_lasts_while_the_alarm_rings(sample_aws: Aws, alarm: str) -> None:
    while state_of(sample_aws, alarm) != "ALARM":
        pass
    with pytest.raises(WorkshopError, match=r"ALARM after[\s\S]*another state than ALARM"):
        wait_until_quiet(sample_aws, alarm, timeout_s=0)
    put_alarm(sample_aws, alarm, missing="notBreaching")
    assert wait_until_quiet(sample_aws, alarm, timeout_s=600) in ("OK", "INSUFFICIENT_DATA")


def test_an_alarm_that_is_not_there_is_said(sample_aws: Aws) -> None:
    with pytest.raises(WorkshopError, match="no alarm never"):
        wait_until_quiet(sample_aws, "never", timeout_s=600)
