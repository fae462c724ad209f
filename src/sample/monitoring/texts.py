"""Read the labelled Korean texts by which monitors are tuned and tested: `rows("tuning", "attack")`.

Files of one form. Thresholds are chosen on tuning.jsonl; heldout.jsonl has other wordings, other families of
attacks and other speakers, and stood here before any threshold. adversarial.jsonl was written afterwards, by
somebody who had read how the monitors work, to be missed or flagged falsely: it says what they cannot do, not
how often they fail, and nothing is tuned on it. Nobody's text is in them.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

PARTS = ("tuning", "heldout")
ADVERSARIAL = "adversarial"
MONITORS = ("attack", "toxicity", "sentiment", "topic", "personal", "relevance", "groundedness")
SENTIMENTS = ("negative", "neutral", "positive")
MADE = ("hand", "rules")
"""Written by hand, or drawn and changed by the rules of made.py."""
PERSONAL_KINDS = (
    "rrn", "phone", "email", "card", "account", "passport", "licence", "plate", "business", "address",
)  # fmt: skip
_FIELDS = ("id", "monitor", "text", "article", "answer", "label", "kind", "spans", "made")
_NEEDS = {"relevance": ("article", "answer"), "groundedness": ("article", "answer"), "personal": ("spans",)}
_DIR = Path(__file__).parent


def rows(part: str, monitor: str | None = None) -> list[dict[str, Any]]:
    """Return the labelled texts of one part, in the order in which they are stored.

    Args:
        part: "tuning", "heldout" or "adversarial".
        monitor: one of MONITORS; all of them when left out.

    Returns:
        Rows with id, monitor, text (what the user typed), article and answer (where the monitor reads them),
        label, kind (the family), spans (of personal data: [start, end, kind] in code points of the text as
        it is stored) and made (one of MADE). The label is 1 where the monitor should flag: an attack, an
        insult, a text outside the topics, personal data, an answer that does not fit, one that its article
        does not bear out; else 0. Of sentiment it is one of SENTIMENTS.

    Raises:
        ValueError: for a part or a monitor that does not exist.
    """
    if part not in (*PARTS, ADVERSARIAL):
        raise ValueError(f"found part {part!r}; expected one of {', '.join((*PARTS, ADVERSARIAL))}")
    if monitor is not None and monitor not in MONITORS:
        raise ValueError(f"found monitor {monitor!r}; expected one of {', '.join(MONITORS)}")
    return [dict(row) for row in _stored(part) if monitor in (None, row["monitor"])]


def faults(row: dict[str, Any]) -> list[str]:
    """Return what is wrong with a row; nothing when it can be stored."""
    found = [f"the field {name!r}" for name in row if name not in _FIELDS]
    found += [f"no {name}" for name in ("id", "monitor", "text", "label", "kind", "made") if name not in row]
    if found:
        return found
    if row["monitor"] not in MONITORS:
        return [f"the monitor {row['monitor']!r}"]
    found += [f"no {name}" for name in _NEEDS.get(row["monitor"], ()) if name not in row]
    if not row["text"].strip():
        found.append("an empty text")
    is_label = row["label"] in (SENTIMENTS if row["monitor"] == "sentiment" else (0, 1))
    if not is_label:
        found.append(f"the label {row['label']!r}")
    if row["made"] not in MADE:
        found.append(f"made by {row['made']!r}")
    return found + _faults_of_spans(row)


def counts(part: str) -> dict[str, Counter]:
    """Return how many rows each monitor has of each label."""
    return {name: Counter(row["label"] for row in rows(part, name)) for name in MONITORS}


def composed(text: str) -> str:
    """Return a text with whole syllables: NFC, as all but a few rows are stored."""
    return unicodedata.normalize("NFC", text)


def path_of(part: str) -> Path:
    """Return where a part is stored."""
    return _DIR / f"{part}.jsonl"


@cache
def _stored(part: str) -> list[dict[str, Any]]:
    with path_of(part).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _faults_of_spans(row: dict[str, Any]) -> list[str]:
    found, last = [], 0
    for start, end, kind in row.get("spans", ()):
        if kind not in PERSONAL_KINDS:
            found.append(f"the kind of personal data {kind!r}")
        if not last <= start < end <= len(row["text"]):
            found.append(f"the span {start}-{end}")
        last = end
    if row["monitor"] == "personal" and bool(row.get("spans")) != bool(row["label"]):
        found.append("a label that its spans do not say")
    return found
