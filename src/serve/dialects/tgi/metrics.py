"""TGI's metrics.

Source: text-generation-inference 3.3.7, router/src/server.rs (names, buckets).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from serve.engine import Capacity
from serve.lengths import CHUNK_TOKENS
from serve.metrics import Counter, Gauge, Histogram, write

if TYPE_CHECKING:
    from serve.run import Run

PREFILL, DECODE = "prefill", "decode"
# TGI: 0.0001 s times powers of 1.5.
DURATION_BOUNDS = [0.0001 * 1.5**power for power in range(1, 36)]
# TGI's word for an error -> its label; every other error is one of validation.
ERR_LABELS = {
    "overloaded": "overloaded",
    "generation": "generation",
    "incomplete_generation": "incomplete",
    "healthcheck": "unhealthy",
    "dropped": "dropped",
}


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
        self._max_new.observe(min(max_new_tokens, CHUNK_TOKENS))
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
