"""A response that is sent while it is generated, and ends well in every case.

Starlette's StreamingResponse starts two tasks and passes each part through a generator; here a token is one
`send`. Nothing is kept for a slow reader but the tokens that its request may have: `send` waits, the engine
does not, and the time limit ends both.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import ClientDisconnect

from serve.engine import Token
from serve.errors import RequestError
from serve.request import GenerateRequest
from serve.run import Run
from serve.service import CLIENT_GONE, Service, watch_client

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 15
# An event stream's comment.
KEEP_ALIVE = b":\n\n"
EVENT_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}
COMPUTE_TYPE = "cpu"
# For a reader that takes nothing when its stream ends; then the connection is closed.
CLOSE_TIMEOUT_S = 5


def stream_headers(num_characters: int) -> dict[str, str]:
    """Return the headers of a stream of events.

    Args:
        num_characters: Of the prompt.
    """
    return EVENT_HEADERS | {
        "x-compute-type": COMPUTE_TYPE,
        "x-compute-characters": str(num_characters),
    }


class StreamShape(Protocol):
    """How a dialect writes a stream.

    Attributes:
        headers: Of the response.
        keep_alive: Sent when nothing was for a while; empty where the format has nothing for it.
    """

    headers: dict[str, str]
    keep_alive: bytes

    def token(self, run: Run, token: Token) -> bytes:
        """Write a token that was added to a run."""

    def end(self, run: Run) -> bytes:
        """Write what follows the last token."""

    def error(self, error: RequestError) -> bytes:
        """Write an error that ends the stream."""


def stream(service: Service, request: GenerateRequest, received_s: float, shape: StreamShape) -> EventStream:
    """Answer with a stream whose errors are events, even a request that is refused: TGI's habit."""
    service.metrics.received()
    return EventStream(service, lambda: service.start(request, received_s), shape, received_s)


async def started_stream(
    service: Service, request: GenerateRequest, received_s: float, shape: StreamShape
) -> EventStream:
    """Answer with a stream once the engine has the request.

    Raises:
        RequestError: The request is refused.
    """
    service.metrics.received()
    with service.failures():
        run = await service.start(request, received_s)

    async def start() -> Run:
        return run

    return EventStream(service, start, shape, received_s, close=run.close)


class EventStream:
    """An ASGI response that streams one run.

    Args:
        start: Makes the run.
        received_s: When the request came, on `time.perf_counter`'s clock.
        close: Of a run that was made before the response.
    """

    def __init__(
        self,
        service: Service,
        start: Callable[[], Awaitable[Run]],
        shape: StreamShape,
        received_s: float,
        *,
        close: Callable[[], None] | None = None,
    ) -> None:
        self._service, self._start, self._shape = service, start, shape
        self._received_s = received_s
        self._close = close
        self._sent_s = time.perf_counter()

    async def __call__(self, scope, receive, send) -> None:
        try:
            await self._answer(receive, send)
        finally:
            if self._close is not None:
                self._close()

    async def _answer(self, receive, send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self._shape.headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        watcher = watch_client(receive)
        keep_alive = asyncio.create_task(self._keep_alive(send)) if self._shape.keep_alive else None
        try:
            with self._service.failures():
                last = await self._run(send)
        except RequestError as error:
            logger.warning("ended a stream: %s", error)
            last = self._shape.error(error)
        except ClientDisconnect:
            logger.info("a client went away from its stream")
            return
        finally:
            watcher.cancel()
            if keep_alive:
                keep_alive.cancel()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await send({"type": "http.response.body", "body": last})
        except TimeoutError:
            logger.warning("closed the stream of a client that does not read")

    async def _run(self, send) -> bytes:
        """Send all tokens and return what follows them."""
        run = None
        try:
            async with self._service.limited(self._received_s):
                run = await self._start()
                async for token in run.generation:
                    token = run.add(token)
                    if body := self._shape.token(run, token):
                        self._sent_s = time.perf_counter()
                        await send({"type": "http.response.body", "body": body, "more_body": True})
                    if token.finish_reason is not None:
                        break
            self._service.succeeded(run)
            return self._shape.end(run)
        except asyncio.CancelledError as cancelled:
            if CLIENT_GONE in cancelled.args:
                asyncio.current_task().uncancel()
                raise ClientDisconnect from None
            raise
        finally:
            if run is not None:
                run.close()

    async def _keep_alive(self, send) -> None:
        """Send something when nothing was for a while: proxies drop a connection that is silent."""
        while True:
            silent_s = time.perf_counter() - self._sent_s
            if silent_s >= KEEP_ALIVE_S:
                self._sent_s, silent_s = time.perf_counter(), 0.0
                await send({"type": "http.response.body", "body": self._shape.keep_alive, "more_body": True})
            await asyncio.sleep(KEEP_ALIVE_S - silent_s)
