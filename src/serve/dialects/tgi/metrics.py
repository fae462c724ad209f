"""What is measured of requests, under TGI's names or vLLM's.

Everything is counted once a request, at its end, so that a token costs nothing.

Source: text-generation-inference 3.3.7, router/src/server.rs (names, buckets); vLLM,
v1/metrics/loggers.py (names, labels, buckets).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from serve.engine import EOS_TOKEN, LENGTH, STOP_SEQUENCE, Capacity
from serve.metrics import Counter, Gauge, Histogram, write

if TYPE_CHECKING:
    from serve.run import Run

PREFILL, DECODE = "prefill", "decode"
# TGI: 0.0001 s times powers of 1.5.
DURATION_BOUNDS = [0.0001 * 1.5**power for power in range(1, 36)]
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
# TGI's word for an error -> its label; every other error is one of validation.
ERR_LABELS = {
    "overloaded": "overloaded",
    "generation": "generation",
    "incomplete_generation": "incomplete",
    "healthcheck": "unhealthy",
    "dropped": "dropped",
}
# How a generation ends, in OpenAI's words.
OPENAI_REASONS = {LENGTH: "length", EOS_TOKEN: "stop", STOP_SEQUENCE: "stop"}


class RequestMetrics(Protocol):
    """What happens to requests."""

    def received(self) -> None:
        """Count a request of the right types."""

    def accepted(self, *, num_prompt: int, max_new_tokens: int) -> None:
        """Count one whose values are right and that the engine has."""

    def succeeded(self, run: Run) -> None: ...

    def failed(self, error_type: str) -> None: ...

    def text(self) -> str:
        """Return all in Prometheus' format."""


class TgiMetrics:
    """TGI's metrics.

    The batch metrics are counted by request: a step of the model that serves three requests counts three
    times, and its time is the mean time between the tokens of each.

    Args:
        capacity: Of the engine; zeros while there is none.
        max_input: Longest prompt, in tokens: a hundred buckets reach up to it.
        max_total: Longest prompt and answer together, in tokens.
    """

    def __init__(self, capacity: Callable[[], Capacity], *, max_input: int, max_total: int) -> None:
        def duration(name: str, description: str) -> Histogram:
            return Histogram(f"tgi_request_{name}", description, DURATION_BOUNDS)

        def tokens(name: str, description: str, highest: int) -> Histogram:
            bounds = [highest / 100 * (step + 1) for step in range(100)]
            return Histogram(f"tgi_request_{name}", description, bounds)

        methods = {"label": "method", "known": (PREFILL, DECODE)}
        self._count = Counter("tgi_request_count", "Total number of requests")
        self._success = Counter("tgi_request_success", "Number of successful requests")
        self._failure = Counter(
            "tgi_request_failure",
            "Number of failed requests",
            label="err",
            known=("validation", *ERR_LABELS.values()),
        )
        self._duration = duration("duration", "Total time spent processing the request")
        self._validation = duration("validation_duration", "Time spent validating the request")
        self._queue = duration("queue_duration", "Time spent in the queue per request")
        self._inference = duration("inference_duration", "Request inference duration")
        self._per_token = duration("mean_time_per_token_duration", "Mean time per token per request")
        self._generated = tokens("generated_tokens", "Generated tokens per request", max_total)
        self._input_length = tokens("input_length", "Input token length per request", max_input)
        self._max_new = tokens("max_new_tokens", "Maximum new tokens per request", max_total)
        self._batch_count = Counter("tgi_batch_inference_count", "Inference calls per method", **methods)
        self._batch_success = Counter(
            "tgi_batch_inference_success", "Number of successful inference calls per method", **methods
        )
        self._batch_duration = Histogram(
            "tgi_batch_inference_duration", "Batch inference duration", DURATION_BOUNDS, **methods
        )
        self._metrics = (
            self._count, self._success, self._failure,
            self._duration, self._validation, self._queue, self._inference, self._per_token,
            self._generated, self._input_length, self._max_new,
            Gauge("tgi_queue_size", "Current queue size", lambda: capacity().num_waiting),
            Gauge("tgi_batch_current_size", "Current batch size", lambda: capacity().num_active),
            Gauge(
                "tgi_batch_current_max_tokens", "Maximum tokens for the current batch",
                lambda: capacity().num_active_tokens,
            ),
            self._batch_count, self._batch_success, self._batch_duration,
        )  # fmt: skip

    def received(self) -> None:
        self._count.add()

    def accepted(self, *, num_prompt: int, max_new_tokens: int) -> None:
        self._input_length.observe(num_prompt)
        self._max_new.observe(max_new_tokens)
        self._batch_count.add(1, PREFILL)

    def succeeded(self, run: Run) -> None:
        self._success.add()
        self._duration.observe(run.total_s)
        self._validation.observe(run.validation_s)
        self._queue.observe(run.queue_s)
        self._inference.observe(run.inference_s)
        self._per_token.observe(run.time_per_token_s)
        self._generated.observe(run.num_generated)
        num_decoded = run.num_generated - 1
        self._batch_success.add(1, PREFILL)
        self._batch_count.add(num_decoded, DECODE)
        self._batch_success.add(num_decoded, DECODE)
        prefill_s = run.first_token_after_start_s
        self._batch_duration.observe(prefill_s, PREFILL)
        if num_decoded:
            self._batch_duration.observe(
                (run.inference_s - prefill_s) / num_decoded, DECODE, times=num_decoded
            )

    def failed(self, error_type: str) -> None:
        self._failure.add(1, ERR_LABELS.get(error_type, "validation"))

    def text(self) -> str:
        return write(self._metrics, {})


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
