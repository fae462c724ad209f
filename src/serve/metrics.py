"""What is measured of requests, and Prometheus' text format for it: each dialect brings its own names.

Everything is counted once a request, at its end, so that a token costs nothing.

prometheus_client would append `_total` to counters, which TGI does not, and put its own process metrics
beside them; what is needed here is a tenth of it.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from serve.run import Run

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


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


class NoMetrics:
    """Of a container that shows no page of metrics."""

    def received(self) -> None: ...

    def accepted(self, *, num_prompt: int, max_new_tokens: int) -> None: ...

    def succeeded(self, run: Run) -> None: ...

    def failed(self, error_type: str) -> None: ...

    def text(self) -> str:
        return ""


class Counter:
    """Count up.

    Args:
        name: As it is written, `_total` included where there is one.
        description: Of one line.
        label: Name of the label that values are counted by; None for one value.
        known: Values of the label that are shown from the start.
    """

    kind = "counter"

    def __init__(
        self, name: str, description: str, *, label: str | None = None, known: Iterable[str] = ()
    ) -> None:
        self.name, self.description = name, description
        self._label = label
        self._values: dict[str, float] = dict.fromkeys(known if label else [""], 0)

    def add(self, amount: float = 1, value: str = "") -> None:
        self._values[value] = self._values.get(value, 0) + amount

    def samples(self) -> Iterable[tuple[str, dict[str, str], float]]:
        for value, count in self._values.items():
            yield "", {self._label: value} if self._label else {}, count


class Gauge:
    """Show what a function returns at the time of asking."""

    kind = "gauge"

    def __init__(self, name: str, description: str, read: Callable[[], float]) -> None:
        self.name, self.description, self._read = name, description, read

    def samples(self) -> Iterable[tuple[str, dict[str, str], float]]:
        yield "", {}, self._read()


class Histogram:
    """Count observations by size.

    Args:
        name: As it is written.
        description: Of one line.
        bounds: Upper ends of the buckets, ascending, without infinity.
        label: Name of the label that observations are counted by; None for none.
        known: Values of the label that are shown from the start.
    """

    kind = "histogram"

    def __init__(
        self,
        name: str,
        description: str,
        bounds: Sequence[float],
        *,
        label: str | None = None,
        known: Iterable[str] = (),
    ) -> None:
        self.name, self.description = name, description
        self._bounds = tuple(bounds)
        self._label = label
        self._counts = {value: self._empty() for value in (known if label else [""])}
        self._sums = dict.fromkeys(self._counts, 0.0)

    def observe(self, size: float, value: str = "", *, times: int = 1) -> None:
        """Count an observation, or several of the same size."""
        counts = self._counts.setdefault(value, self._empty())
        counts[bisect_left(self._bounds, size)] += times
        self._sums[value] = self._sums.get(value, 0.0) + size * times

    def samples(self) -> Iterable[tuple[str, dict[str, str], float]]:
        for value, counts in self._counts.items():
            labels = {self._label: value} if self._label else {}
            total = 0
            for bound, count in zip((*self._bounds, None), counts, strict=True):
                total += count
                yield "_bucket", labels | {"le": "+Inf" if bound is None else repr(float(bound))}, total
            yield "_sum", labels, self._sums[value]
            yield "_count", labels, total

    def _empty(self) -> list[int]:
        return [0] * (len(self._bounds) + 1)


def write(metrics: Iterable[Counter | Gauge | Histogram], labels: Mapping[str, str]) -> str:
    """Return the text that Prometheus reads.

    Args:
        metrics: In the order they are shown.
        labels: That every sample has.
    """
    lines = []
    for metric in metrics:
        lines.append(f"# HELP {metric.name} {metric.description}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        for suffix, own, value in metric.samples():
            pairs = ",".join(f'{name}="{_escaped(text)}"' for name, text in (labels | own).items())
            lines.append(f"{metric.name}{suffix}{f'{{{pairs}}}' if pairs else ''} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
