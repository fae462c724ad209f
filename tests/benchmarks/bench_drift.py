"""How late a new topic is seen, and how often drift is seen where there is none: `make bench` prints it.

Fewer streams than delay.yaml has; `python -m workshop.monitoring.delay` takes as many as one wants.
"""

from __future__ import annotations

import time

import pytest

from workshop.monitoring.delay import SHARES, delay

NUM_STREAMS = 20


@pytest.mark.parametrize("num_requests", [50, 100, 200])
def test_delay(num_requests: int) -> None:
    started_s = time.perf_counter()
    for share in SHARES:
        print("\n", delay(num_requests, share, NUM_STREAMS), end="")
    print(f"\n {time.perf_counter() - started_s:.0f} s")
