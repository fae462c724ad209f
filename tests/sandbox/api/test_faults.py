"""Faults that are asked for happen to the next calls, and to no others."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.api.faults import ASYNCHRONOUS, KINDS, Faults


def control(sandbox, method: str, body: Any = None) -> list[dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{sandbox.url}/_sandbox/faults", data, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["faults"]


def test_a_fault_happens_as_often_as_asked_in_the_order_asked(sandbox) -> None:
    client = sandbox.client("sagemaker")
    control(sandbox, "PUT", {"operation": "ListModels", "fault": "AccessDenied", "count": 2})
    control(sandbox, "PUT", {"operation": "ListModels", "fault": "ResourceLimitExceeded"})
    for code in ("AccessDeniedException", "AccessDeniedException", "ResourceLimitExceeded"):
        with pytest.raises(ClientError, match=f"{code}.*ListModels"):
            client.list_models()
        client.list_endpoint_configs()  # another operation is left alone
    client.list_models()
    assert control(sandbox, "GET") == []


def test_faults_can_be_listed_and_cleared(sandbox) -> None:
    left = control(sandbox, "PUT", {"operation": "CreateEndpoint", "fault": "SlowStart", "delay_s": 2})
    assert left == [{"operation": "CreateEndpoint", "fault": "SlowStart", "count": 1, "delay_s": 2}]
    assert control(sandbox, "GET") == left
    assert control(sandbox, "DELETE") == []


@pytest.mark.parametrize(
    "request_",
    [
        {"operation": "CreateEverything", "fault": "AccessDenied"},
        {"operation": "CreateEndpoint", "fault": "Fire"},
        {"operation": "CreateEndpoint", "fault": "SpotInterruption"},
        {"operation": "CreateEndpoint", "fault": "InternalServerError"},
        {"operation": "CreateEndpoint", "fault": "SlowStart", "delay_s": -1},
        {"operation": "CreateEndpoint", "fault": "SlowStart", "delay_s": "1"},
        {"operation": "CreateEndpoint", "fault": "SlowStart", "count": 0},
        {"operation": "CreateEndpoint", "fault": "SlowStart", "count": True},
        {"operation": "CreateEndpoint", "fault": "SlowStart", "colour": "red"},
        {"operation": "CreateEndpoint"},
        {"operation": ["CreateEndpoint"], "fault": "SlowStart"},
        ["CreateEndpoint"],
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(sandbox, request_: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        control(sandbox, "PUT", request_)
    assert caught.value.code == 400
    assert "expected" in json.load(caught.value)["message"]
    assert control(sandbox, "GET") == []


def test_faults_of_what_a_call_starts_wait_for_it() -> None:
    faults = Faults()
    for kind in ASYNCHRONOUS:
        faults.add({"operation": "CreateEndpoint", "fault": kind})
    faults.raise_for("CreateEndpoint", region="us-east-1")
    assert faults.take("CreateTrainingJob", *KINDS) is None
    assert faults.take("CreateEndpoint", "SlowStart").fault == "SlowStart"
    assert [fault["fault"] for fault in faults.listed()] == [
        kind for kind in ASYNCHRONOUS if kind != "SlowStart"
    ]
