"""Text Generation Inference: what the server asks of its dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serve.dialect import Dialect, Routes

if TYPE_CHECKING:
    from serve.metrics import RequestMetrics
    from serve.service import Service


def make_routes(service: Service) -> Routes:
    from serve.dialects.tgi.routes import TgiRoutes

    return TgiRoutes(service)


def make_metrics(service: Service) -> RequestMetrics:
    from serve.dialects.tgi.metrics import TgiMetrics

    return TgiMetrics(service.capacity, max_input=service.max_input, max_total=service.max_total)


TGI = Dialect(
    name="tgi",
    variables={
        "model": ("HF_MODEL_ID",),
        "quantize": ("HF_MODEL_QUANTIZE", "QUANTIZE"),
        "adapters": ("LORA_ADAPTERS",),
        "max_input_tokens": ("MAX_INPUT_TOKENS", "MAX_INPUT_LENGTH"),
        "max_total_tokens": ("MAX_TOTAL_TOKENS",),
        "max_concurrent_requests": ("MAX_CONCURRENT_REQUESTS",),
        "max_batch_size": ("MAX_BATCH_SIZE",),
        "max_batch_prefill_tokens": ("MAX_BATCH_PREFILL_TOKENS",),
        "dtype": ("DTYPE",),
    },
    routes=make_routes,
    metrics=make_metrics,
)
