"""What is known of an answer at once: without a reference, and against one where there is one."""

from __future__ import annotations

import math
from collections.abc import Mapping

from workshop.evaluation.facts import numbers_right
from workshop.monitoring.monitors import answer_quality


def quality_of(article: str, text: str, references: Mapping[str, str] | None = None) -> dict[str, float]:
    """Return relevance and groundedness, as the monitors score them, and whether the numbers are right.

    A summary that repeats its article is grounded and relevant by nature: the first sentences are both.

    Args:
        article: The article.
        text: The answer.
        references: Article -> its summary by a person, where there is one; "numbers right" is 1 or 0 for
            these and is not known of others.
    """
    known = answer_quality("", article, text)
    reference = (references or {}).get(article)
    if reference is not None:
        known["numbers right"] = float(numbers_right(article, reference, text))
    return {name: value for name, value in known.items() if not math.isnan(value)}
