"""OpenAI's own client on endpoints and inference components, with the token that SageMaker's SDK makes."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import time
from base64 import b64decode
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import pytest
from botocore.exceptions import ClientError
from sagemaker.core.token_generator import generate_token
from tests.sandbox.hosting.components import Components
from tests.sandbox.hosting.endpoint_updates import eventually
from tests.sandbox.hosting.test_adapters import adapter_of, put_light
from tests.sandbox.hosting.test_data_capture import BUCKET, captured, records
from tests.sandbox.hosting.test_runtime import NOBODY_ASKED, see
from werkzeug.test import EnvironBuilder

from sandbox.hosting import runtime

MESSAGES = [{"role": "user", "content": "요약해 주세요 🙂"}]
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "news",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "요약 🙂"}}
    ],
}


def event(content: str) -> str:
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "news"}
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return f"data: {json.dumps(chunk | {'choices': [choice]}, ensure_ascii=False)}\n\n"


DONE = "data: [DONE]\n\n"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sample")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sample")


def door(hosting: Any, name: str, component: str | None = None, region: str = "us-east-1") -> openai.OpenAI:
    """Return OpenAI's client on an endpoint, or on one of its components."""
    return openai.OpenAI(
        base_url=url_of(hosting, name, component),
        api_key=generate_token(region=region),
        max_retries=0,
        timeout=300,
    )


def url_of(hosting: Any, name: str, component: str | None = None) -> str:
    below = f"/inference-components/{component}" if component else ""
    return f"{hosting.runtime.meta.endpoint_url}/endpoints/{name}{below}/openai/v1"


def chat(client: openai.OpenAI, *, stream: bool = False, headers: Any = None, **asked: Any) -> Any:
    """Chat with the test container, which does what it is asked for and answers ANSWER if for nothing."""
    asked = asked or {"text": json.dumps(ANSWER)}
    return client.chat.completions.create(
        model="", messages=MESSAGES, stream=stream, extra_body=asked, extra_headers=headers
    )


def told(client: openai.OpenAI, **members: Any) -> dict[str, Any]:
    """Return what the test container reports of the request and of itself."""
    return chat(client, tell=1, **members).model_extra


def test_openais_client_chats_as_it_is(hosting: Any, served: str) -> None:
    with door(hosting, served) as client:
        assert chat(client).choices[0].message.content == "요약 🙂"
        raw = client.chat.completions.with_raw_response.create(model="", messages=MESSAGES)
    assert json.loads(raw.content) == {"model": "", "messages": MESSAGES}, "the body arrives as it was sent"
    assert raw.headers["Content-Type"] == "application/json"
    assert raw.headers["x-Amzn-Invoked-Production-Variant"] == "AllTraffic"


def test_the_container_is_asked_at_its_own_path_and_gets_no_token(hosting: Any, served: str) -> None:
    with door(hosting, served) as client:
        reported = told(client)
    assert reported["path"] == "/v1/chat/completions"
    assert reported["headers"]["Content-Type"] == "application/json"
    assert reported["authorization"] is None


def test_a_key_may_be_made_anew_for_every_request(hosting: Any, served: str) -> None:
    made = []

    def key() -> str:
        made.append(generate_token(region="us-east-1", expiry=timedelta(seconds=30)))
        return made[-1]

    class SageMakerAuth(httpx2.Auth):
        """AWS's pattern for programs that run longer than a token is valid."""

        def auth_flow(self, request: Any) -> Any:
            request.headers["Authorization"] = f"Bearer {key()}"
            yield request

    with openai.OpenAI(base_url=url_of(hosting, served), api_key=key, max_retries=0) as client:
        assert [chat(client).id for _ in range(2)] == ["chatcmpl-1"] * 2
    assert len(made) == 2
    shared = httpx2.Client(auth=SageMakerAuth())
    given = {"api_key": "unused", "http_client": shared, "max_retries": 0}
    with openai.OpenAI(base_url=url_of(hosting, served), **given) as client:
        assert chat(client).id == "chatcmpl-1"
    assert len(made) == 3


@pytest.mark.parametrize("cut", [7, 10_000])
def test_events_come_through_unframed_byte_by_byte(hosting: Any, served: str, cut: int) -> None:
    body = event("첫 ") + ": keep-alive\n\n" + event("둘 🙂") + DONE
    raw = body.encode().decode("latin-1")  # a character a byte
    chunks = [[raw[start : start + cut], 0] for start in range(0, len(raw), cut)]
    with door(hosting, served) as client:
        answer = client.chat.completions.with_streaming_response.create(
            model="", messages=MESSAGES, stream=True, extra_body={"chunks": chunks, "encoding": "latin-1"}
        )
        with answer as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            assert b"".join(response.iter_bytes()) == body.encode()


def test_a_piece_comes_while_the_container_still_answers(hosting: Any) -> None:
    name = hosting.deploy()
    with door(hosting, name) as client:
        stream = chat(client, stream=True, chunks=[[event("첫"), 0], [event("둘"), 600]])
        assert next(stream).choices[0].delta.content == "첫"
        assert hosting.ask(name)["num_open_streams"] == 1
        stream.close()
    hosting.delete(name)


def test_the_asynchronous_client_chats_and_streams(hosting: Any, served: str) -> None:
    async def both() -> tuple[str, list[str]]:
        key = generate_token(region="us-east-1", expiry=timedelta(minutes=5))
        async with openai.AsyncOpenAI(base_url=url_of(hosting, served), api_key=key, timeout=300) as client:
            asked = {"text": json.dumps(ANSWER)}
            one = await client.chat.completions.create(model="", messages=MESSAGES, extra_body=asked)
            asked = {"chunks": [[event("하나"), 0], [DONE, 0]]}
            stream = await client.chat.completions.create(
                model="", messages=MESSAGES, stream=True, extra_body=asked
            )
            return one.choices[0].message.content, [chunk.choices[0].delta.content async for chunk in stream]

    assert asyncio.run(both()) == ("요약 🙂", ["하나"])


def test_lines_of_json_come_through_too(hosting: Any, served: str) -> None:
    chunks = [['{"a": 1}\n', 0], ['{"a": 2}\n', 0]]
    asked = {"chunks": chunks, "stream_type": "application/jsonlines"}
    with door(hosting, served) as client:
        raw = client.chat.completions.with_raw_response.create(model="", messages=MESSAGES, extra_body=asked)
    assert raw.headers["Content-Type"] == "application/jsonlines"
    assert raw.content == b'{"a": 1}\n{"a": 2}\n'


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_of_the_container_has_its_status_and_quotes_its_body(
    hosting: Any, served: str, status: int, kind: type[openai.APIStatusError], stream: bool
) -> None:
    text = '{"error":{"message":"입력이 깁니다","code":400}}'
    with door(hosting, served) as client, pytest.raises(kind) as raised:
        chat(client, stream=stream, status=status, text=text)
    side = "client" if status < 500 else "server"
    assert raised.value.status_code == status
    assert raised.value.response.json() == {
        "error": {
            "message": f'Received {side} error ({status}) from primary with message "{text}".{see(served)}',
            "type": "server_error",
            "code": "model_error",
        }
    }


def test_openais_client_repeats_what_it_may_repeat(hosting: Any, served: str) -> None:
    client = door(hosting, served).with_options(max_retries=1)
    with client, pytest.raises(openai.RateLimitError):
        chat(client, status=429, print="asked again")
    lines = [line for lines in hosting.log_lines(served).values() for line in lines]
    assert lines.count("asked again") == 2


@pytest.mark.parametrize(
    ("component", "headers", "message"),
    [
        (None, {"X-Amzn-SageMaker-Target-Variant": "none"}, "Variant none not found in endpoint"),
        ("any", None, "Inference Component Name header is not allowed for endpoints"),
        (None, {"X-Amzn-SageMaker-Inference-Component": "c"}, "not allowed on this path; name the component"),
        (None, {"X-Amzn-SageMaker-Session-Id": "NEW_SESSION"}, "does not implement SessionId"),
    ],
)
def test_what_cannot_be_is_a_validation_error_in_openais_envelope(
    hosting: Any, served: str, component: str | None, headers: Any, message: str
) -> None:
    with door(hosting, served, component) as client, pytest.raises(openai.BadRequestError) as raised:
        chat(client, headers=headers)
    assert message in raised.value.body["message"]
    assert (raised.value.type, raised.value.code) == ("invalid_request_error", "validation_error")


def test_an_endpoint_that_is_not_there_is_named_as_aws_names_it(hosting: Any) -> None:
    with door(hosting, "none") as client, pytest.raises(openai.BadRequestError) as raised:
        chat(client)
    assert raised.value.body == {
        "message": "Endpoint none of account 000000000000 not found.",
        "type": "invalid_request_error",
        "code": "validation_error",
    }


def test_a_token_of_another_region_or_an_expired_one_opens_nothing(hosting: Any, served: str) -> None:
    wrong = r"valid region, not 'eu-west-1'; this one is us-east-1\."
    client = door(hosting, served, region="eu-west-1")
    with client, pytest.raises(openai.PermissionDeniedError, match=wrong):
        chat(client)
    client = openai.OpenAI(
        base_url=url_of(hosting, served),
        api_key=generate_token(region="us-east-1", expiry=timedelta(seconds=1)),
        max_retries=0,
    )
    time.sleep(1.1)
    with client, pytest.raises(openai.PermissionDeniedError, match="Bearer Token has expired"):
        chat(client)


def test_a_signed_request_is_refused_here(hosting: Any, served: str) -> None:
    def to_the_door(request: Any, **_: Any) -> None:
        request.url = request.url.replace("/invocations", "/openai/v1/chat/completions")

    events = hosting.runtime.meta.events
    events.register_first("before-sign.*", to_the_door)
    try:
        with pytest.raises(ClientError) as raised:
            hosting.runtime.invoke_endpoint(EndpointName=served, Body=b"{}")
    finally:
        events.unregister("before-sign.*", to_the_door)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.models.list(),
        lambda client: client.completions.create(model="", prompt="x"),
        lambda client: client.embeddings.create(model="", input="x"),
        lambda client: client.responses.create(model="", input="x"),
        lambda client: client.get("/chat/completions", cast_to=object),
        lambda client: client.get("", cast_to=object),
    ],
)
def test_what_aws_does_not_document_is_refused_by_name(hosting: Any, served: str, ask: Any) -> None:
    refusal = r"found (GET|POST) /[a-z/]* below /openai/v1; .* offers POST /chat/completions alone"
    with door(hosting, served) as client, pytest.raises(openai.NotFoundError, match=refusal):
        ask(client)


def test_a_variant_can_be_chosen(hosting: Any) -> None:
    name = hosting.deploy(
        variants=({"VariantName": "A"}, {"VariantName": "B", "InitialVariantWeight": 0}),
    )
    with door(hosting, name) as client:
        raw = client.chat.completions.with_raw_response
        given = {"model": "", "messages": MESSAGES}
        chosen = raw.create(**given, extra_headers={"X-Amzn-SageMaker-Target-Variant": "B"})
        assert chosen.headers["x-Amzn-Invoked-Production-Variant"] == "B"
        assert raw.create(**given).headers["x-Amzn-Invoked-Production-Variant"] == "A"
    hosting.delete(name)


def sum_of(hosting: Any, metric: str, **dimensions: str) -> float:
    found = hosting.sandbox.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=86_400,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in found)


def test_it_is_counted_as_any_invocation_is(hosting: Any) -> None:
    name = hosting.deploy()
    of_variant = {"EndpointName": name, "VariantName": "AllTraffic"}
    with door(hosting, name) as client:
        chat(client)
        list(chat(client, stream=True, chunks=[[event("x"), 0], [DONE, 0]]))
        for status in (404, 500):
            with pytest.raises(openai.APIStatusError):
                chat(client, status=status)
    eventually(lambda: sum_of(hosting, "Invocations", **of_variant) == 4)
    assert sum_of(hosting, "Invocation4XXErrors", **of_variant) == 1
    assert sum_of(hosting, "Invocation5XXErrors", **of_variant) == 1
    assert sum_of(hosting, "ModelLatency", **of_variant) > 0
    hosting.delete(name)


@pytest.fixture(scope="module")
def endpoint(components: Components) -> str:
    """An endpoint without a model."""
    return components.endpoint()


def test_a_component_is_chosen_by_the_path(components: Components, endpoint: str) -> None:
    hosting = components.hosting
    names = [components.deploy(endpoint, environment={"MINE": mine}) for mine in ("first", "second")]
    for name, mine in zip(names, ("first", "second"), strict=True):
        with door(hosting, endpoint, name) as client:
            assert told(client)["environ"]["MINE"] == mine
            (piece,) = chat(client, stream=True, chunks=[[event(mine), 0], [DONE, 0]])
            assert piece.choices[0].delta.content == mine
    with door(hosting, endpoint) as client, pytest.raises(openai.BadRequestError, match="header is required"):
        chat(client)
    client = door(hosting, endpoint, "none")
    with client, pytest.raises(openai.BadRequestError, match="Component none not found in endpoint"):
        chat(client)
    of_component = {"InferenceComponentName": names[0]}
    eventually(lambda: sum_of(hosting, "Invocations", **of_component) == 2)
    for name in names:
        components.delete(name)


def test_a_component_without_a_copy_answers_in_the_words_of_aws(
    components: Components, endpoint: str
) -> None:
    name = components.deploy(endpoint)
    components.scale(name, 0)
    client = door(components.hosting, endpoint, name)
    with client, pytest.raises(openai.BadRequestError) as raised:
        chat(client)
    assert raised.value.body == {
        "message": "Inference Component has no capacity to process this request. ApplicationAutoScaling may"
        " be in-progress (if configured) or try to increase the capacity by invoking"
        " UpdateInferenceComponentRuntimeConfig API.",
        "type": "invalid_request_error",
        "code": "validation_error",
    }
    refused = {"InferenceComponentName": name}
    eventually(lambda: sum_of(components.hosting, "NoCapacityInvocationFailures", **refused) == 1)
    components.delete(name)


def test_an_adapter_is_named_to_the_container(components: Components, endpoint: str) -> None:
    base = components.deploy(endpoint)
    url = put_light(components, "door.tar.gz", "mine")
    given = {"Specification": adapter_of(base, url), "RuntimeConfig": None, "VariantName": None}
    adapter = components.deploy(endpoint, **given)
    with door(components.hosting, endpoint, adapter) as client:
        assert told(client)["adapter"] == "mine"
    for name in (adapter, base):
        components.delete(name)


def test_a_stream_ends_in_peace_while_its_endpoint_is_updated(hosting: Any) -> None:
    name, new = hosting.deploy(), hosting.configure(environment={"MINE": "new"})
    with door(hosting, name) as client:
        stream = chat(client, stream=True, chunks=[[event("old"), 0], [event("old"), 3], [DONE, 0]])
        assert next(stream).choices[0].delta.content == "old"
        hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=new)
        eventually(lambda: told(client)["environ"].get("MINE") == "new")
        assert [chunk.choices[0].delta.content for chunk in stream] == ["old"]
    hosting.wait(name)
    hosting.delete(name)


def test_a_reader_that_goes_away_is_noticed_by_the_container(hosting: Any, served: str) -> None:
    with door(hosting, served) as client:
        stream = chat(client, stream=True, chunks=[[event("x"), 0], *[[event("y"), 0.05]] * 200])
        next(stream)
        assert hosting.ask(served)["num_open_streams"] == 1
        stream.close()
    eventually(lambda: not hosting.ask(served)["num_open_streams"])


def test_a_container_that_dies_in_the_middle_cuts_the_answer_off(hosting: Any) -> None:
    name = hosting.deploy()
    with door(hosting, name) as client:
        stream = chat(client, stream=True, chunks=[[event("first"), 0], ["DIE", 0.3]])
        assert next(stream).choices[0].delta.content == "first"
        with pytest.raises((openai.APIError, httpx2.HTTPError)):
            next(stream)
        with pytest.raises(openai.APIStatusError, match="could not get a response") as raised:
            chat(client)
    assert raised.value.status_code == 424
    assert "Traceback" not in hosting.sandbox.log_path.read_text()
    hosting.delete(name)


def test_a_byte_more_than_25_mib_is_not_taken(hosting: Any, served: str) -> None:
    too_large = "exceeded 26214400 bytes"
    with door(hosting, served) as client, pytest.raises(openai.APIStatusError, match=too_large) as raised:
        chat(client, text="x" * (25 << 20))
    assert raised.value.status_code == 413


def test_a_web_page_gets_no_further_than_elsewhere(hosting: Any, served: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(hosting.sandbox.url).netloc, timeout=300)
    headers = {
        "Origin": "https://example.com",
        "Authorization": f"Bearer {generate_token(region='us-east-1')}",
    }
    path = urlsplit(url_of(hosting, served)).path + "/chat/completions"
    connection.request("POST", path, b"{}", headers)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (403, b"web pages cannot use the sandbox")
    connection.close()


def call_here(body: Any, client: socket.socket | None = None) -> tuple[list[Any], Any]:
    """Ask the front door in this process; returns what the answer starts with, and its body."""
    headers = {"Authorization": f"Bearer {generate_token(region='us-east-1')}"}
    path = "/endpoints/here/openai/v1/chat/completions"
    builder = EnvironBuilder(path, method="POST", data=json.dumps(body).encode(), headers=headers)
    started: list[Any] = []
    environ = {**builder.get_environ(), "werkzeug.socket": client}
    return started, runtime.invoke(NOBODY_ASKED, environ, lambda *args: started.extend(args))


def test_a_reader_that_goes_away_is_noticed_while_the_container_is_silent(here: Any) -> None:
    here()
    ours, readers = socket.socketpair()
    with ours, readers:
        _, answer = call_here({"chunks": [["x", 0], ["y", 600]]}, ours)
        parts = iter(answer)
        assert [next(parts), next(parts)] == [b"", b"x"]
        readers.close()
        assert list(parts) == []  # and not what the container says at last


def test_an_answer_has_60_s_and_a_stream_8_minutes(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here()
    monkeypatch.setattr(runtime, "TIMEOUT_S", 0.3)
    started, answer = call_here({"sleep_s": 60})
    assert started[0].startswith("424")
    error = json.loads(b"".join(answer))["error"]
    assert "invocation timed out" in error["message"]
    assert (error["type"], error["code"]) == ("server_error", "model_error")
    monkeypatch.setattr(runtime, "TIMEOUT_S", 2)
    monkeypatch.setattr(runtime, "STREAM_TIMEOUT_S", 5)
    started, answer = call_here({"chunks": [["x", 0], ["y", 2.5], ["z", 60]]})
    assert started[0] == "200 OK"
    pieces = iter(answer)
    assert [next(pieces) for _ in range(3)] == [b"", b"x", b"y"], "after the time of a whole answer"
    with pytest.raises(ConnectionAbortedError):
        next(pieces)


def test_what_is_asked_and_answered_is_captured(hosting: Any) -> None:
    hosting.sandbox.client("s3").create_bucket(Bucket=BUCKET)
    name = hosting.deploy(config={"DataCaptureConfig": captured("openai", "Output")})
    with door(hosting, name) as client:
        chat(client)
        list(chat(client, stream=True, chunks=[[event("요약"), 0], [DONE, 0]]))
    whole, streamed = [
        each["captureData"]["endpointOutput"] for each in records(hosting.sandbox, f"openai/{name}/")
    ]
    assert (whole["encoding"], json.loads(whole["data"])) == ("JSON", ANSWER)
    assert streamed["observedContentType"] == "text/event-stream"  # listed nowhere
    assert (streamed["encoding"], b64decode(streamed["data"]).decode()) == ("BASE64", event("요약") + DONE)
    hosting.delete(name)
