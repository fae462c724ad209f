"""FilterLogEvents, which `aws logs tail` asks, with boto3."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

GROUP = "/news/jobs"


@pytest.fixture(scope="module")
def logs(sandbox: Any) -> Any:
    """A group in which the hosts of two jobs have written in turn."""
    client = sandbox.client("logs")
    client.create_log_group(logGroupName=GROUP)
    now_ms = int(time.time() * 1000)
    for stream, offsets in {"a/algo-1": (0, 20), "a/algo-2": (10, 30), "ab/algo-1": (5,)}.items():
        client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        events = [{"timestamp": now_ms + each, "message": f"{stream} {each}"} for each in offsets]
        client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)
    return client


def messages(logs: Any, **request: Any) -> list[str]:
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=GROUP, PaginationConfig={"PageSize": 2}, **request
    )
    return [event["message"] for page in pages for event in page["events"]]


def test_the_streams_of_a_prefix_come_in_the_order_of_time(logs: Any) -> None:
    ours = ["a/algo-1 0", "a/algo-2 10", "a/algo-1 20", "a/algo-2 30"]
    assert messages(logs, logStreamNamePrefix="a/") == ours
    assert messages(logs, logStreamNames=["a/algo-1", "a/algo-2"]) == ours
    assert messages(logs) == [ours[0], "ab/algo-1 5", *ours[1:]]
    assert messages(logs, logStreamNamePrefix="a/", filterPattern='"algo-2"') == ours[1::2]
    assert messages(logs, logStreamNamePrefix="none") == []


def test_names_and_a_prefix_or_no_group_are_refused(logs: Any) -> None:
    for request, code in (
        ({"logStreamNames": ["a/algo-1"], "logStreamNamePrefix": "a"}, "InvalidParameterException"),
        ({"logGroupName": "/none", "logStreamNamePrefix": "a"}, "ResourceNotFoundException"),
    ):
        with pytest.raises(ClientError) as error:
            logs.filter_log_events(**{"logGroupName": GROUP, **request})
        assert error.value.response["Error"]["Code"] == code
