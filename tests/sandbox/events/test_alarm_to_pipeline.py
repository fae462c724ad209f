"""An alarm that changes its state starts what rules say, once for each change."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..pipelines.conftest import ROLE
from .conftest import Events

REPOSITORY = Path(__file__).parents[3]


def test_a_metric_of_ours_puts_an_alarm_up_and_the_alarm_starts_a_pipeline_with_its_parameters(
    events: Events,
) -> None:
    alarm, pipeline = events.name("alarm"), events.pipeline("Why", "Where", "Fixed")
    metric = "$.detail.configuration.metrics[0].metricStat.metric"
    parameters = [
        {"Name": "Why", "Value": "$.detail.state.value"},
        {"Name": "Where", "Value": f"{metric}.dimensions.EndpointName"},
        {"Name": "Fixed", "Value": "drift"},
    ]
    events.put_alarm(alarm)
    rule = events.rule(alarm, pipeline, SageMakerPipelineParameters={"PipelineParameterList": parameters})

    def is_up() -> bool:
        events.put_value(alarm, 0.5, Timestamp=datetime.now(UTC))
        return events.state(alarm) == "ALARM"

    events.until(is_up, "the alarm is up")
    (execution,) = events.until(lambda: events.executions(pipeline), "the pipeline has started")
    given = events.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)
    assert {each["Name"]: each["Value"] for each in given["PipelineParameters"]} == {
        "Why": "ALARM",
        "Where": alarm,
        "Fixed": "drift",
    }
    for metric in ("MatchedEvents", "TriggeredRules", "Invocations", "SuccessfulInvocationAttempts"):
        assert events.count(rule, metric) == 1, metric
    assert events.count(rule, "FailedInvocations") == 0
    history = events.cloudwatch.describe_alarm_history(AlarmName=alarm, HistoryItemType="StateUpdate")
    summaries = [item["HistorySummary"] for item in history["AlarmHistoryItems"]]
    assert summaries == ["Alarm updated from INSUFFICIENT_DATA to ALARM"]
    assert f"rule {rule}, target target-0 ({pipeline}) started {execution}" in (
        events.sandbox.log_path.read_text()
    )


def test_an_alarm_that_flaps_starts_one_execution_each_time_it_goes_up(events: Events) -> None:
    alarm, pipeline = events.name("alarm"), events.pipeline()
    events.put_alarm(alarm, ActionsEnabled=False)  # of its own actions: events are sent all the same
    rule = events.rule(alarm, pipeline)
    for state in ("ALARM", "ALARM", "OK", "ALARM", "INSUFFICIENT_DATA", "ALARM", "OK"):
        events.set_state(alarm, state)
    events.until(lambda: len(events.executions(pipeline)) == 3, "three executions")
    assert events.count(rule, "MatchedEvents") == 3


def test_a_rule_starts_all_of_its_targets_and_only_when_it_is_enabled(events: Events) -> None:
    alarm, first, second = events.name("alarm"), events.pipeline(), events.pipeline()
    events.put_alarm(alarm)
    disabled, rule = events.rule(alarm, first), events.rule(alarm, first, second)
    events.events.disable_rule(Name=disabled)
    events.set_state(alarm, "ALARM")
    events.until(lambda: events.executions(second), "the second target")
    assert len(events.executions(first)) == 1
    assert events.count(rule, "Invocations") == 2
    assert events.count(disabled, "MatchedEvents") == 0
    events.events.enable_rule(Name=disabled)
    events.set_state(alarm, "OK")
    events.set_state(alarm, "ALARM")
    events.until(lambda: len(events.executions(first)) == 3, "both rules")


def test_a_pipeline_that_is_gone_and_a_parameter_that_it_does_not_have_are_failed_invocations(
    events: Events,
) -> None:
    alarm, gone, other = events.name("alarm"), events.pipeline(), events.pipeline()
    events.put_alarm(alarm)
    lost = events.rule(alarm, gone)
    unknown = {"PipelineParameterList": [{"Name": "Nobody", "Value": "knows"}]}
    nowhere = {"PipelineParameterList": [{"Name": "Nobody", "Value": "$.detail.nothing"}]}
    wrong = events.rule(alarm, other, SageMakerPipelineParameters=unknown)
    astray = events.rule(alarm, other, SageMakerPipelineParameters=nowhere)
    events.sagemaker.delete_pipeline(PipelineName=gone.rpartition("/")[2])
    events.set_state(alarm, "ALARM")
    for rule in (lost, wrong, astray):
        events.until(lambda rule=rule: events.count(rule, "FailedInvocations") == 1, f"{rule} failed")
    assert events.executions(other) == []
    log = events.sandbox.log_path.read_text()
    assert f"({gone}) failed: ResourceNotFound: Pipeline '{gone}' does not exist." in log
    assert "Unknown parameter 'Nobody'" in log
    assert "The event has nothing at $.detail.nothing, for parameter Nobody." in log


def test_a_start_that_was_throttled_is_repeated_as_often_as_the_target_says(events: Events) -> None:
    alarm, patient, hasty = events.name("alarm"), events.pipeline(), events.pipeline()
    events.put_alarm(alarm)
    put_fault(events, count=2)
    rule = events.rule(alarm, patient)
    events.set_state(alarm, "ALARM")
    events.until(lambda: events.executions(patient), "the third attempt")
    assert events.count(rule, "RetryInvocationAttempts") == 2
    assert events.count(rule, "Invocations") == 1
    put_fault(events, count=2)
    policy = {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 3600}
    second = events.name("alarm")
    events.put_alarm(second)
    rule = events.rule(second, hasty, RetryPolicy=policy)
    events.set_state(second, "ALARM")
    events.until(lambda: events.count(rule, "FailedInvocations") == 1, "the second attempt failed")
    assert events.executions(hasty) == []


def test_the_role_of_a_target_must_be_one_that_may(events: Events) -> None:
    """Once policies count: EventBridge must be allowed to be the role, and the role to start pipelines."""
    alarm, pipeline = events.name("alarm"), events.pipeline()
    events.put_alarm(alarm)
    rules = {}
    for name, role in (
        ("missing", f"{ROLE}-of-nobody"),
        ("untrusted", make_role(events, events.name("role"), "sagemaker.amazonaws.com")),
        ("trusted", ROLE),  # with the trust policy of setup/iam, for rules whose names begin with news-
    ):
        rules[name] = events.rule(alarm, pipeline, RoleArn=role)
    may = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    may_not = {**may, "Effect": "Deny", "Action": "sagemaker:StartPipelineExecution"}
    put_policies(events, person=[may], execution=[may])
    try:
        events.set_state(alarm, "ALARM")
        events.until(lambda: events.count(rules["trusted"], "Invocations") == 1, "the trusted role")
        for name in ("missing", "untrusted"):
            events.until(lambda name=name: events.count(rules[name], "FailedInvocations") == 1, name)
        assert len(events.executions(pipeline)) == 1
        put_policies(events, person=[may], execution=[may, may_not])
        events.set_state(alarm, "OK")
        events.set_state(alarm, "ALARM")
        events.until(lambda: events.count(rules["trusted"], "FailedInvocations") == 1, "the policy")
    finally:
        put_policies(events)
    log = events.sandbox.log_path.read_text()
    assert "events.amazonaws.com is not authorized to perform: sts:AssumeRole" in log
    assert "is not authorized to perform: sagemaker:StartPipelineExecution" in log


def make_role(events: Events, name: str, service: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust |= {"Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    answer = events.sandbox.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return answer["Role"]["Arn"]


def put_fault(events: Events, *, count: int) -> None:
    fault = {"operation": "StartPipelineExecution", "fault": "Throttling", "count": count}
    control(events, "faults", fault)


def put_policies(events: Events, **policies: list[dict[str, Any]]) -> None:
    """Let policies count; none any more when there are none."""
    documents = {who: [{"Version": "2012-10-17", "Statement": each}] for who, each in policies.items()}
    control(events, "policies", documents or None)


def control(events: Events, path: str, body: dict[str, Any] | None) -> None:
    request = urllib.request.Request(
        f"{events.sandbox.url}/_sandbox/{path}",
        None if body is None else json.dumps(body).encode(),
        method="DELETE" if body is None else "PUT",
    )
    urllib.request.urlopen(request).close()
