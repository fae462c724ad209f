"""Metrics as Prometheus' own parser reads them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


def samples(text: str, *, without: tuple[str, ...] = ()) -> dict[tuple, float]:
    """Return the samples by name and labels, under the names that are written.

    The parser appends `_total` to the names of counters that have none.

    Args:
        text: The page of metrics.
        without: Labels that are left out.
    """
    return {
        (
            sample.name if f"\n{sample.name}" in f"\n{text}" else sample.name.removesuffix("_total"),
            *sorted(pair for pair in sample.labels.items() if pair[0] not in without),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
