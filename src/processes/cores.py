"""How many cores there are for a process, and for each of several that compute side by side."""

from __future__ import annotations

import os


def num_cores() -> int:
    """Return the cores that this process may use, under taskset fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_per_process(num_processes: int) -> int:
    """Return the threads for each of several processes that share the cores, 1 or more.

    More would wait for each other: two threads on a busy core were up to ten times slower than one.
    """
    return max(1, num_cores() // num_processes)
