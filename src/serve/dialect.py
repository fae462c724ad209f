"""What the server asks of a dialect. Dialects come and go in `dialects/`; this interface stays.

A dialect reads the requests of one engine's container and answers as that container does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from serve.errors import RequestError
    from serve.metrics import RequestMetrics
    from serve.service import Service


class Routes(Protocol):
    """A dialect's routes over a service."""

    def routes(self) -> list[Route]: ...

    def error_response(self, error: RequestError) -> Response:
        """Return the answer to a request that is refused or failed."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Name, variables, routes and metrics of one dialect.

    The settings need name and variables alone, before anything heavy is imported: `routes` and `metrics`
    import what they make.

    Args:
        name: As in the settings.
        variables: Setting -> names of the container's environment variables for it; the first that is set
            counts. All dialects' variables are read, whichever is spoken.
        routes: Makes the routes over a service.
        metrics: Makes what counts a service's requests.
    """

    name: str
    variables: Mapping[str, tuple[str, ...]]
    routes: Callable[[Service], Routes]
    metrics: Callable[[Service], RequestMetrics]
