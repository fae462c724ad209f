"""What every dialect's routes share: a request is admitted, checked, generated, and ended in every case."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial

from starlette.requests import ClientDisconnect, Request

from serve.container_paths import ContainerPaths
from serve.engine import Capacity, Engine
from serve.errors import RequestError, generation_failed, incomplete
from serve.metrics import RequestMetrics
from serve.model_folder import ModelFolder
from serve.request import GenerateRequest, prepare
from serve.run import Run
from serve.served_model import ServedModel

logger = logging.getLogger(__name__)

# Longer prompts are encoded in a thread, so that other requests do not wait for it.
MAX_INLINE_CHARACTERS = 20_000


class Service:
    """Bring requests to the engine; until `engine` is set, the model is loading and the server is unhealthy.

    Args:
        model: The model's folder.
        max_input: Longest prompt, in tokens.
        max_total: Longest prompt and answer together, in tokens.
        max_concurrent_requests: Further requests are refused with 429.
        request_timeout_s: A request that takes longer ends with an error.
        metrics: Makes the dialect's.
        served: What the model is called; by its folder when None.
        runtime_adapters: LoRA adapters may be loaded while it serves.
        max_lora_rank: Of an adapter; None for any.
        adapters: Name -> folder of those that it starts with, as the container knows them.
        options: Of the dialect.
        paths: The container's.
    """

    def __init__(
        self,
        model: ModelFolder,
        *,
        max_input: int,
        max_total: int,
        max_concurrent_requests: int,
        request_timeout_s: float,
        metrics: Callable[[Service], RequestMetrics],
        served: ServedModel | None = None,
        max_lora_rank: int | None = None,
        runtime_adapters: bool = False,
        adapters: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        paths: ContainerPaths | None = None,
    ) -> None:
        self.engine: Engine | None = None
        self.model = model
        path = str(model.path)
        self.served = served or ServedModel(id=path, folder=model.path, names=(path,))
        self.max_lora_rank = max_lora_rank
        self.adapter_sources = dict(adapters or {})
        self.options = dict(options or {})
        self.paths = paths or ContainerPaths()
        self.max_input, self.max_total = max_input, max_total
        self.max_concurrent_requests = max_concurrent_requests
        self.request_timeout_s = request_timeout_s
        self.runtime_adapters = runtime_adapters
        self._num_requests = 0
        self.metrics = metrics(self)

    def healthy_engine(self) -> Engine:
        """Return the engine.

        Raises:
            RequestError: 503 while the model loads, and when the engine has ended.
        """
        if self.engine is None or not self.engine.is_healthy():
            raise RequestError(503, "healthcheck", "unhealthy")
        return self.engine

    def capacity(self) -> Capacity:
        """Return what the engine is doing; zeros while there is none."""
        if self.engine is None:
            return Capacity(num_active=0, num_waiting=0, max_active=0)
        return self.engine.capacity()

    async def start(self, request: GenerateRequest, received_s: float) -> Run:
        """Check a request and hand it to the engine; the caller closes the run.

        Raises:
            RequestError: 503 unhealthy, 429 overloaded, 422 when the request is refused.
        """
        engine = self.healthy_engine()
        if self._num_requests >= self.max_concurrent_requests:
            raise RequestError(429, "overloaded", "Model is overloaded")
        self._num_requests += 1
        try:
            check = partial(
                prepare, request, self.model.codec, engine, max_input=self.max_input, max_total=self.max_total
            )
            is_long = len(request.inputs) > MAX_INLINE_CHARACTERS
            prompt = await asyncio.to_thread(check) if is_long else check()
            generation = engine.submit(prompt.ids, prompt.sampling, prompt.adapter)
        except BaseException:
            self._free()
            raise
        self.metrics.accepted(num_prompt=len(prompt.ids), max_new_tokens=prompt.sampling.max_new_tokens)
        return Run(request, prompt, generation, received_s=received_s, free=self._free)

    async def complete(self, http: Request, request: GenerateRequest, received_s: float) -> Run:
        """Generate a whole answer; see `complete_all`."""
        (run,) = await self.complete_all(http, [request], received_s)
        return run

    async def complete_all(
        self, http: Request, requests: Sequence[GenerateRequest], received_s: float
    ) -> list[Run]:
        """Generate the whole answers to one client's requests, at the same time.

        Raises:
            RequestError: One was refused, failed, took too long, or the server ends.
            ClientDisconnect: Nobody waits for them any more.
        """
        for _ in requests:
            self.metrics.received()
        runs: list[Run] = []
        with self.failures():
            try:
                for request in requests:
                    runs.append(await self.start(request, received_s))
                    runs[-1].collect_whole()
                async with ended_with_client(http), self.limited(received_s):
                    for run in runs:
                        async for token in run.generation:
                            if run.add(token).finish_reason is not None:
                                break
            finally:
                for run in runs:
                    run.close()
            for run in runs:
                self.succeeded(run)
        return runs

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Count how a request failed."""
        try:
            yield
        except RequestError as error:
            self.metrics.failed(error.error_type)
            raise
        except ClientDisconnect:
            self.metrics.failed("dropped")
            raise

    @contextlib.asynccontextmanager
    async def limited(self, received_s: float) -> AsyncIterator[None]:
        """End what takes longer than the time limit, fails, or is cancelled because the server ends.

        Raises:
            RequestError: In place of what was raised; that a client has gone is passed on.
        """
        elapsed_s = time.perf_counter() - received_s
        try:
            async with asyncio.timeout(self.request_timeout_s - elapsed_s):
                yield
        except TimeoutError:
            limit = f"it took longer than {self.request_timeout_s} s (SERVE_REQUEST_TIMEOUT_S)"
            raise generation_failed(limit) from None
        except asyncio.CancelledError as cancelled:
            if CLIENT_GONE in cancelled.args:
                raise
            # From here on the task only has to say so to its client.
            asyncio.current_task().uncancel()
            raise incomplete("the server is ending") from None
        except RequestError:
            raise
        except Exception as error:  # whatever an engine fails with; its request must not stay unanswered
            logger.exception("a request failed")
            raise generation_failed(f"{type(error).__name__}; the server's log has more") from error

    def succeeded(self, run: Run) -> None:
        self.metrics.succeeded(run)
        logger.info(
            "%s: %d prompt tokens, %d generated in %d ms after %d ms in the queue",
            run.finish_reason,
            run.num_prompt,
            run.num_generated,
            run.inference_s * 1000,
            run.queue_s * 1000,
        )

    def _free(self) -> None:
        self._num_requests -= 1


CLIENT_GONE = "the client has gone"


@contextlib.asynccontextmanager
async def ended_with_client(http: Request) -> AsyncIterator[None]:
    """End the task that makes an answer when its client goes away."""
    watcher = watch_client(http.receive)
    try:
        yield
    except asyncio.CancelledError as cancelled:
        if CLIENT_GONE in cancelled.args:
            asyncio.current_task().uncancel()
            raise ClientDisconnect from None
        raise
    finally:
        watcher.cancel()


def watch_client(receive) -> asyncio.Task:
    """Cancel the task that calls this, with CLIENT_GONE, when its client goes away.

    Args:
        receive: ASGI's; the body has been read from it.
    """
    waiting = asyncio.current_task()

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        waiting.cancel(CLIENT_GONE)

    return asyncio.create_task(watch())
