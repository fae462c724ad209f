"""TEI's routes.

Source: text-embeddings-inference 1.8.2, router/src/http/server.rs.
"""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serve.bodies import json_response, read_json
from serve.dialects.tei.answers import (
    answer_headers,
    error_body,
    openai_body,
    openai_error_body,
    token_objects,
    vectors_body,
)
from serve.dialects.tei.metrics import TeiMetrics
from serve.dialects.tei.requests import EMBED, OPENAI, TOKENIZE, is_base64, parse, wanted_of
from serve.embedding_service import EmbeddingService
from serve.errors import RequestError
from serve.metrics import CONTENT_TYPE

TEI_VERSION = "1.8.2"
# TEI's --max-batch-tokens, which is shown and decides nothing here.
MAX_BATCH_TOKENS = 16_384


class TeiRoutes:
    """Answer as TEI does.

    Args:
        service: Brings texts to the model.
        metrics: That the service counts with.
    """

    def __init__(self, service: EmbeddingService, metrics: TeiMetrics) -> None:
        self._service, self._metrics = service, metrics
        metrics.service = service

    def routes(self) -> list[Route]:
        get = {path: self._health for path in ("/", "/ping", "/health")} | {
            "/info": self._info,
            "/metrics": self._show_metrics,
        }
        post = {path: self._embed for path in ("/", "/invocations", "/embed")} | {
            "/embeddings": self._openai,
            "/v1/embeddings": self._openai,
            "/tokenize": self._tokenize,
        }
        return [Route(path, handler, methods=["GET"]) for path, handler in get.items()] + [
            Route(path, handler, methods=["POST"]) for path, handler in post.items()
        ]

    def error_response(self, error: RequestError) -> Response:
        return json_response(error_body(error), status=error.status)

    async def _health(self, _: Request) -> Response:
        self._service.healthy_encoder()
        return Response(status_code=200)

    async def _info(self, _: Request) -> Response:
        service, encoder = self._service, self._service.healthy_encoder()
        info: dict[str, Any] = {
            "model_id": service.served.id,
            "model_sha": None,
            "model_dtype": "float32",
            "model_type": {"embedding": {"pooling": encoder.pooling}},
            "max_concurrent_requests": service.max_concurrent_requests,
            "max_input_length": encoder.max_tokens,
            "max_batch_tokens": MAX_BATCH_TOKENS,
            "max_batch_requests": None,
            "max_client_batch_size": service.max_client_batch_size,
            "auto_truncate": service.auto_truncate,
            "tokenization_workers": service.num_threads,
            "version": TEI_VERSION,
            "sha": None,
            "docker_label": "the packaged copy in 4 bits, on the CPU",
        }
        return json_response(info)

    async def _show_metrics(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    async def _embed(self, http: Request) -> Response:
        started_s = time.perf_counter()
        texts, is_batch, body = parse(await read_json(http), EMBED)
        found = await self._service.embed(http, texts, wanted_of(body), is_batch=is_batch)
        headers = answer_headers(found, time.perf_counter() - started_s)
        return Response(vectors_body(found), media_type="application/json", headers=headers)

    async def _openai(self, http: Request) -> Response:
        started_s = time.perf_counter()
        try:
            texts, is_batch, body = parse(await read_json(http), OPENAI, of="input")
            is_text = is_base64(body)
            found = await self._service.embed(http, texts, wanted_of(body), is_batch=is_batch)
        except RequestError as error:
            return json_response(openai_error_body(error), status=error.status)
        answer = openai_body(found, model=self._service.served.name, is_base64=is_text)
        headers = answer_headers(found, time.perf_counter() - started_s)
        return Response(answer, media_type="application/json", headers=headers)

    async def _tokenize(self, http: Request) -> Response:
        texts, is_batch, body = parse(await read_json(http), TOKENIZE)
        self._service.check_batch(texts, is_batch=is_batch)
        with_ends, encoder = body.get("add_special_tokens", True), self._service.healthy_encoder()
        found = [await self._service.tokens(text) for text in texts]
        return json_response([token_objects(encoder, ids, with_ends=with_ends) for ids in found])
