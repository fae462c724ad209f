"""The interval of a share: 2 of 60 false alarms are 3.3 %, and may be 0.9 or 11.4 %."""

from __future__ import annotations

import math

_Z = 1.959964  # 95 %


def wilson(num_found: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share. Source: Wilson, "Probable Inference", 1927."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = num_found / total, _Z**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)
