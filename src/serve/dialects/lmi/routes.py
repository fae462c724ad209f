"""LMI's routes (DJL Serving): `inputs` or OpenAI's chat bodies, to whole answers, JSON lines or events.

Source: https://docs.djl.ai/docs/serving/serving/docs/lmi/user_guides/lmi_input_output_schema.html (0.31).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from processes.errors import UserError
from serve.bodies import json_response, read_json
from serve.dialects.adapter_routes import AdapterRoutes, with_adapter
from serve.dialects.lmi.answers import LineStream, LmiChunks, LmiWriter, error_body, generate_body
from serve.dialects.lmi.requests import OPENAI_TABLES, parse_lmi, read_adapter
from serve.dialects.openai.requests import Kind, Rules, parse_openai
from serve.dialects.vllm.answers import VllmWriter
from serve.dialects.vllm.requests import COMPLETION_MAX_TOKENS, model_defaults
from serve.errors import RequestError
from serve.event_stream import started_stream
from serve.service import Service

FORMATTERS = ("json", "jsonlines", "sse")


@dataclass(frozen=True, kw_only=True)
class LmiOptions:
    """What LMI's variables say.

    Args:
        formatter: OPTION_OUTPUT_FORMATTER: json, jsonlines or sse; None to follow the request.
        tgi_compat: OPTION_TGI_COMPAT: TGI's array and events.
    """

    formatter: str | None = None
    tgi_compat: bool = False

    def formatter_for(self, stream: bool) -> str:
        if self.formatter is not None:
            return self.formatter
        return ("sse" if self.tgi_compat else "jsonlines") if stream else "json"


def read_options(given: Mapping[str, str]) -> LmiOptions:
    """Read LMI's options, by their names in `option.NAME`.

    Raises:
        UserError: An output formatter that is not offered.
    """
    formatter = given.get("output_formatter") or None
    if formatter not in (None, *FORMATTERS):
        raise UserError(
            found=f"OPTION_OUTPUT_FORMATTER = {formatter!r}",
            expected=f"one of {', '.join(FORMATTERS)}, or none",
            next_step="correct OPTION_OUTPUT_FORMATTER, or leave it out",
        )
    return LmiOptions(formatter=formatter, tgi_compat=given.get("tgi_compat", "").lower() == "true")


class LmiRoutes:
    """Answer as LMI does."""

    def __init__(self, service: Service, options: LmiOptions) -> None:
        self._service, self._options = service, options
        self._rules = Rules(
            tables=OPENAI_TABLES,
            own_names=service.served.known_names,
            part_separator="\n",
            max_tokens={"completion": COMPLETION_MAX_TOKENS},
            defaults=model_defaults(service.model.generation),
        )

    def routes(self) -> list[Route]:
        return [
            Route("/ping", self._ping, methods=["GET"]),
            Route("/models", self._models, methods=["GET"]),
            Route("/invocations", self._invocations, methods=["POST"]),
            Route("/predictions/{name}", self._predictions, methods=["POST"]),
            Route("/v1/chat/completions", self._invocations, methods=["POST"]),
            *AdapterRoutes(self._service, variable="OPTION_ENABLE_LORA").routes(),
        ]

    def error_response(self, error: RequestError) -> Response:
        body = error_body(error)
        return json_response(body, status=body["code"])

    async def _ping(self, _: Request) -> Response:
        self._service.healthy_engine()
        return json_response({"status": "Healthy"})

    async def _models(self, _: Request) -> Response:
        """List the model as DJL Serving's management API does, on the same port.

        Source: https://docs.djl.ai/docs/serving/serving/docs/management_api.html
        """
        is_loaded = self._service.engine is not None
        model = {
            "modelName": self._service.served.store_name,
            "modelUrl": self._service.served.store_url,
            "minWorkers": 1,
            "maxWorkers": 1,
            "loadedAtStartup": True,
            "modelStatus": "Healthy" if is_loaded else "Starting",
        }
        return json_response({"models": [model]})

    async def _predictions(self, http: Request) -> Response:
        name = http.path_params["name"]
        if name != self._service.served.store_name:
            raise RequestError(404, "model_not_found", f"Model or workflow not found: {name[:200]}")
        return await self._invocations(http)

    async def _invocations(self, http: Request) -> Response:
        received_s = time.perf_counter()
        value = await read_json(http)
        adapters = self._service.healthy_engine().adapters
        if isinstance(value, dict) and "inputs" not in value:
            for kind, main in (("completion", "prompt"), ("chat", "messages")):
                if main in value:
                    given = with_adapter(http, value, "model")
                    return await self._openai(kind, http, given, received_s, adapters)
        request = parse_lmi(with_adapter(http, value, "adapters"), adapters)
        formatter = self._options.formatter_for(request.stream)
        if formatter != "json":
            shape = LineStream(is_sse=formatter == "sse", tgi_compat=self._options.tgi_compat)
            return await started_stream(self._service, request, received_s, shape)
        run = await self._service.complete(http, request, received_s)
        body = generate_body(run, tgi_compat=self._options.tgi_compat)
        return json_response([body] if self._options.tgi_compat else body)

    async def _openai(
        self, kind: Kind, http: Request, value: Any, received_s: float, adapters: tuple[str, ...]
    ) -> Response:
        service = self._service
        if chosen := read_adapter(value.get("adapters"), adapters):
            value = {name: item for name, item in value.items() if name != "adapters"} | {"model": chosen}
        request = parse_openai(kind, value, self._rules, service.model.chat_template, adapters)
        # A prompt is answered by the default handler, which passes vLLM's answer on.
        make = LmiWriter if kind == "chat" else VllmWriter
        name = request.generate.parameters["adapter_id"] or service.served.name
        writer = make(request, model=name)
        if kind == "chat":  # events since June 2026 (lines in 0.36 and before), whatever formatter is chosen
            formatter = "sse" if request.generate.stream else "json"
        else:
            formatter = self._options.formatter_for(request.generate.stream)
        if formatter != "json":
            shape = LmiChunks(writer, is_sse=formatter == "sse")
            return await started_stream(service, request.generate, received_s, shape)
        runs = await service.complete_all(http, request.all, received_s)
        return json_response(writer.whole(*runs))
