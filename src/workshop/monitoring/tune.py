"""Choose the thresholds on the tuning texts: `python -m workshop.monitoring.tune` writes thresholds.yaml.

Each text is scored by models that have not seen it (ten folds). The threshold is the one at which at most
FALSE_ALARM_RATE of the harmless texts are flagged, half-way to the next score, so that no rounding moves it.
The texts that are held out have no part in this.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from workshop.monitoring.measure import LABELLED, Labelled, badness, labelled, measured
from workshop.monitoring.monitors import HIGH_IS_BAD, MONITORS, Models
from workshop.monitoring.thresholds import PATH, Threshold

FALSE_ALARM_RATE = 0.02
NUM_FOLDS = 10
_NUM_DECIMALS = 4
_HEAD = """\
# Beyond which score a monitor flags, chosen on the tuning texts at {rate:.0%} false alarms, each text scored
# by models that have not seen it. Written by `python -m workshop.monitoring.tune`; not by hand.
"""


@cache
def scored_out_of_fold() -> dict[str, list[Labelled]]:
    """Return the tuning texts of each monitor, scored by models that have not seen them."""
    from sample.monitoring.texts import rows

    everything = rows("tuning")
    found: dict[str, list[Labelled]] = {name: [] for name in MONITORS}
    for fold in range(NUM_FOLDS):
        models = Models([row for row in everything if _fold(row) != fold])
        for name in MONITORS:
            held = [row for row in everything if row["monitor"] == LABELLED[name] and _fold(row) == fold]
            found[name] += labelled(name, held, models)
    return found


def threshold_at(name: str, found: Sequence[Labelled], rate: float = FALSE_ALARM_RATE) -> float:
    """Return the threshold beyond which at most this share of the harmless texts lies."""
    scores, is_bad = badness(name, found), np.array([one.is_bad for one in found])
    harmless = np.sort(scores[~is_bad])[::-1]
    last = harmless[int(rate * len(harmless))]
    above = scores[scores > last]
    value = (last + above.min()) / 2 if len(above) else last
    return round(float(value if name in HIGH_IS_BAD else -value), _NUM_DECIMALS)


def tuned() -> dict[str, Any]:
    """Return what thresholds.yaml holds."""
    monitors = {}
    for name, found in scored_out_of_fold().items():
        is_above = name in HIGH_IS_BAD
        value = threshold_at(name, found)
        threshold = Threshold(value=value, is_above=is_above, measured={})
        monitors[name] = {
            "value": value,
            "flags": "above" if is_above else "below",
            "tuning": _rounded(measured(name, found, threshold)),
        }
    return {"false_alarm_rate": FALSE_ALARM_RATE, "monitors": monitors}


def _fold(row: dict[str, Any]) -> int:
    return zlib.crc32(row["id"].encode()) % NUM_FOLDS


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return round(value, _NUM_DECIMALS) if isinstance(value, float) else value


def main() -> None:
    """Write the file and print what stands in it."""
    import yaml

    found = tuned()
    text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=110)
    PATH.write_text(_HEAD.format(rate=FALSE_ALARM_RATE) + text, encoding="utf-8")
    for name, one in found["monitors"].items():
        of = one["tuning"]
        print(
            f"{name:13} {one['flags']} {one['value']:8.4f}  AUC {of['auc']['value']:.3f}  "
            f"false alarms {of['false_alarms']['count']} of {of['false_alarms']['of']}  "
            f"misses {of['misses']['count']} of {of['misses']['of']}"
        )


if __name__ == "__main__":
    main()
