"""The ASGI application: a dialect's routes over whatever engine is loaded."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from serve.dialects.registry import DIALECTS
from serve.engine import Engine
from serve.errors import RequestError
from serve.model_folder import ModelFolder
from serve.service import Service
from serve.settings import ServeSettings

logger = logging.getLogger(__name__)


class Application:
    """Answer requests; until `engine` is set, the model is loading and the server is unhealthy.

    Args:
        model: The model's folder.
        settings: Dialect and limits.
        max_input: Longest prompt, in tokens.
        max_total: Longest prompt and answer together, in tokens.

    Raises:
        UserError: A variable of the dialect has a value that is not offered.
    """

    def __init__(
        self, model: ModelFolder, settings: ServeSettings, *, max_input: int, max_total: int
    ) -> None:
        dialect = DIALECTS[settings.dialect]
        self._service = Service(
            model,
            max_input=max_input,
            max_total=max_total,
            max_concurrent_requests=settings.max_concurrent_requests,
            request_timeout_s=settings.request_timeout_s,
            metrics=dialect.metrics,
            served=settings.model,
            max_lora_rank=settings.max_lora_rank,
            runtime_adapters=settings.runtime_adapters,
            adapters={name: settings.paths.shown(str(path)) for name, path in settings.adapters.items()},
            options=settings.options,
            paths=settings.paths,
        )
        self._routes = dialect.routes(self._service)

    @property
    def engine(self) -> Engine | None:
        return self._service.engine

    @engine.setter
    def engine(self, engine: Engine) -> None:
        self._service.engine = engine

    def asgi(self) -> Starlette:
        """Return the ASGI application."""
        handlers = {RequestError: self._error_response, ClientDisconnect: _gone, Exception: self._failed}
        return Starlette(routes=self._routes.routes(), exception_handlers=handlers)

    async def _error_response(self, _: Request, error: RequestError) -> Response:
        if error.status != 503:  # of those only health checks ask while the model loads
            logger.warning("refused with %d: %s", error.status, error)
        return self._routes.error_response(error)

    async def _failed(self, _: Request, error: Exception) -> Response:
        """Answer an unforeseen error in the dialect's shape; Starlette logs it as it raises it again."""
        message = f"Internal error: {type(error).__name__}; the server's log has more"
        return self._routes.error_response(RequestError(500, "internal", message))


async def _gone(*_: object) -> Response:
    logger.info("a client went away before its answer")
    return Response(status_code=499)
