"""Read the thirty news articles written for this workshop: ten to train on, ten to validate, ten to test.

Every event, person, company and town in them is invented, so they can be shipped and shown freely.
No event, person or company occurs in more than one split.
"""

import json
from pathlib import Path

SPLITS = ("train", "validation", "test")

_DIR = Path(__file__).parent / "handwritten"


def rows(split: str) -> list[dict[str, str]]:
    """Return the articles of one split, in the order in which they are stored.

    Args:
        split: "train", "validation" or "test".

    Returns:
        Ten rows with the columns date, category, press, title, document, link and summary.

    Raises:
        ValueError: if there is no such split.
    """
    if split not in SPLITS:
        raise ValueError(
            f"found split {split!r}, expected one of {', '.join(SPLITS)}; pass one of these names"
        )
    with (_DIR / f"{split}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
