"""An invocation on its way to a container and back: InvokeEndpoint, its streaming sister, OpenAI's client.

The limits are those of "SageMaker Model Hosting FAQs" (payloads up to 25 MB, 60 s, 8 minutes for streaming);
botocore's model still says 6 MB.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sandbox.api.errors import AwsError
from sandbox.api.registry import ACCOUNT_ID
from sandbox.hosting import bearer_token, lifecycle, openai_api
from sandbox.hosting.invocation_target import target_of
from sandbox.hosting.invoked import Invoked, answer
from sandbox.hosting.request_headers import checked_invocation
from sandbox.other_services import signed_for

if TYPE_CHECKING:
    from sandbox.iam.authorization import Authorization

MAX_BODY_BYTES = 25 << 20
TIMEOUT_S = 60.0
STREAM_TIMEOUT_S = 480.0
_OPERATIONS = {
    "invocations": "InvokeEndpoint",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
    "async-invocations": "InvokeEndpointAsync",
}


def invoke(
    authorization: Authorization, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """Answer what is asked of /endpoints/<name>, as a WSGI application."""
    is_openai = openai_api.is_asked(environ)
    try:
        authorization.check(environ)
        return _invoke_as_openai(environ, start_response) if is_openai else _invoke(environ, start_response)
    except AwsError as error:
        if is_openai:
            status, body = openai_api.error_answer(error)
            return answer(start_response, f"{status} Error", [("Content-Type", "application/json")], body)
        body = json.dumps({"Message": error.message, "message": error.message, **error.extra}).encode()
        # A caller tells the error by this header; AWS's gateway, which refuses what is too large, sends none.
        kind = [("x-amzn-ErrorType", error.code)] if error.status != 413 else []
        headers = [("Content-Type", "application/json"), *kind]
        return answer(start_response, f"{error.status} Error", headers, body)


def _invoke(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    started_s = time.perf_counter()
    name, operation = _path(environ)
    _, region = signed_for(environ)
    invocation = checked_invocation(operation, environ)
    endpoint = lifecycle.endpoints.serving(region, name)
    if endpoint is None:
        raise _not_found(name)
    invoked = Invoked(endpoint, target_of(invocation, endpoint), started_s)
    body = _body(environ)
    if operation == "InvokeEndpoint":
        return invoked.whole(invoked.send(invocation, body, TIMEOUT_S), start_response)
    exchange = invoked.send(invocation, body, STREAM_TIMEOUT_S)
    return invoked.stream(exchange, start_response, environ.get("werkzeug.socket"))


def _invoke_as_openai(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    started_s = time.perf_counter()
    name, region, invocation = openai_api.checked_request(environ)
    endpoint = lifecycle.endpoints.serving(region, name)
    if endpoint is None:
        elsewhere = lifecycle.endpoints.region_serving(name)
        raise bearer_token.wrong_region(region, elsewhere) if elsewhere else _not_found(name)
    invoked = Invoked(endpoint, target_of(invocation, endpoint), started_s)
    exchange = invoked.send(invocation, _body(environ), TIMEOUT_S)
    if exchange.header("Content-Length") is not None:
        return invoked.whole(exchange, start_response)
    exchange.allow(STREAM_TIMEOUT_S - TIMEOUT_S)  # a stream: nothing but the answer says that it is one
    return invoked.as_it_comes(exchange, start_response, environ.get("werkzeug.socket"))


def _body(environ: dict[str, Any]) -> bytes:
    body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise AwsError("413", f"HTTP content length exceeded {MAX_BODY_BYTES} bytes.", status=413)
    return body


def _path(environ: dict[str, Any]) -> tuple[str, str]:
    """Return endpoint and operation of the request's path.

    Raises:
        AwsError: The runtime has no such path, or the operation is not implemented.
    """
    words = environ["PATH_INFO"].split("/")  # "", "endpoints", name, action
    operation = _OPERATIONS.get(words[3]) if len(words) == 4 else None
    if operation is None or environ["REQUEST_METHOD"] != "POST":
        path = environ["PATH_INFO"]
        raise AwsError("UnknownOperationException", f"SageMaker's runtime has no {path}.", status=404)
    if operation == "InvokeEndpointAsync":
        raise _validation("The sandbox does not implement InvokeEndpointAsync; use InvokeEndpoint.")
    return unquote(words[2]), operation


def _not_found(name: str) -> AwsError:
    return _validation(f"Endpoint {name} of account {ACCOUNT_ID} not found.")


def _validation(message: str) -> AwsError:
    return AwsError("ValidationError", message)
