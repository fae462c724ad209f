"""What the server asks of a dialect. Dialects come and go in `dialects/`; this interface stays.

A dialect reads the variables and requests of one engine's container and answers as that container does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from serve.container_paths import ContainerPaths
from serve.variables import Family, Given, Variable

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from serve.body_fields import Table
    from serve.errors import RequestError
    from serve.metrics import RequestMetrics
    from serve.service import Service
    from serve.settings import ServeSettings


MAX_CONCURRENT_REQUESTS = 128
"""TGI's own default; the others' images have none that is in force here."""


class Routes(Protocol):
    """A dialect's routes over a service."""

    def routes(self) -> list[Route]: ...

    def error_response(self, error: RequestError) -> Response:
        """Return the answer to a request that is refused or failed."""


class ServerApplication(Protocol):
    """What answers requests; until it has loaded, it is unhealthy."""

    def asgi(self) -> Starlette: ...

    def load(self) -> None:
        """Load the model, in a thread of its own.

        Raises:
            UserError: It cannot be loaded.
        """

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Name, variables, routes and metrics of one dialect.

    The settings need name and variables alone, before anything heavy is imported: `routes` and `metrics`
    import what they make.

    Args:
        name: As in the settings.
        table: The variables of the image, and what becomes of each.
        families: Of variables that the table does not name.
        read: What the container was given: its variables, the model's folder if a flag names it, and where
            /opt/ml is.
        routes: Makes the routes over a service.
        metrics: Makes what counts a service's requests.
        prepare: Of a dialect whose model does not generate text, in place of `routes` and `metrics`: checks
            the settings, and returns what makes the application.
        max_concurrent_requests: The image's own default.
        bodies: Returns the fields of its bodies, by what a body is sent to; the page REQUESTS.md shows them.
    """

    name: str
    table: tuple[Variable, ...]
    families: tuple[Family, ...]
    read: Callable[[Mapping[str, str], str | None, ContainerPaths], Given]
    bodies: Callable[[], Mapping[str, Table]]
    routes: Callable[[Service], Routes] | None = None
    metrics: Callable[[Service], RequestMetrics] | None = None
    prepare: Callable[[ServeSettings], Callable[[], ServerApplication]] | None = None
    max_concurrent_requests: int = MAX_CONCURRENT_REQUESTS

    @cached_property
    def variables(self) -> Mapping[str, tuple[str, ...]]:
        """Setting -> the names of the variables that set it; the first that is given counts."""
        found: dict[str, tuple[str, ...]] = {}
        for variable in self.table:
            if variable.setting:
                found[variable.setting] = (*found.get(variable.setting, ()), variable.name)
        return found
