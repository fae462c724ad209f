"""TEI's metrics.

Source: text-embeddings-inference 1.8.2: names in router/src and core/src, bounds in router/src/prometheus.rs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from serve.metrics import Counter, Gauge, Histogram, write

if TYPE_CHECKING:
    from serve.embedding import Embedded
    from serve.embedding_service import EmbeddingService

SINGLE, BATCH = "single", "batch"
FAILURES = ("validation", "batch_size", "tokenization", "overloaded", "inference", "dropped")
# TEI: 0.00001 s times powers of 1.5.
DURATION_BOUNDS = [0.00001 * 1.5**power for power in range(1, 36)]
_TIMES = ("tokenization", "queue", "inference")


class TeiMetrics:
    """TEI's metrics; a batch of the model is one text.

    Attributes:
        service: Whose queue is shown; None while there is none.
    """

    def __init__(self) -> None:
        def durations(prefix: str, about: str) -> dict[str, Histogram]:
            whole = {"": Histogram(f"{prefix}_duration", f"Time of {about}", DURATION_BOUNDS)}
            return whole | {
                name: Histogram(f"{prefix}_{name}_duration", f"{name} of {about}", DURATION_BOUNDS)
                for name in _TIMES
            }

        methods = {"label": "method", "known": (SINGLE, BATCH)}
        self.service: EmbeddingService | None = None
        self._count = Counter("te_request_count", "Requests", **methods)
        self._success = Counter("te_request_success", "Successful requests", **methods)
        self._failure = Counter("te_request_failure", "Failed requests", label="err", known=FAILURES)
        self._embed_count = Counter("te_embed_count", "Texts")
        self._embed_success = Counter("te_embed_success", "Texts with a vector")
        self._of_request = durations("te_request", "a request")
        self._of_text = durations("te_embed", "a text")
        self._length = Histogram("te_request_input_length", "Tokens of a text", [2**n for n in range(10)])
        self._size = Histogram("te_batch_next_size", "Texts of a batch", [2**n for n in range(13)])
        self._tokens = Histogram("te_batch_next_tokens", "Tokens of a batch", [2**n for n in range(21)])
        self._queue = Gauge("te_queue_size", "Texts that wait", self._num_waiting)

    def received(self, *, is_batch: bool) -> None:
        self._count.add(1, BATCH if is_batch else SINGLE)

    def embedded(self, vector: Embedded) -> None:
        self._embed_count.add()
        self._embed_success.add()
        self._length.observe(vector.num_tokens)
        self._size.observe(1)
        self._tokens.observe(vector.num_tokens)
        times = {name: getattr(vector, f"{name}_s") for name in _TIMES}
        for name, seconds in {"": sum(times.values()), **times}.items():
            self._of_text[name].observe(seconds)

    def succeeded(self, vectors: Sequence[Embedded], *, is_batch: bool, total_s: float) -> None:
        self._success.add(1, BATCH if is_batch else SINGLE)
        self._of_request[""].observe(total_s)
        for name in _TIMES:
            mean_s = sum(getattr(each, f"{name}_s") for each in vectors) / len(vectors)
            self._of_request[name].observe(mean_s)

    def failed(self, why: str) -> None:
        self._failure.add(1, why)

    def text(self) -> str:
        return write(
            (
                *(self._count, self._success, self._failure, self._embed_count, self._embed_success),
                *(*self._of_request.values(), *self._of_text.values()),
                *(self._length, self._size, self._tokens, self._queue),
            ),
            {},
        )

    def _num_waiting(self) -> int:
        return max(self.service.num_taken - self.service.num_threads, 0) if self.service else 0
