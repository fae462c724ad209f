"""LMI (DJL Serving): what the server asks of its dialect."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from serve.dialect import Dialect, Routes
from serve.metrics import NoMetrics

if TYPE_CHECKING:
    from serve.service import Service


def make_routes(service: Service) -> Routes:
    """Return the routes.

    Raises:
        UserError: OPTION_OUTPUT_FORMATTER has a value that is not offered.
    """
    from serve.dialects.lmi.routes import LmiRoutes, read_options

    return LmiRoutes(service, read_options(os.environ))


LMI = Dialect(
    name="lmi",
    variables={
        "model": ("OPTION_MODEL_ID",),
        "quantize": ("OPTION_QUANTIZE",),
        "runtime_adapters": ("OPTION_ENABLE_LORA",),
        "max_total_tokens": ("OPTION_MAX_MODEL_LEN",),
        "max_batch_size": ("OPTION_MAX_ROLLING_BATCH_SIZE",),
        "dtype": ("OPTION_DTYPE",),
    },
    routes=make_routes,
    metrics=lambda _: NoMetrics(),
)
