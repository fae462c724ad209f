"""vLLM's routes: OpenAI's bodies and nothing else, as the vLLM container of SageMaker answers.

Source: vLLM, entrypoints/openai and entrypoints/serve/sagemaker/api_router.py.
"""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serve.bodies import json_response, read_json
from serve.dialects.adapter_routes import AdapterRoutes, with_adapter
from serve.dialects.openai.requests import Kind, Rules, parse_openai
from serve.dialects.vllm.answers import VllmStream, VllmWriter, error_body
from serve.dialects.vllm.requests import COMPLETION_MAX_TOKENS, OPENAI_TABLES, model_defaults
from serve.errors import RequestError
from serve.event_stream import started_stream
from serve.metrics import CONTENT_TYPE
from serve.service import Service

VLLM_VERSION = "0.30.0"


class VllmRoutes:
    """Answer as vLLM does."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._created = int(time.time())
        generation = service.model.generation
        self._rules = Rules(
            tables=OPENAI_TABLES,
            own_names=service.served.known_names,
            part_separator="\n",
            max_tokens={
                "chat": generation.get("max_new_tokens"),
                "completion": COMPLETION_MAX_TOKENS,
            },
            defaults=model_defaults(generation),
        )

    def routes(self) -> list[Route]:
        return [
            *(Route(path, self._health, methods=["GET"]) for path in ("/health", "/ping")),
            Route("/version", self._version, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
            Route("/v1/models", self._models, methods=["GET"]),
            Route("/ping", self._health, methods=["POST"]),
            Route("/invocations", self._invocations, methods=["POST"]),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/completions", self._completions, methods=["POST"]),
            *AdapterRoutes(self._service, variable="VLLM_ALLOW_RUNTIME_LORA_UPDATING").routes(),
        ]

    def error_response(self, error: RequestError) -> Response:
        body = error_body(error)
        return json_response(body, status=body["error"]["code"])

    async def _health(self, _: Request) -> Response:
        self._service.healthy_engine()
        return Response(status_code=200)

    async def _version(self, _: Request) -> Response:
        return json_response({"version": VLLM_VERSION})

    async def _metrics(self, _: Request) -> Response:
        return Response(self._service.metrics.text(), media_type=CONTENT_TYPE)

    async def _models(self, _: Request) -> Response:
        service = self._service
        models = [self._model(name, root=service.served.id, parent=None) for name in service.served.names]
        models += [
            self._model(name, root=service.adapter_sources.get(name, name), parent=service.served.name)
            for name in service.healthy_engine().adapters
        ]
        return json_response({"object": "list", "data": models})

    def _model(self, name: str, *, root: str, parent: str | None) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": "vllm",
            "root": root,
            "parent": parent,
            "max_model_len": None if parent else self._service.max_total,
            "permission": [],
        }

    async def _invocations(self, http: Request) -> Response:
        received_s = time.perf_counter()
        value = with_adapter(http, await read_json(http), "model")
        if isinstance(value, dict):
            if "messages" in value:
                return await self._answer("chat", http, value, received_s)
            if "prompt" in value:
                return await self._answer("completion", http, value, received_s)
        message = (
            "Cannot find suitable handler for request. "
            "Expected one of: ['ChatCompletionRequest', 'CompletionRequest']"
        )
        raise RequestError(400, "validation", message)

    async def _chat(self, http: Request) -> Response:
        received_s = time.perf_counter()
        return await self._answer("chat", http, await read_json(http), received_s)

    async def _completions(self, http: Request) -> Response:
        received_s = time.perf_counter()
        return await self._answer("completion", http, await read_json(http), received_s)

    async def _answer(self, kind: Kind, http: Request, value: Any, received_s: float) -> Response:
        service = self._service
        adapters = service.healthy_engine().adapters
        request = parse_openai(kind, value, self._rules, service.model.chat_template, adapters)
        writer = VllmWriter(request, model=request.generate.parameters["adapter_id"] or service.served.name)
        if request.generate.stream:
            return await started_stream(service, request.generate, received_s, VllmStream(writer))
        runs = await service.complete_all(http, request.all, received_s)
        return json_response(writer.whole(*runs))
