"""Invocations, whole and as a stream, through boto3; limits in this process, where they can be short."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, EventStreamError
from tests.sandbox.hosting.endpoint_updates import eventually
from werkzeug.test import EnvironBuilder

from sandbox.hosting import runtime
from sandbox.iam.authorization import Authorization

CONSOLE = "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"


def see(name: str) -> str:
    group = f"/aws/sagemaker/Endpoints/{name}"
    return f" See {CONSOLE}#logEventViewer:group={group} in account 000000000000 for more information."


def events_of(hosting: Any, name: str, **asked: Any) -> Iterator[tuple[float, bytes]]:
    """Yield seconds since the call and bytes of every event."""
    started_s = time.monotonic()
    answer = hosting.runtime.invoke_endpoint_with_response_stream(EndpointName=name, Body=json.dumps(asked))
    for event in answer["Body"]:
        yield time.monotonic() - started_s, event["PayloadPart"]["Bytes"]


@pytest.mark.parametrize("body", [b"", b"x", "한글 🙂 漢字".encode(), bytes(range(256)) * 400])
def test_a_body_arrives_and_comes_back_byte_by_byte(hosting: Any, served: str, body: bytes) -> None:
    answer = hosting.runtime.invoke_endpoint(EndpointName=served, Body=body)
    assert answer["Body"].read() == body
    assert answer["InvokedProductionVariant"] == "AllTraffic"


def test_headers_go_to_the_container_and_come_back(hosting: Any, served: str) -> None:
    answer = hosting.runtime.invoke_endpoint(
        EndpointName=served,
        Body=json.dumps({"tell": 1}),
        ContentType="application/json",
        Accept="application/jsonlines",
        CustomAttributes="trace-1",
        InferenceId="id-1",
    )
    assert answer["ContentType"] == "application/jsonlines"
    assert json.loads(answer["Body"].read())["headers"] == {
        "Content-Type": "application/json",
        "Accept": "application/jsonlines",
        "X-Amzn-SageMaker-Custom-Attributes": "trace-1",
        "X-Amzn-SageMaker-Inference-Id": "id-1",
    }
    assert hosting.ask(served)["headers"]["Content-Type"] == "application/octet-stream"
    assert (
        hosting.runtime.invoke_endpoint(EndpointName=served, Body=b"x")["CustomAttributes"]
        == "from-container"
    )


@pytest.mark.parametrize(
    ("status", "side", "text"),
    [
        (422, "client", '{"error":"입력이 깁니다","error_type":"validation"}'),
        (500, "server", ""),
        (503, "server", "busy"),
    ],
)
def test_an_error_of_the_container_is_a_model_error_in_the_words_of_aws(
    hosting: Any, served: str, status: int, side: str, text: str
) -> None:
    for call in (hosting.runtime.invoke_endpoint, hosting.runtime.invoke_endpoint_with_response_stream):
        with pytest.raises(hosting.runtime.exceptions.ModelError) as raised:
            call(EndpointName=served, Body=json.dumps({"status": status, "text": text}))
        response = raised.value.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
        assert response["Error"]["Message"] == (
            f'Received {side} error ({status}) from primary with message "{text}".{see(served)}'
        )
        assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (status, text)
        assert response["LogStreamArn"].endswith(f":log-group:/aws/sagemaker/Endpoints/{served}")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"EndpointName": "none"}, "Endpoint none of account 000000000000 not found."),
        ({"TargetVariant": "none"}, "Variant none not found in endpoint"),
        ({"InferenceComponentName": "c"}, "Inference Component Name header is not allowed for endpoints"),
        ({"TargetModel": "m.tar.gz"}, "The sandbox does not implement TargetModel"),
        ({"SessionId": "NEW_SESSION"}, "The sandbox does not implement SessionId"),
        ({"PrefixAwareId": "a"}, "does not implement PrefixAwareId: it does not look at what a request"),
        ({"CustomAttributes": "x" * 1025}, "customAttributes.*less than or equal to 1024"),
        ({"TargetVariant": "a_b"}, "targetVariant.*regular expression"),
    ],
)
def test_what_cannot_be_is_a_validation_error(
    hosting: Any, served: str, members: dict[str, str], message: str
) -> None:
    with pytest.raises(hosting.runtime.exceptions.ValidationError, match=message) as raised:
        hosting.runtime.invoke_endpoint(**{"EndpointName": served, "Body": b"x", **members})
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_an_asynchronous_invocation_is_refused_by_its_name(hosting: Any, served: str) -> None:
    with pytest.raises(ClientError, match="does not implement InvokeEndpointAsync"):
        hosting.runtime.invoke_endpoint_async(EndpointName=served, InputLocation="s3://b/c")


def test_25_mib_are_taken_and_a_byte_more_is_not(hosting: Any, served: str) -> None:
    body = b"x" * (25 << 20)
    assert hosting.runtime.invoke_endpoint(EndpointName=served, Body=body)["Body"].read() == body
    with pytest.raises(ClientError, match=r"\(413\).*HTTP content length exceeded 26214400 bytes"):
        hosting.runtime.invoke_endpoint(EndpointName=served, Body=body + b"x")
    assert hosting.runtime.invoke_endpoint(EndpointName=served, Body=b"y")["Body"].read() == b"y"


def test_other_paths_and_methods_of_the_runtime_are_not_found(hosting: Any, served: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(hosting.sandbox.url).netloc, timeout=300)
    for method, path in (("GET", f"/endpoints/{served}/invocations"), ("POST", f"/endpoints/{served}/x/y")):
        connection.request(method, path)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("x-amzn-ErrorType")) == (404, "UnknownOperationException")
        answer.read()
    connection.close()


def test_weights_share_the_requests_and_a_target_decides(hosting: Any) -> None:
    name = hosting.deploy(
        variants=(
            {"VariantName": "A", "InitialVariantWeight": 3},
            {"VariantName": "B", "InitialVariantWeight": 1},
            {"VariantName": "C", "InitialVariantWeight": 0},
        )
    )
    call = hosting.runtime.invoke_endpoint
    chosen = [call(EndpointName=name, Body=b"x")["InvokedProductionVariant"] for _ in range(400)]
    assert 250 < chosen.count("A") < 350
    assert chosen.count("C") == 0
    assert call(EndpointName=name, Body=b"x", TargetVariant="C")["InvokedProductionVariant"] == "C"
    hosting.delete(name)


def test_64_requests_at_once_are_all_answered_over_few_connections(hosting: Any, served: str) -> None:
    def invoke(number: int) -> bool:
        body = json.dumps({"sleep_s": 0.2, "number": number}).encode()
        return hosting.runtime.invoke_endpoint(EndpointName=served, Body=body)["Body"].read() == body

    with ThreadPoolExecutor(64) as pool:
        assert all(pool.map(invoke, range(192)))
    assert hosting.ask(served)["num_threads"] < 80  # the connections were kept, not opened for each


def test_a_stream_is_passed_on_as_it_comes(hosting: Any, served: str) -> None:
    chunks = [["첫 ", 0], ["둘 🙂", 0.3], ["셋", 0.3], ["x" * 100_000, 0]]
    events = list(events_of(hosting, served, chunks=chunks))
    assert b"".join(content for _, content in events).decode() == "".join(data for data, _ in chunks)
    assert events[0][0] < 0.25
    assert 0.3 <= events[1][0] < 0.55


def test_a_stream_says_who_answers_and_with_what(hosting: Any, served: str) -> None:
    answer = hosting.runtime.invoke_endpoint_with_response_stream(
        EndpointName=served, Body=b'{"chunks": []}', TargetVariant="AllTraffic", CustomAttributes="x"
    )
    assert answer["ContentType"] == "text/event-stream"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert list(answer["Body"]) == []


OPENAI = (
    'data: {"choices":[{"delta":{"role":"assistant","content":""},"index":0}]}\n\n'
    'data: {"choices":[{"delta":{"content":"요약 🙂"},"index":0}]}\r\n\r\n'
    ": keep-alive\n\n"
    "data: [DONE]\n\n"
)
JSON_LINES = (
    '{"token": {"id": 1, "text": "요약 🙂"}}\n{"token": {"id": 2, "text": ""}, "generated_text": "요약"}\n'
)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/event-stream; charset=utf-8", OPENAI.encode()),
        ("application/jsonlines", JSON_LINES.encode()),
        ("application/octet-stream", bytes(range(256))),
    ],
)
@pytest.mark.parametrize("num_bytes", [1, 7, 10_000])
def test_a_stream_keeps_type_and_bytes_in_every_dialect_wherever_it_is_cut(
    hosting: Any, served: str, content_type: str, body: bytes, num_bytes: int
) -> None:
    text = body.decode("latin-1")  # a character a byte
    chunks = [[text[start : start + num_bytes], 0] for start in range(0, len(text), num_bytes)]
    asked = {"chunks": chunks, "stream_type": content_type, "encoding": "latin-1"}
    answer = hosting.runtime.invoke_endpoint_with_response_stream(EndpointName=served, Body=json.dumps(asked))
    assert answer["ContentType"] == content_type
    assert b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]) == body


def test_an_answer_that_is_no_stream_comes_as_a_stream_too(hosting: Any, served: str) -> None:
    assert b"".join(content for _, content in events_of(hosting, served, text="whole")) == b"whole"
    assert list(events_of(hosting, served, text="")) == []


def test_a_container_that_dies_in_the_middle_ends_the_stream_with_an_error(hosting: Any) -> None:
    name = hosting.deploy()
    events = events_of(hosting, name, chunks=[["first", 0], ["DIE", 0]])
    assert next(events)[1] == b"first"
    with pytest.raises(EventStreamError, match=r"ModelStreamError.*closed the connection"):
        next(events)
    hosting.delete(name)


def test_a_reader_that_goes_away_is_noticed_by_the_container(hosting: Any, served: str) -> None:
    answer = hosting.runtime.invoke_endpoint_with_response_stream(
        EndpointName=served, Body=json.dumps({"chunks": [["x", 0], *[["y", 0.05]] * 200]})
    )
    next(iter(answer["Body"]))
    assert hosting.ask(served)["num_open_streams"] == 1
    answer["Body"].close()
    deadline_s = time.monotonic() + 300
    while hosting.ask(served)["num_open_streams"] and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert hosting.ask(served)["num_open_streams"] == 0


def test_a_reader_that_goes_away_is_noticed_while_the_container_is_silent(here: Any) -> None:
    here()
    ours, readers = socket.socketpair()
    with ours, readers:
        _, _, answer = call_here("invocations-response-stream", {"chunks": [["x", 0], ["y", 600]]}, ours)
        parts = iter(answer)
        assert next(parts) == b""
        assert b"x" in next(parts)
        readers.close()
        assert list(parts) == []  # and not what the container says at last


def test_a_container_that_ends_is_started_again_and_meanwhile_requests_are_model_errors(hosting: Any) -> None:
    name = hosting.deploy()
    pid = hosting.ask(name)["pid"]
    for body in (b'{"die": true}', b"x"):
        with pytest.raises(hosting.runtime.exceptions.ModelError) as raised:
            hosting.runtime.invoke_endpoint(EndpointName=name, Body=body)
        assert raised.value.response["OriginalStatusCode"] == 0
        assert f"could not get a response from the {name} endpoint" in str(raised.value)
    deadline_s = time.monotonic() + 300
    while True:
        try:
            again = hosting.ask(name)["pid"]
            break
        except hosting.runtime.exceptions.ModelError:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
    assert again != pid
    assert hosting.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    ((_, lines),) = hosting.log_lines(name).items()
    assert [line for line in lines if line.startswith("[sandbox]")] == [
        "[sandbox] the server process ended with exit status 3; it starts again in 1 s",
        "[sandbox] the server process is healthy again",
    ]
    hosting.delete(name)


def test_the_other_instance_answers_while_one_is_started_again(hosting: Any) -> None:
    name = hosting.deploy(variants=({"InitialInstanceCount": 2},))
    before: set[int] = set()
    while len(before) < 2:
        before.add(hosting.ask(name)["pid"])
    with pytest.raises(hosting.runtime.exceptions.ModelError):
        hosting.runtime.invoke_endpoint(EndpointName=name, Body=b'{"die": true}')
    eventually(lambda: "starts again" in str(hosting.log_lines(name)))  # its end has been noticed
    answered = [hosting.ask(name)["pid"] for _ in range(20)]  # none of them is an error
    assert len(before & set(answered)) == 1
    hosting.delete(name)


def test_invocations_are_counted_in_cloudwatch(hosting: Any) -> None:
    name = hosting.deploy()
    began_s = time.monotonic()
    for status in (200, 200, 404, 500):
        try:
            hosting.runtime.invoke_endpoint(
                EndpointName=name, Body=json.dumps({"status": status, "sleep_s": 0.01})
            )
        except hosting.runtime.exceptions.ModelError:
            continue
    list(events_of(hosting, name, chunks=[["x", 0]]))
    lasted_us = 1e6 * (time.monotonic() - began_s)
    watch = hosting.sandbox.client("cloudwatch")

    def statistics(metric: str) -> dict[str, float]:
        found = watch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": name},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            StartTime=time.time() - 300,
            EndTime=time.time() + 60,
            Period=3600,
            Statistics=["Sum", "SampleCount", "Minimum", "Maximum"],
        )["Datapoints"]
        assert len(found) <= 1
        return found[0] if found else {"Sum": 0, "SampleCount": 0}

    deadline_s = time.monotonic() + 300
    while statistics("Invocations")["Sum"] < 5 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert statistics("Invocations")["Sum"] == statistics("Invocations")["SampleCount"] == 5
    assert statistics("Invocation4XXErrors")["Sum"] == statistics("Invocation5XXErrors")["Sum"] == 1
    assert statistics("Invocation4XXErrors")["SampleCount"] == 5
    latency = statistics("ModelLatency")
    assert latency["SampleCount"] == 5
    assert latency["Sum"] > 4 * 10_000  # also of the requests that the container refused
    overhead = statistics("OverheadLatency")
    assert overhead["Minimum"] > 0
    assert latency["Sum"] + overhead["Sum"] < lasted_us
    hosting.delete(name)


NOBODY_ASKED = Authorization(Path(os.devnull))
"""Allows everything, and keeps no notes."""


def call_here(path: str, body: Any, client: socket.socket | None = None) -> tuple[str, dict[str, str], Any]:
    """Call the runtime in this process; returns status, headers and body."""
    builder = EnvironBuilder(f"/endpoints/here/{path}", method="POST", data=json.dumps(body).encode())
    environ = {**builder.get_environ(), "werkzeug.socket": client}
    started: list[Any] = []
    answer = runtime.invoke(NOBODY_ASKED, environ, lambda *args: started.extend(args))
    return started[0], dict(started[1]), answer


def test_a_request_that_takes_too_long_is_a_model_error(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert here().reason is None
    assert runtime.TIMEOUT_S == 60
    monkeypatch.setattr(runtime, "TIMEOUT_S", 0.3)
    status, headers, answer = call_here("invocations", {"sleep_s": 60})
    assert (status[:3], headers["x-amzn-ErrorType"]) == ("424", "ModelError")
    body = json.loads(b"".join(answer))
    assert body["OriginalStatusCode"] == 0
    assert body["Message"].startswith(
        'Received server error (0) from primary with message "Your invocation timed out while waiting for a'
        " response from container primary. Review the latency metrics for each container in Amazon"
        ' CloudWatch, resolve the issue, and try again.". See https://'
    )
    monkeypatch.setattr(runtime, "TIMEOUT_S", 60)
    assert call_here("invocations", {"text": "next"})[0] == "200 OK"


def test_a_body_that_trickles_past_the_limit_is_late_too(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here()
    monkeypatch.setattr(runtime, "TIMEOUT_S", 0.4)
    status, _, answer = call_here("invocations", {"chunks": [["x", 0.1]] * 10})
    assert status[:3] == "424"
    assert "timed out" in json.loads(b"".join(answer))["Message"]


def test_a_stream_that_takes_too_long_ends_with_its_error(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here()
    assert runtime.STREAM_TIMEOUT_S == 480
    monkeypatch.setattr(runtime, "STREAM_TIMEOUT_S", 1)
    chunks = [["in time", 0], ["too late", 60]]
    status, _, answer = call_here("invocations-response-stream", {"chunks": chunks})
    assert status == "200 OK"
    head, first, last = answer
    assert head == b""  # it leaves before the first chunk is there
    assert b"in time" in first
    assert b"ModelInvocationTimeExceeded" in last


def test_a_health_check_has_its_time_and_no_more(here: Any) -> None:
    running = here(environment={"PING_STATUS": "503"}, startup_timeout_s=0.5)
    assert "did not pass the ping health check" in running.reason


def test_restarts_wait_longer_and_longer(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sandbox.hosting import instance

    monkeypatch.setattr(instance, "BACKOFF_S", (0.01, 0.02, 0.03))
    running = here()
    (only,) = running.variants["AllTraffic"].copies
    lines: list[str] = []
    monkeypatch.setattr(only, "write", lines.append)
    seen = threading.Event()
    for number in range(4):
        deadline_s = time.monotonic() + 300
        while not only.is_healthy and time.monotonic() < deadline_s:
            seen.wait(0.01)
        call_here("invocations", {"die": True})
        while len([line for line in lines if "starts again" in line]) <= number:
            assert time.monotonic() < deadline_s
            seen.wait(0.01)
    assert [line.rsplit(" in ")[1] for line in lines if "starts again" in line] == [
        "0.01 s", "0.02 s", "0.03 s", "0.03 s",
    ]  # fmt: skip
