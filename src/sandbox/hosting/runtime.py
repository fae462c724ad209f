"""InvokeEndpoint and InvokeEndpointWithResponseStream: a request on its way to a container and back.

Messages and error codes are AWS's where public error reports quote them. The limits are those of "SageMaker
Model Hosting FAQs" (payloads up to 25 MB, 60 s, 8 minutes for streaming); botocore's model still says 6 MB.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sandbox.api.errors import AwsError
from sandbox.api.registry import ACCOUNT_ID
from sandbox.hosting import event_stream, lifecycle
from sandbox.hosting.connections import Exchange
from sandbox.hosting.instance import Instance
from sandbox.hosting.invocation_target import Target, target_of
from sandbox.hosting.metrics import metrics
from sandbox.hosting.request_headers import Invocation, checked_invocation
from sandbox.hosting.running_endpoint import RunningEndpoint
from sandbox.other_services import signed_for

if TYPE_CHECKING:
    from sandbox.context import Context

MAX_BODY_BYTES = 25 << 20
TIMEOUT_S = 60.0
STREAM_TIMEOUT_S = 480.0
_BROKEN = (OSError, http.client.HTTPException)
_OPERATIONS = {
    "invocations": "InvokeEndpoint",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
    "async-invocations": "InvokeEndpointAsync",
}
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container {container}. Review the latency"
    " metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
_NO_RESPONSE = (
    "Amazon SageMaker could not get a response from the {endpoint} endpoint. This can occur when CPU or"
    " memory utilization is high. To check your utilization, see Amazon CloudWatch. To fix this problem, use"
    " an instance type with more CPU capacity or memory."
)
_STREAM_TIMED_OUT = (
    "Your model {container} did not complete sending the inference response in the allotted time."
)
_STREAM_BROKEN = "Your model {container} closed the connection before the inference response was complete."


def invoke(context: Context, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer POST /endpoints/<name>/invocations and its streaming sister, as a WSGI application."""
    try:
        return _invoke(environ, start_response)
    except AwsError as error:
        body = json.dumps({"Message": error.message, "message": error.message, **error.extra}).encode()
        # A caller tells the error by this header; AWS's gateway, which refuses what is too large, sends none.
        kind = [("x-amzn-ErrorType", error.code)] if error.status != 413 else []
        headers = [("Content-Type", "application/json"), *kind]
        return _answer(start_response, f"{error.status} Error", headers, body)


def _invoke(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    started_s = time.perf_counter()
    name, operation = _path(environ)
    _, region = signed_for(environ)
    invocation = checked_invocation(operation, environ)
    endpoint = lifecycle.endpoints.serving(region, name)
    if endpoint is None:
        raise _validation(f"Endpoint {name} of account {ACCOUNT_ID} not found.")
    target = target_of(invocation, endpoint)
    body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise AwsError("413", f"HTTP content length exceeded {MAX_BODY_BYTES} bytes.", status=413)
    exchange = _Invoked(endpoint, target, started_s)
    if operation == "InvokeEndpoint":
        return exchange.whole(invocation, body, start_response)
    return exchange.stream(invocation, body, start_response, environ.get("werkzeug.socket"))


class _Invoked:
    """One invocation."""

    def __init__(self, endpoint: RunningEndpoint, target: Target, started_s: float) -> None:
        self._endpoint, self._target = endpoint, target
        self._started_s = started_s
        self._sent_s: float | None = None
        self._ended_s: float | None = None
        self._instance: Instance | None = None

    def whole(
        self, invocation: Invocation, body: bytes, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Send the request and return the answer in one piece."""
        exchange = self._send(invocation, body, TIMEOUT_S)
        try:
            content = exchange.read()
        except TimeoutError:
            raise self._timed_out() from None
        except _BROKEN:
            raise self._no_response() from None
        finally:
            self._finish(exchange)
        self._count(exchange.status)
        headers = [("Content-Type", exchange.header("Content-Type") or "application/octet-stream")]
        return _answer(start_response, "200 OK", [*headers, *self._headers(exchange)], content)

    def stream(
        self,
        invocation: Invocation,
        body: bytes,
        start_response: Callable[..., Any],
        client: socket.socket | None,
    ) -> Iterable[bytes]:
        """Send the request and return the answer as an event stream, each piece when it comes."""
        exchange = self._send(invocation, body, STREAM_TIMEOUT_S)
        content_type = exchange.header("Content-Type")
        headers = [
            ("Content-Type", event_stream.CONTENT_TYPE),
            *([("X-Amzn-SageMaker-Content-Type", content_type)] if content_type else []),
            ("x-amzn-RequestId", str(uuid.uuid4())),
            *self._headers(exchange),
        ]
        start_response("200 OK", headers)
        return self._events(exchange, client)

    def _events(self, exchange: Exchange, client: socket.socket | None) -> Iterator[bytes]:
        container = self._target.container
        try:
            yield b""  # the head of the answer, before the container's first byte
            while chunk := exchange.read_next(client):  # None: the client has gone
                yield event_stream.payload_part(chunk)
        except TimeoutError:
            message = _STREAM_TIMED_OUT.format(container=container)
            yield event_stream.exception("ModelStreamError", message, ErrorCode="ModelInvocationTimeExceeded")
        except _BROKEN:
            message = _STREAM_BROKEN.format(container=container)
            yield event_stream.exception("ModelStreamError", message, ErrorCode="StreamBroken")
        finally:
            self._finish(exchange)  # breaks an unfinished answer off, so that the container can stop
            self._count(exchange.status)

    def _send(self, invocation: Invocation, body: bytes, timeout_s: float) -> Exchange:
        """Send the request to an instance and return its answer, if that is not an error.

        Raises:
            AwsError: ModelError with what the container answered, or why it did not.
        """
        instance = self._target.choose()
        if instance is None:
            raise self._no_response()
        self._instance = instance
        if self._target.component:
            metrics.began(region=self._endpoint.region, component=self._target.component)
        self._sent_s = time.perf_counter()
        try:
            exchange = instance.send(
                "POST",
                "/invocations",
                body,
                {**invocation.headers, **self._target.headers},
                deadline_s=time.monotonic() + timeout_s,
            )
        except TimeoutError:
            self._release()
            raise self._timed_out() from None
        except _BROKEN:
            self._release()
            raise self._no_response() from None
        if not 200 <= exchange.status < 300:
            try:
                raise self._container_error(exchange)
            finally:
                self._finish(exchange)
        return exchange

    def _finish(self, exchange: Exchange) -> None:
        self._ended_s = time.perf_counter()
        exchange.close()
        self._release()

    def _release(self) -> None:
        self._instance.finish()
        if self._target.component:
            metrics.finished(region=self._endpoint.region, component=self._target.component)

    def _headers(self, exchange: Exchange) -> list[tuple[str, str]]:
        attributes = exchange.header("X-Amzn-SageMaker-Custom-Attributes")
        return [
            ("x-Amzn-Invoked-Production-Variant", self._target.variant),
            *([("X-Amzn-SageMaker-Custom-Attributes", attributes)] if attributes is not None else []),
        ]

    def _container_error(self, exchange: Exchange) -> AwsError:
        try:
            text = exchange.read().decode("utf-8", "replace")
        except _BROKEN:  # a TimeoutError is an OSError
            text = None
        return self._model_error(exchange.status, text)

    def _timed_out(self) -> AwsError:
        return self._model_error(0, _TIMED_OUT.format(container=self._target.container))

    def _no_response(self) -> AwsError:
        return self._model_error(0, _NO_RESPONSE.format(endpoint=self._endpoint.name))

    def _model_error(self, status: int, text: str | None) -> AwsError:
        """Return ModelError in AWS's words.

        Args:
            status: The container's, 0 when it did not answer.
            text: The container's body, None when it could not be read.
        """
        self._count(status)
        region = self._endpoint.region
        is_client = 400 <= status < 500
        side = "client" if is_client else "server"
        answered = "and could not load the entire response body" if text is None else f'with message "{text}"'
        group = self._target.log_group
        console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        return AwsError(
            "ModelError",
            f"Received {side} error ({status}) from {self._target.container} {answered}. See"
            f" {console}#logEventViewer:group={group} in account {ACCOUNT_ID} for more information.",
            status=424,
            ErrorCode="CLIENT_ERROR_FROM_MODEL" if is_client else "INTERNAL_FAILURE_FROM_MODEL",
            OriginalStatusCode=status,
            OriginalMessage=text or "",
            LogStreamArn=f"arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:{group}",
        )

    def _count(self, status: int) -> None:
        now_s = time.perf_counter()
        model_s = (self._ended_s or now_s) - self._sent_s if self._sent_s else 0.0
        metrics.count(
            region=self._endpoint.region,
            endpoint=self._endpoint.name,
            variant=self._target.variant,
            component=self._target.component,
            status=status,
            model_s=model_s,
            overhead_s=now_s - self._started_s - model_s,
            num_instances=self._target.num_instances,
        )


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


def _validation(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _answer(
    start_response: Callable[..., Any], status: str, headers: list[tuple[str, str]], body: bytes
) -> list[bytes]:
    own = [("Content-Length", str(len(body))), ("x-amzn-RequestId", str(uuid.uuid4()))]
    start_response(status, [*headers, *own])
    return [body]
