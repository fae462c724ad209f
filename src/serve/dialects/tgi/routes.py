"""TGI's routes.

Source: text-generation-inference 3.3.7, router/src/server.rs and router/src/sagemaker.rs.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serve.bodies import json_response, missing_field, read_json
from serve.dialects.openai.answers import ChunkStream, Writer
from serve.dialects.openai.requests import Kind, OpenAIRequest, Rules, parse_openai
from serve.dialects.tgi.answers import GenerateStream, answer_headers, generate_body
from serve.dialects.tgi.requests import OPENAI_TABLES, parse_tgi
from serve.errors import RequestError
from serve.event_stream import stream
from serve.metrics import CONTENT_TYPE
from serve.request import MAX_STOP_SEQUENCES, GenerateRequest
from serve.service import MAX_INLINE_CHARACTERS, Service

TGI_VERSION = "3.3.7"
# TGI's --max-client-batch-size.
MAX_PROMPTS = 4
FINGERPRINT = f"{TGI_VERSION}-native"


class TgiRoutes:
    """Answer as TGI does."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._rules = Rules(
            tables=OPENAI_TABLES,
            max_prompts=MAX_PROMPTS,
            own_names=service.served.known_names,
            is_tgi=True,
        )

    def routes(self) -> list[Route]:
        get = {path: self._health for path in ("/", "/ping", "/health")} | {
            "/info": self._info,
            "/metrics": self._metrics,
            "/v1/models": self._models,
        }
        post = {
            "/": self._compatible,
            "/invocations": self._invocations,
            "/generate": self._generate,
            "/generate_stream": self._generate_stream,
            "/tokenize": self._tokenize,
            "/chat_tokenize": self._chat_tokenize,
            "/v1/chat/completions": self._chat,
            "/v1/completions": self._completions,
        }
        return [Route(path, handler, methods=["GET"]) for path, handler in get.items()] + [
            Route(path, handler, methods=["POST"]) for path, handler in post.items()
        ]

    def error_response(self, error: RequestError) -> Response:
        return json_response(error.body, status=error.status)

    async def _health(self, _: Request) -> Response:
        self._service.healthy_engine()
        return Response(status_code=200)

    async def _info(self, _: Request) -> Response:
        service = self._service
        info = {
            "model_id": service.served.id,
            "model_sha": None,
            "model_pipeline_tag": None,
            "max_concurrent_requests": service.max_concurrent_requests,
            "max_best_of": 1,
            "max_stop_sequences": MAX_STOP_SEQUENCES,
            "max_input_tokens": service.max_input,
            "max_total_tokens": service.max_total,
            "validation_workers": 1,
            "max_client_batch_size": MAX_PROMPTS,
            "router": "text-generation-router",
            "version": TGI_VERSION,
            "sha": None,
            "docker_label": None,
        }
        return json_response(info)

    async def _metrics(self, _: Request) -> Response:
        return Response(self._service.metrics.text(), media_type=CONTENT_TYPE)

    async def _models(self, _: Request) -> Response:
        name = self._service.served.id
        model = {"id": name, "object": "model", "created": 0, "owned_by": name}
        return json_response({"object": "list", "data": [model]})

    async def _invocations(self, http: Request) -> Response:
        """Pick the schema by the body: inputs, then messages, then prompt."""
        received_s = time.perf_counter()
        value = await read_json(http)
        if isinstance(value, dict) and "inputs" not in value:
            if "messages" in value:
                return await self._openai("chat", http, value, received_s)
            if "prompt" in value:
                return await self._openai("completion", http, value, received_s)
            raise missing_field(["inputs", "messages", "prompt"])
        return await self._compatibly(http, value, received_s)

    async def _compatible(self, http: Request) -> Response:
        received_s = time.perf_counter()
        return await self._compatibly(http, await read_json(http), received_s)

    async def _compatibly(self, http: Request, value: Any, received_s: float) -> Response:
        """Answer with a one-element array, or a stream when the body says so.

        For a model from a folder TGI puts the prompt before the text here, unless the request says otherwise:
        it finds no pipeline tag and takes that for text generation.
        """
        request = parse_tgi(value)
        full_text = request.parameters["return_full_text"] is not False
        if request.stream:
            return self._stream(request, received_s, full_text)
        return await self._whole(http, request, received_s, full_text, in_array=True)

    async def _generate(self, http: Request) -> Response:
        received_s = time.perf_counter()
        request = parse_tgi(await read_json(http))
        full_text = bool(request.parameters["return_full_text"])
        return await self._whole(http, request, received_s, full_text, in_array=False)

    async def _generate_stream(self, http: Request) -> Response:
        received_s = time.perf_counter()
        request = parse_tgi(await read_json(http))
        return self._stream(request, received_s, bool(request.parameters["return_full_text"]))

    async def _whole(
        self, http: Request, request: GenerateRequest, received_s: float, full_text: bool, *, in_array: bool
    ) -> Response:
        run = await self._service.complete(http, request, received_s)
        body = generate_body(run, full_text=full_text)
        return json_response([body] if in_array else body, headers=answer_headers(run))

    def _stream(self, request: GenerateRequest, received_s: float, full_text: bool) -> Response:
        shape = GenerateStream(full_text=full_text, num_characters=len(request.inputs))
        return stream(self._service, request, received_s, shape)

    async def _chat(self, http: Request) -> Response:
        received_s = time.perf_counter()
        return await self._openai("chat", http, await read_json(http), received_s)

    async def _completions(self, http: Request) -> Response:
        received_s = time.perf_counter()
        return await self._openai("completion", http, await read_json(http), received_s)

    async def _openai(self, kind: Kind, http: Request, value: Any, received_s: float) -> Response:
        if kind == "completion" and isinstance(value, dict) and value.get("suffix") is not None:
            message = "Suffix is not supported and can be achieved by preprocessing the prompt."
            raise RequestError(422, "suffix not supported", message)
        try:
            request = self._parse(kind, value)
        except RequestError as error:
            self._service.metrics.received()
            self._service.metrics.failed(error.error_type)
            raise
        # In TGI a chat's answer has the name that the request has, a completion's always the model's.
        asked = request.model if kind == "chat" and request.model != "tgi" else None
        name = asked or self._service.served.id
        writer = Writer(request, model=name, fingerprint=FINGERPRINT)
        if request.generate.stream:
            return stream(self._service, request.generate, received_s, ChunkStream(writer))
        runs = await self._service.complete_all(http, request.all, received_s)
        return json_response(writer.whole(*runs), headers=answer_headers(*runs))

    def _parse(self, kind: Kind, value: Any) -> OpenAIRequest:
        adapters = self._service.healthy_engine().adapters
        return parse_openai(kind, value, self._rules, self._service.model.chat_template, adapters)

    async def _tokenize(self, http: Request) -> Response:
        return json_response(await self._tokens(parse_tgi(await read_json(http))))

    async def _chat_tokenize(self, http: Request) -> Response:
        request = self._parse("chat", await read_json(http)).generate
        tokens = await self._tokens(request)
        return json_response({"tokenize_response": tokens, "templated_text": request.inputs})

    async def _tokens(self, request: GenerateRequest) -> list[dict[str, Any]]:
        def encode() -> list[dict[str, Any]]:
            pairs = self._service.model.codec.encode_with_places(
                request.inputs, add_special_tokens=not request.is_rendered
            )
            # All of them: TGI does not truncate here, whatever `truncate` says.
            return [
                {"id": id_, "text": request.inputs[start:stop], "start": start, "stop": stop}
                for id_, (start, stop) in pairs
            ]

        if len(request.inputs) > MAX_INLINE_CHARACTERS:
            return await asyncio.to_thread(encode)
        return encode()
