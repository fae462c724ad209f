"""Target tracking is proportional and rounds up, as the user guide says."""

from __future__ import annotations

import pytest

from sandbox.scaling.target_tracking import tracked


@pytest.mark.parametrize(
    ("capacity", "value", "wanted"),
    [
        (1, 5.0, 5),
        (2, 1.6, 4),
        (1, 1.1, 2),
        (3, 2 / 3, 2),
        (2, 0.6, 2),
        (2, 0.5, 1),
        (4, 0.0, 0),
        (0, 9.0, 0),
    ],
)
def test_target_tracking_is_proportional_and_rounds_up(capacity: int, value: float, wanted: int) -> None:
    assert tracked(capacity, value, 1.0) == wanted


def test_an_error_of_rounding_adds_no_copy() -> None:
    assert 3 * (0.1 * 3) / 0.9 > 1
    assert tracked(3, 0.1 * 3, 0.9) == 1
