"""Read the thirty news articles written for this workshop, ten for each split, and sixty questions on them.

Every event, person, company and town in them is invented, so they can be shipped and shown freely.
No event, person or company occurs in more than one split.
"""

import json
from pathlib import Path
from typing import Any

SPLITS = ("train", "validation", "test")
WORDINGS = ("direct", "paraphrase", "keywords", "typing error")
"""How a question is put: in the article's own words; in others; as one types into a search box; mistyped."""

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


def questions() -> list[dict[str, Any]]:
    """Return two questions on each article, in the order of the articles.

    Returns:
        Sixty rows: split and row (of the article), wording (one of WORDINGS), asks_for ("number", "name",
        "place" or "time"), question, and answers, of which the first stands in the article word for word.
    """
    with (_DIR / "questions.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
