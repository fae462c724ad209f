"""What boto3, a dialect or a socket raises has a word and a price, and is the rung's or the caller's."""

from __future__ import annotations

import http.client
from typing import Any

import pytest
from botocore import exceptions as boto

from workshop.errors import WorkshopError
from workshop.fallback.failures import COUNTED, NOT_SENT, REPEATABLE, failure_of
from workshop.inference import DIALECTS
from workshop.inference.answers import InferenceError

URL = {"endpoint_url": "http://127.0.0.1"}


def refused(code: str, message: str | None = "", status: int = 400, **members: Any) -> boto.ClientError:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **members,
    }
    return boto.ClientError(response, "InvokeEndpoint")


def of_container(status: int, body: str) -> boto.ClientError:
    said = f'Received server error ({status}) from primary with message "{body}".'
    return refused("ModelError", said, 424, OriginalStatusCode=status, OriginalMessage=body)


@pytest.mark.parametrize(
    ("error", "why", "has_worked"),
    [
        (refused("ThrottlingException", None), "throttled", False),
        (refused("TooManyRequestsException", "slow down", 429), "throttled", False),
        (refused("ServiceUnavailable", "", 503), "no capacity", False),
        (refused("InternalDependencyException", "", 530), "no capacity", False),
        (refused("BadGateway", "", 502), "no capacity", True),
        (refused("ModelNotReadyException", "", 429), "no capacity", False),
        (refused("413", "HTTP content length exceeded 26214400 bytes.", 413), "too long", False),
        (of_container(429, '{"error":"Model is overloaded","error_type":"overloaded"}'), "throttled", False),
        (of_container(503, "busy"), "throttled", False),
        (of_container(500, ""), "model failed", True),
        (of_container(0, "Amazon SageMaker could not get a response"), "model failed", True),
        (of_container(0, "Your invocation timed out while waiting for a response"), "timed out", True),
        (of_container(413, "However, the model's context length is only 2048 tokens."), "too long", False),
        (boto.ReadTimeoutError(**URL), "timed out", True),
        (boto.ConnectTimeoutError(**URL), "timed out", False),
        (TimeoutError(), "timed out", True),
        (boto.EndpointConnectionError(**URL), "broken connection", False),
        (boto.ConnectionClosedError(**URL), "broken connection", True),
        (boto.SSLError(**URL, error="handshake"), "broken connection", True),
        (boto.ProxyConnectionError(proxy_url="http://127.0.0.1"), "broken connection", True),
        (boto.ResponseStreamingError(error="IncompleteRead(1 bytes read)"), "broken connection", True),
        (boto.ResponseStreamingError(error="Read timed out."), "timed out", True),
        (ConnectionResetError(), "broken connection", True),
        (http.client.IncompleteRead(b""), "broken connection", True),
        (InferenceError(found="x", expected="", next_step="", is_overload=True), "throttled", False),
        (InferenceError(found="x", expected="", next_step="", status=500), "model failed", True),
    ],
)  # fmt: skip
def test_a_failure_has_its_word_and_its_price(error: Exception, why: str, has_worked: bool) -> None:
    failure = failure_of(error, "vllm")
    assert (failure.why, failure.has_worked) == (why, has_worked)
    assert failure.why in COUNTED | {"too long"}
    assert failure.why not in NOT_SENT
    assert failure.text


def test_what_may_have_been_generated_is_never_asked_again() -> None:
    assert {"timed out", "model failed", "empty", "cut", "refused", "too long"}.isdisjoint(REPEATABLE)


@pytest.mark.parametrize(
    "error",
    [
        refused("AccessDeniedException", "not authorized to perform: sagemaker:InvokeEndpoint", 403),
        refused("ExpiredTokenException", "The security token included in the request is expired", 403),
        refused("ValidationError", "Endpoint x of account 000000000000 not found."),
        of_container(422, '{"error":"Input validation error: `temperature` must be strictly positive"}'),
        of_container(404, "no such route"),
        boto.NoCredentialsError(),
        boto.ParamValidationError(report="Missing required parameter"),
    ],
)
def test_the_callers_own_error_has_three_lines(error: Exception) -> None:
    with pytest.raises(WorkshopError) as caught:
        failure_of(error, "tgi")
    assert all((caught.value.found, caught.value.expected, caught.value.next_step))


def test_what_is_no_failure_of_a_request_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        failure_of(ZeroDivisionError(), "tgi")


def test_an_answer_in_no_known_form_is_the_rungs_failure() -> None:
    with pytest.raises(InferenceError) as caught:
        DIALECTS["vllm"].answer(b"<html>gateway</html>")
    assert failure_of(caught.value, "vllm").why == "model failed"
