"""vLLM: what the server asks of its dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serve.dialect import Dialect, Routes

if TYPE_CHECKING:
    from serve.metrics import RequestMetrics
    from serve.service import Service


def make_routes(service: Service) -> Routes:
    from serve.dialects.vllm.routes import VllmRoutes

    return VllmRoutes(service)


def make_metrics(service: Service) -> RequestMetrics:
    from serve.dialects.vllm.metrics import VllmMetrics

    return VllmMetrics(service.capacity, model_name=service.model_id)


VLLM = Dialect(
    name="vllm",
    variables={
        "model": ("SM_VLLM_MODEL",),
        "quantize": ("SM_VLLM_QUANTIZATION",),
        "adapters": ("SM_VLLM_LORA_MODULES",),
        "runtime_adapters": ("VLLM_ALLOW_RUNTIME_LORA_UPDATING",),
        "max_total_tokens": ("SM_VLLM_MAX_MODEL_LEN",),
        "max_batch_size": ("SM_VLLM_MAX_NUM_SEQS",),
        "dtype": ("SM_VLLM_DTYPE",),
    },
    routes=make_routes,
    metrics=make_metrics,
)
