"""The metrics of vLLM that clients and autoscalers read.

Source: vLLM, v1/metrics/loggers.py (names, labels, buckets).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from serve.dialects.openai.answers import OPENAI_REASONS
from serve.engine import Capacity
from serve.metrics import Counter, Gauge, Histogram, write

if TYPE_CHECKING:
    from serve.run import Run

TTFT_BOUNDS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
    1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
)  # fmt: skip
INTER_TOKEN_BOUNDS = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
)  # fmt: skip
LATENCY_BOUNDS = (
    0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
)  # fmt: skip


class VllmMetrics:
    """The metrics of vLLM that clients and autoscalers read.

    Args:
        capacity: Of the engine; zeros while there is none.
        model_name: Every sample's label.
    """

    def __init__(self, capacity: Callable[[], Capacity], *, model_name: str) -> None:
        self._labels = {"model_name": model_name, "engine": "0"}
        self._success = Counter(
            "vllm:request_success_total",
            "Count of successfully processed requests.",
            label="finished_reason",
            known=("stop", "length", "abort", "error"),
        )
        self._prompt = Counter("vllm:prompt_tokens_total", "Number of prefill tokens processed.")
        self._generation = Counter("vllm:generation_tokens_total", "Number of generation tokens processed.")
        self._ttft = Histogram(
            "vllm:time_to_first_token_seconds", "Histogram of time to first token in seconds.", TTFT_BOUNDS
        )
        self._inter_token = Histogram(
            "vllm:inter_token_latency_seconds",
            "Histogram of inter-token latency in seconds.",
            INTER_TOKEN_BOUNDS,
        )
        self._latency = Histogram(
            "vllm:e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", LATENCY_BOUNDS
        )
        self._metrics = (
            Gauge(
                "vllm:num_requests_running",
                "Number of requests in model execution batches.",
                lambda: capacity().num_active,
            ),
            Gauge(
                "vllm:num_requests_waiting",
                "Number of requests waiting to be processed.",
                lambda: capacity().num_waiting,
            ),
            self._success, self._prompt, self._generation, self._ttft, self._inter_token, self._latency,
        )  # fmt: skip

    def received(self) -> None:
        """vLLM counts requests when they end."""

    def accepted(self, *, num_prompt: int, max_new_tokens: int) -> None:
        self._prompt.add(num_prompt)

    def succeeded(self, run: Run) -> None:
        self._success.add(1, OPENAI_REASONS[run.finish_reason])
        self._generation.add(run.num_generated)
        self._latency.observe(run.total_s)
        first_s, num_later = run.first_token_after_start_s, run.num_generated - 1
        self._ttft.observe(run.validation_s + run.queue_s + first_s)
        if num_later:
            self._inter_token.observe((run.inference_s - first_s) / num_later, times=num_later)

    def failed(self, error_type: str) -> None:
        if error_type in ("dropped", "generation", "incomplete_generation"):
            self._success.add(1, "abort" if error_type == "dropped" else "error")

    def text(self) -> str:
        return write(self._metrics, self._labels)
