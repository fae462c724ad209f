"""How the monitors do on texts that were held out: `python -m workshop.monitoring.evaluate` prints it.

`--part adversarial` does so for the texts that were written to be missed.

These texts are in other words, of other families and speakers than those that the thresholds were chosen on,
and no model has counted them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from workshop.monitoring.masking import find
from workshop.monitoring.measure import LABELLED, Labelled, labelled, measured
from workshop.monitoring.monitors import MONITORS, models
from workshop.monitoring.shares import wilson
from workshop.monitoring.thresholds import load

HELD_OUT = "heldout"
_NUM_SHOWN_CHARS = 90


@cache
def scored(part: str) -> dict[str, list[Labelled]]:
    """Return the texts of a part, by monitor, with their scores."""
    from sample.monitoring.texts import rows

    return {name: labelled(name, rows(part, LABELLED[name]), models()) for name in MONITORS}


def held_out(part: str = HELD_OUT) -> dict[str, dict[str, Any]]:
    """Return of each monitor what `measured` says of the held-out texts, or of another part."""
    return {name: measured(name, found, load()[name]) for name, found in scored(part).items()}


def missed(name: str, part: str = HELD_OUT) -> list[Labelled]:
    """Return the texts of a part that a monitor should have flagged and did not."""
    threshold = load()[name]
    return [one for one in scored(part)[name] if one.is_bad and not threshold.is_beyond(one.score)]


def falsely_flagged(name: str, part: str = HELD_OUT) -> list[Labelled]:
    """Return the harmless texts of a part that a monitor flagged."""
    threshold = load()[name]
    return [one for one in scored(part)[name] if not one.is_bad and threshold.is_beyond(one.score)]


def masking_counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how many labelled texts were masked rightly: nothing of a span left, nothing else taken.

    Returns:
        texts, exact (all spans as they are labelled), leaks and false_alarms (count, of, low, high), and the
        texts of both.
    """
    leaks, false_alarms, num_exact = [], [], 0
    for row in rows:
        found = [(one.start, one.end, one.kind) for one in find(row["text"])]
        wanted = [tuple(span) for span in row["spans"]]
        num_exact += found == wanted
        if not all(any(a <= start and end <= b for a, b, _ in found) for start, end, _ in wanted):
            leaks.append(row["text"])
        if found and not wanted:
            false_alarms.append(row["text"])
    num_bad = sum(bool(row["spans"]) for row in rows)
    return {
        "texts": len(rows),
        "exact": num_exact,
        "leaks": _share(leaks, num_bad),
        "false_alarms": _share(false_alarms, len(rows) - num_bad),
    }


def _share(texts: Sequence[str], total: int) -> dict[str, Any]:
    low, high = wilson(len(texts), total)
    return {"count": len(texts), "of": total, "low": low, "high": high, "texts": list(texts)}


def main() -> None:
    """Print AUC, false alarms and misses of each monitor, by family, and the texts that were missed."""
    import argparse

    from sample.monitoring.texts import ADVERSARIAL, PARTS, rows

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=(HELD_OUT, ADVERSARIAL), default=HELD_OUT)
    part = parser.parse_args().part
    for name, of in held_out(part).items():
        print(f"\n{name}: AUC {_text(of['auc'])}")
        for what in ("false_alarms", "misses"):
            share = of[what]
            low, high = (f"{share[end]:.1%}" for end in ("low", "high"))
            print(f"  {what}: {share['count']} of {share['of']}, {share['rate']:.1%} [{low}, {high}]")
            print("   ", ", ".join(f"{kind} {count}" for kind, count in of[f"{what}_by_family"].items()))
        shown = (("missed", missed(name, part)), ("falsely flagged", falsely_flagged(name, part)))
        for title, ones in shown:
            for one in ones:
                said = one.row.get("answer") or one.row["text"]
                print(f"  {title} ({one.row['kind']}, {one.score:.2f}): {said[:_NUM_SHOWN_CHARS]}")
    for shown_part in PARTS if part in PARTS else (part,):
        counts = masking_counts(rows(shown_part, "personal"))
        print(f"\nmasking, {shown_part}: {counts['exact']} of {counts['texts']} texts exactly as labelled")
        for what in ("leaks", "false_alarms"):
            share, texts = counts[what], counts[what]["texts"]
            print(f"  {what}: {share['count']} of {share['of']}", *texts, sep="\n    ")


def _text(interval: Mapping[str, float]) -> str:
    return f"{interval['value']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"


if __name__ == "__main__":
    main()
