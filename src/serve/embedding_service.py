"""What the routes of an embedding dialect share: a text is admitted, cut, computed, ended with its client.

A text is computed alone, in one of as many threads as there are cores: what stands beside it in a request,
and who else asks, changes no digit of its vector. Threads that do not wait for each other also lose less on a
busy machine than one text that is spread over two.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request

from processes.cores import threads_per_process
from serve.asgi import asgi_of
from serve.dialect import Routes
from serve.embedding import Embedded, EmbeddingMetrics, Encoder, Wanted
from serve.errors import RequestError
from serve.served_model import ServedModel
from serve.service import CLIENT_GONE, ended_with_client

logger = logging.getLogger(__name__)

MAX_CHARACTERS_PER_TOKEN = 250
"""Longer texts are cut, or refused, before they are read. Source: TEI, core/src/tokenization.rs."""


class EmbeddingService:
    """Bring texts to the encoder; until `encoder` is set, the model is loading and the server is unhealthy.

    Args:
        served: What the model is called.
        metrics: Of the dialect.
        max_client_batch_size: Texts of one request.
        max_concurrent_requests: Texts that run or wait, of all requests.
        request_timeout_s: A request that takes longer ends with an error.
        auto_truncate: Cut what is too long where a request does not say.
        default_prompt: Put before every text.

    Attributes:
        num_taken: Texts that run or wait for a thread.
        num_threads: That compute.
    """

    def __init__(
        self,
        *,
        served: ServedModel,
        metrics: EmbeddingMetrics,
        max_client_batch_size: int,
        max_concurrent_requests: int,
        request_timeout_s: float,
        auto_truncate: bool,
        default_prompt: str,
    ) -> None:
        self.encoder: Encoder | None = None
        self.served, self.metrics = served, metrics
        self.max_client_batch_size = max_client_batch_size
        self.max_concurrent_requests = max_concurrent_requests
        self.auto_truncate = auto_truncate
        self._request_timeout_s = request_timeout_s
        self._default_prompt = default_prompt
        self._room = asyncio.Semaphore(max_concurrent_requests)
        self.num_taken = 0
        self.num_threads = threads_per_process(int(os.environ.get("OMP_NUM_THREADS") or 1))
        self._threads = ThreadPoolExecutor(self.num_threads, thread_name_prefix="embed")

    def healthy_encoder(self) -> Encoder:
        """Return the encoder.

        Raises:
            RequestError: 503 while the model loads.
        """
        if self.encoder is None:
            raise RequestError(503, "Unhealthy", "unhealthy")
        return self.encoder

    async def embed(
        self, http: Request, texts: Sequence[str], wanted: Wanted, *, is_batch: bool
    ) -> list[Embedded]:
        """Return the vectors of a request's texts, in their order.

        Args:
            http: Whose client may go away.
            is_batch: Sent as a list: its texts wait for their turn, where one alone is refused.

        Raises:
            RequestError: 503 unhealthy, 413 refused, 429 overloaded, 424 it took too long.
            ClientDisconnect: Nobody waits for them any more.
        """
        started_s = time.perf_counter()
        encoder = self.healthy_encoder()
        self.metrics.received(is_batch=is_batch)
        self.check_batch(texts, is_batch=is_batch)
        self._check_dimensions(wanted.num_dimensions, encoder)
        if not is_batch and self._room.locked():
            self.metrics.failed("overloaded")
            raise RequestError(429, "Overloaded", "Model is overloaded")
        async with ended_with_client(http):
            found = await self._all(encoder, texts, wanted)
        self.metrics.succeeded(found, is_batch=is_batch, total_s=time.perf_counter() - started_s)
        return found

    async def _all(self, encoder: Encoder, texts: Sequence[str], wanted: Wanted) -> list[Embedded]:
        """Return the vectors of texts; when one of them fails the rest is not computed.

        Raises:
            RequestError: One was refused, or they failed, took too long, or the server ends.
            CancelledError: The client has gone.
        """
        tasks = [asyncio.create_task(self._one(encoder, text, wanted)) for text in texts]
        try:
            async with asyncio.timeout(self._request_timeout_s):
                return await asyncio.gather(*tasks)
        except RequestError:
            self.metrics.failed("tokenization")
            raise
        except asyncio.CancelledError as cancelled:
            if CLIENT_GONE in cancelled.args:
                self.metrics.failed("dropped")
                raise
            asyncio.current_task().uncancel()  # from here on the task only has to say so to its client
            raise self._failed("the server is ending") from None
        except TimeoutError:
            limit = f"it took longer than {self._request_timeout_s} s (SERVE_REQUEST_TIMEOUT_S)"
            raise self._failed(limit) from None
        except Exception as error:  # whatever an encoder fails with; its request must not stay unanswered
            logger.exception("a request failed")
            raise self._failed(f"{type(error).__name__}; the server's log has more") from error
        finally:
            for task in tasks:
                task.cancel()

    def _failed(self, reason: str) -> RequestError:
        self.metrics.failed("inference")
        return RequestError(424, "Backend", f"Backend error: {reason}")

    async def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text with its prompt, without those of begin and end.

        Raises:
            RequestError: 503 unhealthy, 413 empty or too long to be read.
        """
        try:
            return await asyncio.to_thread(self._ids, self.healthy_encoder(), text, None)
        except RequestError:
            self.metrics.failed("tokenization")
            raise

    def check_batch(self, texts: Sequence[str], *, is_batch: bool) -> None:
        """Refuse a list without texts, and one with too many.

        Raises:
            RequestError: 400 or 413.
        """
        if is_batch and not texts:
            self.metrics.failed("validation")
            raise RequestError(400, "Empty", "`inputs` cannot be empty")
        if len(texts) > self.max_client_batch_size:
            self.metrics.failed("batch_size")
            message = f"batch size {len(texts)} > maximum allowed batch size {self.max_client_batch_size}"
            raise RequestError(413, "Validation", message)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check_dimensions(self, number: int | None, encoder: Encoder) -> None:
        if number is not None and not 0 < number <= encoder.num_dimensions:
            self.metrics.failed("validation")
            limit = "positive" if number < 1 else "smaller than the maximum embedding dimension."
            raise _invalid(f"`dimensions` should be {limit}")

    async def _one(self, encoder: Encoder, text: str, wanted: Wanted) -> Embedded:
        async with self._room:
            queued_s, loop = time.perf_counter(), asyncio.get_running_loop()
            self.num_taken += 1
            try:
                found = await loop.run_in_executor(
                    self._threads, self._embed, encoder, text, wanted, queued_s
                )
            finally:
                self.num_taken -= 1
        self.metrics.embedded(found)
        return found

    def _embed(self, encoder: Encoder, text: str, wanted: Wanted, queued_s: float) -> Embedded:
        started_s = time.perf_counter()
        truncate = self.auto_truncate if wanted.truncate is None else wanted.truncate
        room = encoder.max_tokens - len(encoder.with_ends([]))
        ids = self._ids(encoder, text, room if truncate else None)
        if truncate:
            ids = ids[max(len(ids) - room, 0) :] if wanted.keeps_end else ids[:room]
        elif len(ids) > room:
            given = len(encoder.with_ends(ids))
            raise _invalid(f"`inputs` must have less than {encoder.max_tokens} tokens. Given: {given}")
        ids = encoder.with_ends(ids)
        encoded_s = time.perf_counter()
        vector = encoder.embed(ids)[: wanted.num_dimensions]
        if wanted.normalize:
            # Of this length in 64 bits, as TEI does it.
            vector = vector * vector.dtype.type(1 / float((vector.astype("f8") ** 2).sum()) ** 0.5)
        return Embedded(
            vector=vector,
            num_tokens=len(ids),
            num_characters=len(text),
            tokenization_s=encoded_s - started_s,
            queue_s=started_s - queued_s,
            inference_s=time.perf_counter() - encoded_s,
        )

    def _ids(self, encoder: Encoder, text: str, room: int | None) -> list[int]:
        """Return the tokens of a text; with `room` what is beyond any use is not even read."""
        if not text:
            raise _invalid("`inputs` cannot be empty")
        limit = encoder.max_tokens * MAX_CHARACTERS_PER_TOKEN
        if len(text) > limit:
            if room is None:
                raise _invalid(f"`inputs` must have less than {limit} characters. Given: {len(text)}")
            text = text[:limit]
        return encoder.encode(self._default_prompt + text)


class EmbeddingApplication:
    """Answer requests for vectors.

    Args:
        service: Without its encoder.
        routes: Of the dialect, over it.
        path: The model's file.
    """

    def __init__(self, service: EmbeddingService, routes: Routes, path: Path) -> None:
        self._service, self._routes, self._path = service, routes, path

    def asgi(self) -> Starlette:
        return asgi_of(self._routes)

    def load(self) -> None:
        from serve.engines.e5.encoder import E5Encoder

        logger.info("%s is served from %s: a copy in 4 bits", self._service.served.id, self._path.name)
        self._service.encoder = E5Encoder(self._path)

    def close(self) -> None:
        self._service.close()


def _invalid(message: str) -> RequestError:
    """Refuse a value with the status that TEI 1.8 gives all of them."""
    return RequestError(413, "Validation", f"Input validation error: {message}")
