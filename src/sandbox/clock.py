"""The sandbox's clock: how much faster than on AWS the waits pass that AWS counts in minutes.

The speed applies to baking times, periods of metrics and alarms, cooldowns and the idle time of managed
instances. It never applies to the timeout of a request or of a container's start, and times that are shown
are those of the wall clock.
"""

from __future__ import annotations

import os
from functools import cache

VARIABLE = "SANDBOX_CLOCK_SPEED"
MIN_SPEED, MAX_SPEED = 1.0, 600.0


class ClockError(Exception):
    """The variable holds no speed; the text says what is wrong."""


@cache
def speed() -> float:
    """Return how many seconds of AWS pass in a second, read once from SANDBOX_CLOCK_SPEED.

    Raises:
        ClockError: It is not a number from 1 to 600.
    """
    given = os.environ.get(VARIABLE, "1")
    try:
        number = float(given)
    except ValueError:
        number = float("nan")
    if not MIN_SPEED <= number <= MAX_SPEED:  # not a number is in no range
        raise ClockError(f"{VARIABLE}={given}")
    return number


def real_s(seconds_of_aws: float) -> float:
    """Return the seconds of the wall clock that a wait takes here."""
    return seconds_of_aws / speed()
