"""The ASGI application: a dialect's routes over whatever engine is loaded."""

from __future__ import annotations

from starlette.applications import Starlette

from serve.asgi import asgi_of
from serve.dialects.registry import DIALECTS
from serve.engine import Engine
from serve.engines.load import load_engine
from serve.model_folder import ModelFolder
from serve.service import Service
from serve.settings import ServeSettings


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
        self._settings = settings
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

    def load(self) -> None:
        self.engine = load_engine(self._settings, self._service.model)

    def close(self) -> None:
        if self.engine is not None:
            self.engine.close()

    def asgi(self) -> Starlette:
        """Return the ASGI application."""
        return asgi_of(self._routes)
