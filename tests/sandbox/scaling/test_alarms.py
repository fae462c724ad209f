"""Alarms are evaluated from the data there are, change their state, act, and leave a history."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.scaling.scaled_components import Scaling, eventually

from sandbox.context import Context
from sandbox.scaling import alarms as alarms_module
from sandbox.scaling.alarms import Alarms

DIMENSIONS = [{"Name": "Of", "Value": "test"}]


def put_alarm(scaling: Scaling, name: str, **members: Any) -> None:
    given = {
        "AlarmName": name,
        "Namespace": "Test",
        "MetricName": name,
        "Dimensions": DIMENSIONS,
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 10,
        "ComparisonOperator": "GreaterThanThreshold",
        **members,
    }
    scaling.cloudwatch.put_metric_alarm(
        **{member: value for member, value in given.items() if value is not None}
    )


def put(scaling: Scaling, name: str, *values: float) -> None:
    data = [{"MetricName": name, "Dimensions": DIMENSIONS, "Value": value} for value in values]
    scaling.cloudwatch.put_metric_data(Namespace="Test", MetricData=data)


def becomes(scaling: Scaling, name: str, state: str) -> dict[str, Any]:
    eventually(lambda: scaling.alarm(name)["StateValue"] == state, f"{name} {state}")
    return scaling.alarm(name)


def keeps_sending(scaling: Scaling, name: str, value: float, state: str) -> dict[str, Any]:
    """Put a value again and again until an alarm has a state, and return what the alarm is then.

    Each minute of this clock wants a value: after the last one the state lasts for two of them, 0.2 s, and a
    slow machine may look later.
    """

    def sent() -> dict[str, Any] | None:
        put(scaling, name, value)
        alarm = scaling.alarm(name)
        return alarm if alarm["StateValue"] == state else None

    return eventually(sent, f"{name} {state}")


def history(scaling: Scaling, name: str, **members: Any) -> list[str]:
    """Return the summaries of an alarm's history, the oldest first."""
    found = scaling.cloudwatch.describe_alarm_history(AlarmName=name, ScanBy="TimestampAscending", **members)
    return [item["HistorySummary"] for item in found["AlarmHistoryItems"]]


def test_a_new_alarm_has_insufficient_data(scaling: Scaling) -> None:
    put_alarm(scaling, "new", TreatMissingData="ignore")
    alarm = scaling.alarm("new")
    assert (alarm["StateValue"], alarm["StateReason"]) == (
        "INSUFFICIENT_DATA",
        "Unchecked: Initial alarm creation",
    )


def test_an_alarm_follows_its_metric_and_tells_why(scaling: Scaling) -> None:
    put_alarm(scaling, "follows")
    alarm = keeps_sending(scaling, "follows", 11, "ALARM")
    assert alarm["StateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [")
    assert "was greater than the threshold (10.0)" in alarm["StateReason"]
    data = json.loads(alarm["StateReasonData"])
    assert data["recentDatapoints"][0] > 10
    assert (data["threshold"], data["statistic"], data["period"]) == (10, "Sum", 60)
    becomes(scaling, "follows", "INSUFFICIENT_DATA")
    keeps_sending(scaling, "follows", 1, "OK")
    reported = history(scaling, "follows")
    assert reported[0] == 'Alarm "follows" created'
    assert reported[1].startswith("Alarm updated from INSUFFICIENT_DATA to")
    assert "Alarm updated from ALARM to INSUFFICIENT_DATA" in reported


def test_a_value_counts_once_for_each_of_two_alarms_on_one_metric(scaling: Scaling) -> None:
    """As the two alarms of a target tracking policy are."""
    for name in ("below", "beside"):
        put_alarm(scaling, name, MetricName="shared", TreatMissingData="ignore")
    put(scaling, "shared", 6)  # of 10
    eventually(lambda: scaling.alarm("below")["StateValue"] != "INSUFFICIENT_DATA")
    assert [scaling.alarm(name)["StateValue"] for name in ("below", "beside")] == ["OK", "OK"]


def test_another_set_of_dimensions_is_another_metric(scaling: Scaling) -> None:
    put_alarm(scaling, "mine")
    put_alarm(scaling, "other", MetricName="mine", Dimensions=[*DIMENSIONS, {"Name": "And", "Value": "x"}])
    keeps_sending(scaling, "mine", 11, "ALARM")
    assert scaling.alarm("other")["StateValue"] == "INSUFFICIENT_DATA"


def test_a_percentile_is_of_the_values(scaling: Scaling) -> None:
    values = [1.0] * 9 + [100.0]
    for name, percentile in (("p90", "p90"), ("p91", "p91")):
        put_alarm(scaling, name, MetricName="percentile", Statistic=None, ExtendedStatistic=percentile)

    def states() -> list[str] | None:
        put(scaling, "percentile", *values)
        found = [scaling.alarm(name)["StateValue"] for name in ("p90", "p91")]
        return found if "INSUFFICIENT_DATA" not in found else None

    assert eventually(states) == ["OK", "ALARM"]


def test_a_percentile_of_few_samples_keeps_the_state_if_asked_to(scaling: Scaling) -> None:
    members = {"Statistic": None, "ExtendedStatistic": "p90", "MetricName": "few"}
    put_alarm(scaling, "ignores", **members, EvaluateLowSampleCountPercentile="ignore")
    put_alarm(scaling, "evaluates", **members)
    eventually(lambda: put(scaling, "few", 11) or scaling.alarm("evaluates")["StateValue"] == "ALARM")
    assert scaling.alarm("ignores")["StateValue"] == "INSUFFICIENT_DATA"


def test_a_state_that_was_set_holds_until_the_next_evaluation(scaling: Scaling) -> None:
    put_alarm(scaling, "set", TreatMissingData="notBreaching")
    becomes(scaling, "set", "OK")
    scaling.cloudwatch.set_alarm_state(AlarmName="set", StateValue="ALARM", StateReason="a test")
    becomes(scaling, "set", "OK")
    reported = scaling.cloudwatch.describe_alarm_history(AlarmName="set", HistoryItemType="StateUpdate")
    assert [item["HistorySummary"] for item in reported["AlarmHistoryItems"]] == [
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from INSUFFICIENT_DATA to OK",
    ]
    data = json.loads(reported["AlarmHistoryItems"][1]["HistoryData"])
    assert data["newState"]["stateReason"] == "a test"


def test_a_value_counts_although_nothing_was_evaluated_for_long_after_it(scaling: Scaling) -> None:
    """A laptop that was closed, or had no time: the value is older than what the next evaluation looks at."""
    put_alarm(scaling, "late")
    put(scaling, "late", 11)
    os.kill(scaling.sandbox.pid, signal.SIGSTOP)
    time.sleep(1)  # ten minutes of this clock, and an alarm of one period looks at two
    os.kill(scaling.sandbox.pid, signal.SIGCONT)
    eventually(lambda: "Alarm updated from INSUFFICIENT_DATA to ALARM" in history(scaling, "late"))
    becomes(scaling, "late", "INSUFFICIENT_DATA")


def test_an_update_leaves_the_state_as_it_was(scaling: Scaling) -> None:
    put_alarm(scaling, "updated", TreatMissingData="breaching")
    becomes(scaling, "updated", "ALARM")
    put_alarm(scaling, "updated", TreatMissingData="ignore", Threshold=5)
    alarm = scaling.alarm("updated")
    assert (alarm["StateValue"], alarm["Threshold"]) == ("ALARM", 5)
    assert history(scaling, "updated")[-1] == 'Alarm "updated" updated'


def test_the_history_comes_in_pages(scaling: Scaling) -> None:
    for threshold in range(3):
        put_alarm(scaling, "pages", TreatMissingData="ignore", Threshold=threshold)
    first = scaling.cloudwatch.describe_alarm_history(AlarmName="pages", MaxRecords=2)
    rest = scaling.cloudwatch.describe_alarm_history(AlarmName="pages", NextToken=first["NextToken"])
    assert [len(each["AlarmHistoryItems"]) for each in (first, rest)] == [2, 1]
    later = datetime.now(UTC) + timedelta(hours=1)
    assert not scaling.cloudwatch.describe_alarm_history(StartDate=later)["AlarmHistoryItems"]


def test_the_history_of_a_deleted_alarm_stays(scaling: Scaling) -> None:
    put_alarm(scaling, "gone")
    scaling.cloudwatch.delete_alarms(AlarmNames=["gone", "never-was"])
    assert not scaling.cloudwatch.describe_alarms(AlarmNames=["gone"])["MetricAlarms"]
    assert history(scaling, "gone")[-1] == 'Alarm "gone" deleted'


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        (
            {
                "MetricName": None,
                "Namespace": None,
                "Statistic": None,
                "Period": None,
                "Dimensions": None,
                "Metrics": [{"Id": "a", "Expression": "b * 2"}],
            },
            "does not implement Metrics: it evaluates neither Metric Math",
        ),
        ({"Statistic": None, "ExtendedStatistic": "tm99"}, "does not evaluate the statistic tm99"),
        ({"ExtendedStatistic": "p90"}, "not both"),
        ({"Period": 45}, "Period must be 10, 20, 30 or a multiple of 60, not 45"),
        ({"Period": 3600, "EvaluationPeriods": 200}, "EvaluationPeriods times Period"),
        ({"DatapointsToAlarm": 2}, r"DatapointsToAlarm must be 1 to EvaluationPeriods \(1\), not 2"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "ComparisonOperator must be one of"),
        ({"TreatMissingData": "guess"}, "TreatMissingData must be one of"),
        ({"Threshold": None}, "Threshold is required"),
    ],
)
def test_an_alarm_that_would_never_be_evaluated_is_refused(
    scaling: Scaling, members: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ClientError, match=problem) as refused:
        put_alarm(scaling, "refused", **members)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert not scaling.cloudwatch.describe_alarms(AlarmNames=["refused"])["MetricAlarms"]


def test_an_action_that_is_not_run_is_reported(scaling: Scaling) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:topic"
    put_alarm(scaling, "acts", TreatMissingData="breaching", AlarmActions=[topic])
    put_alarm(scaling, "quiet", TreatMissingData="breaching", AlarmActions=[topic], ActionsEnabled=False)
    becomes(scaling, "acts", "ALARM")
    becomes(scaling, "quiet", "ALARM")
    reported = history(scaling, "acts", HistoryItemType="Action")
    assert reported == [f"Failed to execute action {topic}: the sandbox runs scaling policies only"]
    assert history(scaling, "quiet", HistoryItemType="Action") == []


def test_without_an_alarm_nothing_is_due(tmp_path: Any) -> None:
    evaluating = Alarms(Context(tmp_path), lambda *_: None, lambda: False)
    backend = alarms_module.backend("us-east-1")
    backend.alarms.clear()
    assert evaluating._next_due_s() is None
    alarm = backend.put_metric_alarm(
        name="due",
        namespace="Test",
        metric_name="due",
        comparison_operator="GreaterThanThreshold",
        evaluation_periods=1,
        period=60,
        threshold=1,
        statistic="Sum",
        description="",
        dimensions=[],
        alarm_actions=[],
    )
    evaluating.placed("us-east-1", alarm, None)
    assert evaluating._next_due_s() is not None
    assert alarms_module.in_alarm("us-east-1", ["due", "never-was"]) == []
    evaluating.set_state("us-east-1", alarm, "ALARM", "a test", {})
    assert alarms_module.in_alarm("us-east-1", ["due", "never-was"]) == ["due"]
    evaluating.delete("us-east-1", ["due"])
    assert evaluating._next_due_s() is None


def test_alarms_outlive_the_sandbox(scaling: Scaling) -> None:
    put_alarm(scaling, "kept/" + "long" * 40, Threshold=7, Tags=[{"Key": "of", "Value": "test"}])
    put_alarm(scaling, "quieted", TreatMissingData="ignore")
    scaling.cloudwatch.disable_alarm_actions(AlarmNames=["quieted"])
    scaling.cloudwatch.delete_alarms(AlarmNames=["new"])
    folder = scaling.sandbox.home / "resources/us-east-1/alarm"
    odd = {"name": "odd", "of_a_later_version": 1, "_kind": "alarm", "_region": "us-east-1", "_name": "0"}
    (folder / "0.json").write_text(json.dumps(odd), encoding="utf-8")
    scaling.sandbox.restart()
    put_alarm(scaling, "after")
    alarm = scaling.alarm("kept/" + "long" * 40)
    assert (alarm["Threshold"], alarm["Dimensions"], alarm["StateValue"]) == (
        7,
        DIMENSIONS,
        "INSUFFICIENT_DATA",
    )
    tags = scaling.cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
    assert tags == [{"Key": "of", "Value": "test"}]
    assert scaling.alarm("quieted")["ActionsEnabled"] is False
    assert not scaling.cloudwatch.describe_alarms(AlarmNames=["new"])["MetricAlarms"]
    assert "the alarm odd cannot be restored" in scaling.sandbox.log_path.read_text()
    keeps_sending(scaling, "mine", 11, "ALARM")


def test_each_state_has_its_own_actions(scaling: Scaling) -> None:
    actions = {"OKActions": ["arn:ok"], "AlarmActions": ["arn:alarm"]}
    actions["InsufficientDataActions"] = ["arn:no-data"]
    put_alarm(scaling, "of-states", AlarmDescription="설명", TreatMissingData="ignore", **actions)
    described = scaling.alarm("of-states")
    assert {name: described[name] for name in actions} == actions
    assert described["AlarmDescription"] == "설명"
    for state in ("OK", "ALARM", "INSUFFICIENT_DATA"):
        scaling.cloudwatch.set_alarm_state(AlarmName="of-states", StateValue=state, StateReason="test")
    ran = history(scaling, "of-states", HistoryItemType="Action")
    assert [summary.split(":", 1)[0] for summary in ran] == ["Failed to execute action arn"] * 3
    assert [summary.split(":")[1] for summary in ran] == ["ok", "alarm", "no-data"]


def test_an_alarm_with_a_unit_looks_at_data_of_that_unit_alone(scaling: Scaling) -> None:
    for unit in ("Seconds", "Count"):
        put_alarm(scaling, f"in-{unit}", MetricName="of-unit", Unit=unit)
    datum = {"MetricName": "of-unit", "Dimensions": DIMENSIONS, "Value": 11, "Unit": "Seconds"}

    def is_up() -> bool:
        scaling.cloudwatch.put_metric_data(Namespace="Test", MetricData=[datum])
        return scaling.alarm("in-Seconds")["StateValue"] == "ALARM"

    eventually(is_up, "the alarm of seconds")
    assert scaling.alarm("in-Count")["StateValue"] == "INSUFFICIENT_DATA"


def test_a_history_has_an_end_and_is_of_metric_alarms(scaling: Scaling) -> None:
    put_alarm(scaling, "dated")
    later, before = datetime.now(UTC) + timedelta(days=1), datetime.now(UTC) - timedelta(days=1)
    assert history(scaling, "dated", EndDate=later, AlarmTypes=["MetricAlarm"])[0].endswith("created")
    assert history(scaling, "dated", EndDate=before) == []
