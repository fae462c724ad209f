"""What is written is what Prometheus' own parser reads."""

from __future__ import annotations

from tests.serve.prometheus import samples

from serve.metrics import Counter, Gauge, Histogram, write


def test_counters_keep_their_names_and_gauges_are_read_when_asked() -> None:
    counter, level = Counter("requests", "Of all"), [1]
    gauge = Gauge("waiting", "Now", lambda: level[0])
    counter.add(2)
    level[0] = 7
    assert samples(write([counter, gauge], {})) == {("requests",): 2, ("waiting",): 7}
    assert "# TYPE requests counter" in write([counter], {})


def test_labels_are_escaped_and_known_values_are_shown_from_the_start() -> None:
    counter = Counter("failed", "By error", label="err", known=("a",))
    counter.add(1, 'say "가"\n\\')
    found = samples(write([counter], {"model": "m"}))
    assert found == {
        ("failed", ("err", "a"), ("model", "m")): 0,
        ("failed", ("err", 'say "가"\n\\'), ("model", "m")): 1,
    }


def test_buckets_count_what_is_not_above_their_bound() -> None:
    histogram = Histogram("size", "Of things", [1, 2.5], label="kind", known=("x",))
    for size in (0.5, 1, 1.1, 100):
        histogram.observe(size, "x")
    histogram.observe(2, "y", times=3)
    found = samples(write([histogram], {}))
    assert [found["size_bucket", ("kind", "x"), ("le", bound)] for bound in ("1.0", "2.5", "+Inf")] == [
        2,
        3,
        4,
    ]
    assert (found["size_sum", ("kind", "x")], found["size_count", ("kind", "x")]) == (102.6, 4)
    assert (found["size_sum", ("kind", "y")], found["size_count", ("kind", "y")]) == (6, 3)
