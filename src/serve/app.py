"""The routes: what TGI answers, over whatever engine is loaded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from serve.answers import EVENT_HEADERS, Answer, event, to_json
from serve.engine import Engine, Generation
from serve.errors import RequestError
from serve.generate_request import MAX_STOP_SEQUENCES, GenerateRequest, parse_request, prepare
from serve.model_folder import ModelFolder

logger = logging.getLogger(__name__)

TGI_VERSION = "3.3.7"
# TGI's --payload-limit.
MAX_BODY_BYTES = 2_000_000
# A larger body is read to its end, so that its sender reads the refusal, but not beyond this.
MAX_DISCARDED_BYTES = 64_000_000
# Longer prompts are encoded in a thread, so that other requests do not wait for it.
MAX_INLINE_CHARACTERS = 20_000
KEEP_ALIVE_S = 15


class Application:
    """Answer requests; until `engine` is set, the model is loading and the server is unhealthy.

    Args:
        model: The model's folder.
        max_input: Longest prompt, in tokens.
        max_total: Longest prompt and answer together, in tokens.
        max_concurrent_requests: Further requests are refused with 429.
    """

    def __init__(
        self, model: ModelFolder, *, max_input: int, max_total: int, max_concurrent_requests: int
    ) -> None:
        self.engine: Engine | None = None
        self._model = model
        self._max_input, self._max_total = max_input, max_total
        self._max_concurrent_requests = max_concurrent_requests
        self._num_requests = 0

    def asgi(self) -> Starlette:
        """Return the ASGI application."""
        health = [Route(path, self._health, methods=["GET"]) for path in ("/", "/ping", "/health")]
        routes = [
            *health,
            Route("/info", self._info, methods=["GET"]),
            Route("/", self._compatible, methods=["POST"]),
            Route("/invocations", self._compatible, methods=["POST"]),
            Route("/generate", self._generate, methods=["POST"]),
            Route("/generate_stream", self._generate_stream, methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={RequestError: _refused, ClientDisconnect: _gone})

    async def _health(self, _: Request) -> Response:
        self._healthy_engine()
        return Response(status_code=200)

    async def _info(self, _: Request) -> Response:
        info = {
            "model_id": str(self._model.path),
            "model_sha": None,
            "model_pipeline_tag": None,
            "max_concurrent_requests": self._max_concurrent_requests,
            "max_best_of": 1,
            "max_stop_sequences": MAX_STOP_SEQUENCES,
            "max_input_tokens": self._max_input,
            "max_total_tokens": self._max_total,
            "validation_workers": 1,
            "max_client_batch_size": 1,
            "router": "text-generation-router",
            "version": TGI_VERSION,
            "sha": None,
            "docker_label": None,
        }
        return _json_response(info)

    async def _compatible(self, http: Request) -> Response:
        """Serve `/` and `/invocations`: a one-element array, or a stream when the body says so.

        For a model from a folder TGI puts the prompt before the text here unless told otherwise: it finds no
        pipeline tag and takes that for text generation.
        """
        received_s = time.perf_counter()
        request = parse_request(await _read_body(http))
        full_text = request.parameters["return_full_text"] is not False
        if request.stream:
            return self._stream(request, received_s, full_text)
        return await self._respond(http, request, received_s, full_text, in_array=True)

    async def _generate(self, http: Request) -> Response:
        received_s = time.perf_counter()
        request = parse_request(await _read_body(http))
        return await self._respond(
            http, request, received_s, bool(request.parameters["return_full_text"]), in_array=False
        )

    async def _generate_stream(self, http: Request) -> Response:
        received_s = time.perf_counter()
        request = parse_request(await _read_body(http))
        return self._stream(request, received_s, bool(request.parameters["return_full_text"]))

    async def _respond(
        self, http: Request, request: GenerateRequest, received_s: float, full_text: bool, *, in_array: bool
    ) -> Response:
        with self._admitted() as engine:
            answer, generation = await self._submit(engine, request, received_s, full_text)
            async with _cancelled_on_disconnect(http, generation):
                async for token in generation:
                    answer.tokens.append(token)
        headers = answer.headers(generation)
        _log(answer, headers)
        body = answer.body()
        return _json_response([body] if in_array else body, headers=headers)

    def _stream(self, request: GenerateRequest, received_s: float, full_text: bool) -> Response:
        headers = EVENT_HEADERS | {"x-compute-characters": str(len(request.inputs))}
        events = self._events(request, received_s, full_text)
        return StreamingResponse(events, headers=headers)

    async def _events(
        self, request: GenerateRequest, received_s: float, full_text: bool
    ) -> AsyncIterator[bytes]:
        """Yield events; as in TGI an error is one too, with HTTP 200 sent before it."""
        generation = None
        try:
            with self._admitted() as engine:
                answer, generation = await self._submit(engine, request, received_s, full_text)
                async for token in _with_keep_alive(generation):
                    yield b":\n\n" if token is None else answer.event(token)
                _log(answer, answer.headers(generation))
        except RequestError as refusal:
            logger.warning("refused in a stream: %s", refusal)
            yield event(refusal.body)
        finally:
            # Also reached when the client has gone: the generator is then closed where it stands.
            if generation is not None:
                generation.cancel()

    async def _submit(
        self, engine: Engine, request: GenerateRequest, received_s: float, full_text: bool
    ) -> tuple[Answer, Generation]:
        limits = {"max_input": self._max_input, "max_total": self._max_total}
        if len(request.inputs) > MAX_INLINE_CHARACTERS:
            prompt = await asyncio.to_thread(prepare, request, self._model.codec, **limits)
        else:
            prompt = prepare(request, self._model.codec, **limits)
        answer = Answer(request=request, prompt=prompt, full_text=full_text, received_s=received_s)
        return answer, engine.submit(prompt.ids, prompt.sampling)

    def _healthy_engine(self) -> Engine:
        if self.engine is None or not self.engine.is_healthy():
            raise RequestError(503, "healthcheck", "unhealthy")
        return self.engine

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[Engine]:
        """Count a request while it is at work or waiting."""
        engine = self._healthy_engine()
        if self._num_requests >= self._max_concurrent_requests:
            raise RequestError(429, "overloaded", "Model is overloaded")
        self._num_requests += 1
        try:
            yield engine
        finally:
            self._num_requests -= 1


async def _read_body(http: Request) -> bytes:
    """Read a JSON body of at most MAX_BODY_BYTES.

    Raises:
        RequestError: 415 for another content type, 413 for a longer body.
    """
    media_type = http.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        message = "Expected request with `Content-Type: application/json`"
        raise RequestError(415, "validation", message)
    chunks, size = [], 0
    async for chunk in http.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif size > MAX_DISCARDED_BYTES:
            break
    if size > MAX_BODY_BYTES:
        raise RequestError(
            413, "validation", f"Failed to buffer the request body: over {MAX_BODY_BYTES} bytes"
        )
    return b"".join(chunks)


@contextlib.asynccontextmanager
async def _cancelled_on_disconnect(http: Request, generation: Generation) -> AsyncIterator[None]:
    """Cancel a generation, and the task that waits for it, when its client goes away."""
    waiting = asyncio.current_task()
    is_gone = False

    async def watch() -> None:
        nonlocal is_gone
        while (await http.receive())["type"] != "http.disconnect":
            pass
        is_gone = True
        waiting.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if is_gone:
            raise ClientDisconnect from None
        raise
    finally:
        watcher.cancel()
        generation.cancel()


async def _with_keep_alive(generation: Generation) -> AsyncIterator:
    """Yield tokens, and None when none has come for a while: proxies drop a connection that is silent."""
    pending = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(generation, False))
            await asyncio.wait({pending}, timeout=KEEP_ALIVE_S)
            if not pending.done():
                yield None
                continue
            token, pending = pending.result(), None
            if token is False:
                return
            yield token
    finally:
        if pending:
            pending.cancel()


def _json_response(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(value), status_code=status, headers=headers, media_type="application/json")


async def _refused(_: Request, refusal: RequestError) -> Response:
    if refusal.status != 503:  # of those only health checks ask while the model loads
        logger.warning("refused with %d: %s", refusal.status, refusal)
    return _json_response(refusal.body, status=refusal.status)


async def _gone(*_: object) -> Response:
    logger.info("a client went away before its answer")
    return Response(status_code=499)


def _log(answer: Answer, headers: dict[str, str]) -> None:
    logger.info(
        "%s: %d prompt tokens, %d generated in %s ms after %s ms in the queue",
        answer.finish_reason,
        len(answer.prompt.ids),
        len(answer.tokens),
        headers["x-inference-time"],
        headers["x-queue-time"],
    )
