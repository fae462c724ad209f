"""One invocation: sent to an instance, and its answer in one of three forms.

Messages and error codes are AWS's where public error reports quote them.
"""

from __future__ import annotations

import http.client
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

from sandbox.api.errors import AwsError
from sandbox.api.registry import ACCOUNT_ID
from sandbox.hosting import event_stream
from sandbox.hosting.capture_delivery import captures
from sandbox.hosting.connections import Exchange
from sandbox.hosting.data_capture import Capture
from sandbox.hosting.instance import Instance
from sandbox.hosting.invocation_target import Target
from sandbox.hosting.metrics import metrics
from sandbox.hosting.request_headers import Invocation
from sandbox.hosting.running_endpoint import RunningEndpoint

_BROKEN = (OSError, http.client.HTTPException)
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


class Invoked:
    """One invocation."""

    def __init__(self, endpoint: RunningEndpoint, target: Target, started_s: float) -> None:
        self._endpoint, self._target = endpoint, target
        self._started_s = started_s
        self._sent_s: float | None = None
        self._ended_s: float | None = None
        self._instance: Instance | None = None
        self._capture: Capture | None = None

    def whole(self, exchange: Exchange, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Return the answer in one piece."""
        try:
            content = exchange.read()
        except TimeoutError:
            raise self._timed_out() from None
        except _BROKEN:
            raise self._no_response() from None
        finally:
            self._finish(exchange)
        self._count(exchange.status)
        if self._capture:
            self._capture.add(content)
            self._capture.finish(exchange.header("Content-Type"))
        headers = [_content_type(exchange), *self._headers(exchange)]
        return answer(start_response, "200 OK", headers, content)

    def stream(
        self, exchange: Exchange, start_response: Callable[..., Any], client: socket.socket | None
    ) -> Iterable[bytes]:
        """Return the answer as an event stream of AWS, each piece when it comes."""
        content_type = exchange.header("Content-Type")
        headers = [
            ("Content-Type", event_stream.CONTENT_TYPE),
            *([("X-Amzn-SageMaker-Content-Type", content_type)] if content_type else []),
        ]
        self._begin(exchange, start_response, headers)
        return self._framed(exchange, client)

    def as_it_comes(
        self, exchange: Exchange, start_response: Callable[..., Any], client: socket.socket | None
    ) -> Iterable[bytes]:
        """Return the container's own bytes, each piece when it comes."""
        self._begin(exchange, start_response, [_content_type(exchange)])
        return self._unframed(exchange, client)

    def _begin(
        self, exchange: Exchange, start_response: Callable[..., Any], headers: list[tuple[str, str]]
    ) -> None:
        start_response(
            "200 OK", [*headers, ("x-amzn-RequestId", str(uuid.uuid4())), *self._headers(exchange)]
        )

    def _pieces(self, exchange: Exchange, client: socket.socket | None) -> Iterator[bytes]:
        try:
            yield b""  # the head of the answer, before the container's first byte
            while chunk := exchange.read_next(client):  # None: the client has gone
                if self._capture:
                    self._capture.add(chunk)
                yield chunk
            if self._capture and chunk is not None:  # before the client knows that it was the end
                self._capture.finish(exchange.header("Content-Type"))
        finally:
            self._finish(exchange)  # breaks an unfinished answer off, so that the container can stop
            self._count(exchange.status)

    def _unframed(self, exchange: Exchange, client: socket.socket | None) -> Iterator[bytes]:
        """Yield the pieces.

        Raises:
            ConnectionAbortedError: The answer broke off or took too long. What a client sees of it is a
                connection that ends before the answer does.
        """
        try:
            with closing(self._pieces(exchange, client)) as pieces:
                yield from pieces
        except _BROKEN:
            raise ConnectionAbortedError from None

    def _framed(self, exchange: Exchange, client: socket.socket | None) -> Iterator[bytes]:
        container = self._target.container
        try:
            with closing(self._pieces(exchange, client)) as pieces:
                for piece in pieces:
                    yield event_stream.payload_part(piece) if piece else piece
        except TimeoutError:
            message = _STREAM_TIMED_OUT.format(container=container)
            yield event_stream.exception("ModelStreamError", message, ErrorCode="ModelInvocationTimeExceeded")
        except _BROKEN:
            message = _STREAM_BROKEN.format(container=container)
            yield event_stream.exception("ModelStreamError", message, ErrorCode="StreamBroken")

    def send(self, invocation: Invocation, body: bytes, timeout_s: float) -> Exchange:
        """Send the request to an instance and return its answer, if that is not an error.

        Raises:
            AwsError: ModelError with what the container answered, or why it did not.
        """
        instance = self._target.choose()
        if instance is None:
            raise self._no_response()
        self._instance = instance
        # Of the instance: during an update those of the old and of the new configuration answer.
        settings = self._target.capture or instance.spec.capture
        if settings and settings.takes_next():
            of_variant = captures.of(
                self._endpoint.context, self._endpoint.region, self._endpoint.name, self._target.variant
            )
            self._capture = of_variant.begin(settings, invocation.headers, body)
        if self._target.component:
            metrics.began(region=self._endpoint.region, component=self._target.component)
        self._sent_s = time.perf_counter()
        try:
            exchange = instance.send(
                "POST",
                invocation.path,
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


def _content_type(exchange: Exchange) -> tuple[str, str]:
    return "Content-Type", exchange.header("Content-Type") or "application/octet-stream"


def answer(
    start_response: Callable[..., Any], status: str, headers: list[tuple[str, str]], body: bytes
) -> list[bytes]:
    own = [("Content-Length", str(len(body))), ("x-amzn-RequestId", str(uuid.uuid4()))]
    start_response(status, [*headers, *own])
    return [body]
