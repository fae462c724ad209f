"""Tables of what the monitors found and of how often they are wrong, for a cell to show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.monitoring.monitors import MONITORS

if TYPE_CHECKING:
    from pandas import DataFrame

DELAY_PATH = Path(__file__).with_name("delay.yaml")


def flags_table(report: Mapping[str, Any]) -> DataFrame:
    """Return a row for each day: requests, and how many of them each monitor flagged."""
    from pandas import DataFrame

    rows = [
        {"day": day["day"], "requests": day["num_requests"]}
        | {name: day["flags"][name]["count"] for name in MONITORS}
        for day in report["days"]
    ]
    return DataFrame(rows).set_index("day")


def days_table(report: Mapping[str, Any]) -> DataFrame:
    """Return a row for each day: the mean of each score; empty where nothing was judged."""
    from pandas import DataFrame

    rows = [{"day": day["day"], "requests": day["num_requests"], **day["means"]} for day in report["days"]]
    return DataFrame(rows).set_index("day").round(3)


def drift_table(report: Mapping[str, Any]) -> DataFrame:
    """Return a row for each day beside the reference: p-values, AUC of the classifier, what saw it."""
    from pandas import DataFrame

    rows = [
        {"day": day["day"], **day["drift"]["p_values"], "domain AUC": day["drift"]["domain_auc"]}
        | {"seen by": ", ".join(day["drift"]["seen_by"])}
        for day in report["days"]
        if "drift" in day
    ]
    return DataFrame(rows).set_index("day").round(4)


def thresholds_table() -> DataFrame:
    """Return a row for each monitor: threshold; AUC, false alarms and misses on both parts."""
    from pandas import DataFrame

    from workshop.monitoring.evaluate import held_out
    from workshop.monitoring.thresholds import load

    rows = []
    for name, of in held_out().items():
        threshold = load()[name]
        row = {"monitor": name, "flags": f"{'>' if threshold.is_above else '<'} {threshold.value:.2f}"}
        for part, numbers in (("tuning", threshold.measured), ("held out", of)):
            auc = numbers["auc"]
            row[f"AUC, {part}"] = f"{auc['value']:.2f} [{auc['low']:.2f}, {auc['high']:.2f}]"
            row[f"false alarms, {part}"] = _share(numbers["false_alarms"])
            row[f"misses, {part}"] = _share(numbers["misses"])
        rows.append(row)
    return DataFrame(rows).set_index("monitor")


def delay_table() -> DataFrame:
    """Return how late drift is seen, as tests/benchmarks/bench_drift.py measured it: a row for each case."""
    import yaml
    from pandas import DataFrame

    measured = yaml.safe_load(DELAY_PATH.read_text(encoding="utf-8"))
    return DataFrame(measured["rows"]).set_index(["requests a day", "new topic"])


def _share(share: Mapping[str, float]) -> str:
    low, high = 100 * share["low"], 100 * share["high"]
    return f"{share['count']} of {share['of']} [{low:.0f}, {high:.0f} %]"
