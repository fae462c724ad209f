"""A dialect's routes as an ASGI application: every error is answered in the dialect's shape."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from serve.dialect import Routes
from serve.errors import RequestError

logger = logging.getLogger(__name__)


def asgi_of(routes: Routes) -> Starlette:
    """Return the ASGI application of a dialect's routes."""

    async def refused(_: Request, error: RequestError) -> Response:
        if error.status != 503:  # of those only health checks ask while the model loads
            logger.warning("refused with %d: %s", error.status, error)
        return routes.error_response(error)

    async def failed(_: Request, error: Exception) -> Response:
        """Answer an unforeseen error; Starlette logs it as it raises it again."""
        message = f"Internal error: {type(error).__name__}; the server's log has more"
        return routes.error_response(RequestError(500, "internal", message))

    handlers = {RequestError: refused, ClientDisconnect: _gone, Exception: failed}
    return Starlette(routes=routes.routes(), exception_handlers=handlers)


async def _gone(*_: object) -> Response:
    logger.info("a client went away before its answer")
    return Response(status_code=499)
