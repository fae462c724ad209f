"""thresholds.yaml: beyond which score a monitor flags, and how often it was wrong on the tuning texts.

`python -m workshop.monitoring.tune` writes the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workshop.errors import WorkshopError

PATH = Path(__file__).with_name("thresholds.yaml")


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Of one monitor.

    Attributes:
        value: A score beyond it is flagged.
        is_above: Whether beyond means above.
        measured: What tuning measured: AUC, false alarms, misses.
    """

    value: float
    is_above: bool
    measured: Mapping[str, Any]

    def is_beyond(self, score: float) -> bool:
        """Tell whether a score is flagged; nan never is."""
        return score > self.value if self.is_above else score < self.value


@cache
def load(path: Path = PATH) -> dict[str, Threshold]:
    """Read the thresholds by monitor.

    Raises:
        WorkshopError: The file is missing or is none.
    """
    import yaml

    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {
            name: Threshold(
                value=float(one["value"]), is_above=one["flags"] == "above", measured=one.get("tuning", {})
            )
            for name, one in read["monitors"].items()
        }
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError) as error:
        raise WorkshopError(
            found=f"no thresholds in {path.name}: {type(error).__name__}: {error}",
            expected="value and flags (above, below) for each monitor",
            next_step="write it again: python -m workshop.monitoring.tune",
        ) from None
