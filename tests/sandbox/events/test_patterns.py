"""A pattern matches what EventBridge's guide says of it, and one that says nothing is refused."""

from __future__ import annotations

import json
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.api.errors import AwsError
from sandbox.events import alarm_events, patterns

from .conftest import Events, pattern


def alarm(**members: Any) -> SimpleNamespace:
    given = {
        "name": "drift",
        "alarm_arn": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:drift",
        "description": None,
        "namespace": "news",
        "metric_name": "BadAnswers",
        "dimensions": [SimpleNamespace(name="EndpointName", value="e")],
        "period": 60,
        "statistic": "Maximum",
        "extended_statistic": None,
        "unit": None,
        "state_value": "ALARM",
        "state_reason": "Threshold Crossed",
        "state_reason_data": '{"version": "1.0"}',
        "state_updated_timestamp": datetime(2026, 11, 29, 12, 0, 1, 234567),
    }
    return SimpleNamespace(**{**given, **members})


def event() -> dict[str, Any]:
    before = alarm_events.state_of(alarm(state_value="OK", state_reason_data="{}"))
    return alarm_events.state_change("us-east-1", alarm(), before)


def of_metric(stat: dict[str, Any]) -> dict[str, Any]:
    return {"detail": {"configuration": {"metrics": {"metricStat": stat}}}}


def test_the_event_of_an_alarm_has_what_cloudwatch_documents_of_it() -> None:
    given = event()
    assert given.pop("id") != event()["id"]
    metrics = given["detail"]["configuration"].pop("metrics")
    assert metrics == event()["detail"]["configuration"]["metrics"], "of one alarm it is always the same"
    assert given == {
        "version": "0",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "000000000000",
        "time": "2026-11-29T12:00:01Z",
        "region": "us-east-1",
        "resources": ["arn:aws:cloudwatch:us-east-1:000000000000:alarm:drift"],
        "detail": {
            "alarmName": "drift",
            "configuration": {},
            "previousState": {
                "value": "OK",
                "reason": "Threshold Crossed",
                "timestamp": "2026-11-29T12:00:01.234+0000",
            },
            "state": {
                "value": "ALARM",
                "reason": "Threshold Crossed",
                "reasonData": '{"version": "1.0"}',
                "timestamp": "2026-11-29T12:00:01.234+0000",
            },
        },
    }
    (measured,) = metrics
    assert measured["returnData"] is True
    assert measured["metricStat"] == {
        "metric": {"namespace": "news", "name": "BadAnswers", "dimensions": {"EndpointName": "e"}},
        "period": 60,
        "stat": "Maximum",
    }


@pytest.mark.parametrize(
    ("given", "is_match"),
    [
        (pattern("drift", "ALARM"), True),
        (pattern("drift", "ALARM", "OK"), True),
        (pattern("drift", "OK"), False),
        (pattern("other", "ALARM"), False),
        ({"detail": {"alarmName": [{"prefix": "dr"}]}}, True),
        ({"detail": {"alarmName": [{"prefix": {"equals-ignore-case": "DR"}}]}}, True),
        ({"detail": {"alarmName": [{"suffix": "x"}]}}, False),
        ({"detail": {"alarmName": [{"wildcard": "d*t"}]}}, True),
        ({"detail": {"alarmName": [{"equals-ignore-case": "DRIFT"}]}}, True),
        ({"detail": {"previousState": {"value": [{"anything-but": "ALARM"}]}}}, True),
        ({"detail": {"alarmName": [{"anything-but": {"prefix": "dr"}}]}}, False),
        ({"detail": {"configuration": {"description": [{"exists": False}]}}}, True),
        ({"$or": [{"account": ["1"]}, {"region": ["us-east-1"]}]}, True),
        ({"resources": ["arn:aws:cloudwatch:us-east-1:000000000000:alarm:drift"]}, True),
        # into a list of objects, as the metrics of an alarm are
        (of_metric({"period": [{"numeric": [">", 30]}]}), True),
        (of_metric({"metric": {"namespace": ["news"]}}), True),
        (of_metric({"metric": {"namespace": ["no"]}}), False),
    ],
)  # fmt: skip
def test_a_pattern_matches_what_it_says(given: dict[str, Any], is_match: bool) -> None:
    text = json.dumps(given)
    patterns.read(text)
    assert patterns.matches(text, event()) is is_match


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Invalid JSON"),
        ("[]", "not an object"),
        ("{}", "empty"),
        ('{"source": "aws.cloudwatch"}', "must be an object or an array"),
        ('{"source": []}', "Empty arrays"),
        ('{"detail": {}}', "empty object"),
        ('{"source": [["a"]]}', "array in an array"),
        ('{"source": [{"prefiks": "a"}]}', "Unrecognized match type prefiks"),
        ('{"source": [{"prefix": "a", "suffix": "b"}]}', "Unrecognized match type"),
        ('{"source": [{"prefix": 1}]}', "prefix of 'source'"),
        ('{"source": [{"numeric": [">", "1"]}]}', "numeric of 'source'"),
        ('{"source": [{"exists": "yes"}]}', "exists of 'source'"),
        ('{"source": [{"anything-but": {"numeric": [">", 1]}}]}', "anything-but of 'source'"),
        ('{"$or": [{"source": ["a"]}]}', "at least two"),
        ('{"source": ["aws.sagemaker"]}', "sends no such events"),
        ('{"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm Configuration Change"]}',
         "sends no such events"),
    ],
)  # fmt: skip
def test_a_pattern_that_is_wrong_or_would_never_match_is_refused(text: str, reason: str) -> None:
    with pytest.raises(AwsError) as error:
        patterns.read(text)
    assert error.value.code == "InvalidEventPatternException"
    assert error.value.message.startswith("Event pattern is not valid. Reason: ")
    assert reason in error.value.message


def test_a_pattern_is_tried_on_an_event(events: Events) -> None:
    for name, is_match in (("drift", True), ("other", False)):
        answer = events.events.test_event_pattern(
            EventPattern=json.dumps(pattern(name, "ALARM")), Event=json.dumps(event())
        )
        assert answer["Result"] is is_match
