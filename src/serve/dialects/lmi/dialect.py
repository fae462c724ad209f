"""LMI (DJL Serving): what the server asks of its dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from serve.dialect import Dialect, Routes
from serve.dialects.lmi.model_store import read
from serve.dialects.lmi.variables import FAMILIES, TABLE
from serve.metrics import NoMetrics

if TYPE_CHECKING:
    from serve.body_fields import Table
    from serve.service import Service


def make_routes(service: Service) -> Routes:
    """Return the routes.

    Raises:
        UserError: The output formatter is not offered.
    """
    from serve.dialects.lmi.routes import LmiRoutes, read_options

    return LmiRoutes(service, read_options(service.options))


def bodies() -> Mapping[str, Table]:
    from serve.dialects.lmi.requests import TABLES

    return TABLES


LMI = Dialect(
    name="lmi",
    table=TABLE,
    families=FAMILIES,
    read=read,
    routes=make_routes,
    metrics=lambda _: NoMetrics(),
    bodies=bodies,
)
