"""Adapters that SageMaker's adapter components load while the server serves, and requests for them.

SageMaker asks a container to load or unload an adapter, and names the adapter of a request in a header.

Source: https://github.com/aws/model-hosting-container-standards, "LoRA Adapter Management".
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from processes.errors import UserError
from serve.adapter_rank import check_rank
from serve.bodies import json_response, missing_field, read_json, typed, wrong_type
from serve.errors import RequestError
from serve.service import Service

logger = logging.getLogger(__name__)

HEADER = "X-Amzn-SageMaker-Adapter-Identifier"
WEIGHTS = "adapter_model.safetensors"


class AdapterRoutes:
    """POST /adapters and DELETE /adapters/NAME.

    Args:
        variable: The container's variable that has to be true for it.
    """

    def __init__(self, service: Service, *, variable: str) -> None:
        self._service, self._variable = service, variable

    def routes(self) -> list[Route]:
        return [
            Route("/adapters", self._load, methods=["POST"]),
            Route("/adapters/{name}", self._unload, methods=["DELETE"]),
        ]

    async def _load(self, http: Request) -> Response:
        self._check_enabled()
        value = await read_json(http)
        if not isinstance(value, dict):
            raise wrong_type("", value, "an object with name and src")
        if "name" not in value or "src" not in value:
            raise missing_field([member for member in ("name", "src") if member not in value])
        name, paths = typed("name", value["name"], "string"), self._service.paths
        src = paths.shown(typed("src", value["src"], "string"))
        folder = paths.local(src)
        # Only this format: a pickled file could run code.
        if not (folder / WEIGHTS).is_file():
            raise RequestError(400, "validation", f"the adapter {name!r}: {src} holds no {WEIGHTS}")
        if not name or "." in name:
            raise RequestError(400, "validation", f"found name {name!r}; expected a name without a dot")
        try:
            check_rank(name, folder, self._service.max_lora_rank)
            await asyncio.to_thread(self._service.healthy_engine().load_adapter, name, folder)
        except UserError as error:
            raise RequestError(400, "validation", paths.shown(error.found)) from None
        self._service.adapter_sources[name] = src
        logger.info("Registered adapter %s from %s successfully", name, src)
        return json_response({"status": f"Adapter {name} registered"})

    async def _unload(self, http: Request) -> Response:
        self._check_enabled()
        name = http.path_params["name"]
        try:
            await asyncio.to_thread(self._service.healthy_engine().unload_adapter, name)
        except KeyError:
            raise RequestError(404, "validation", f"the adapter {name!r} is not loaded") from None
        logger.info("Unregistered adapter %s successfully", name)
        return json_response({"status": f"Adapter {name} unregistered"})

    def _check_enabled(self) -> None:
        if not self._service.runtime_adapters:
            message = f"adapters cannot be loaded while the server serves: {self._variable} is not true"
            raise RequestError(400, "validation", message)


def with_adapter(http: Request, value: Any, member: str) -> Any:
    """Return a body that names the adapter of the request's header, if it has one.

    Args:
        member: Where the dialect's bodies name an adapter.
    """
    name = http.headers.get(HEADER)
    return {**value, member: name} if name and isinstance(value, dict) else value
