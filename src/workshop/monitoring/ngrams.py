"""Two ways to judge a short text by its character n-grams: the nearest known one, and what tells kinds apart.

Both count, in plain Python: no library to load, the same result on every processor, a tenth of a millisecond
for a sentence. Words are not looked at, so that spelling and particles matter little.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from workshop.monitoring.letters import letters

SIZES = (1, 2)


def grams(text: str, sizes: Sequence[int] = SIZES) -> set[str]:
    """Return the character n-grams of a text's letters; its beginning and end are characters, too.

    How a Korean sentence ends tells an order (...하라) from news (...했다).
    """
    plain = f"^{letters(text)}$"
    return {plain[start : start + size] for size in sizes for start in range(len(plain) - size + 1)}


class Match(NamedTuple):
    """The known text that is nearest, and its cosine: 1 for the same, 0 without a common n-gram."""

    similarity: float
    place: int


class NearestKnown:
    """Known texts, to ask which one a text is nearest to.

    Args:
        known: At least one.
        others: Texts of other kinds: n-grams that are frequent among all count little.
    """

    def __init__(
        self, known: Sequence[str], others: Sequence[str] = (), sizes: Sequence[int] = SIZES
    ) -> None:
        self._sizes = sizes
        vectors = [grams(text, sizes) for text in known]
        frequency = Counter(gram for one in vectors for gram in one)
        frequency.update(gram for text in others for gram in grams(text, sizes))
        total = len(known) + len(others) + 1
        self._weight = {gram: math.log(total / (1 + count)) + 1 for gram, count in frequency.items()}
        self._rare = math.log(total) + 1
        self._having: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, one in enumerate(vectors):
            norm = self._norm(one)
            for gram in one:
                self._having[gram].append((place, self._weight[gram] / norm))

    def nearest(self, text: str) -> Match:
        """Return the nearest known text."""
        found = grams(text, self._sizes)
        products: dict[int, float] = defaultdict(float)
        for gram in sorted(found & self._having.keys()):  # sums in one order: sets have none
            for place, weight in self._having[gram]:
                products[place] += weight * self._weight[gram]
        if not products:
            return Match(0.0, 0)
        place = max(products, key=lambda one: (products[one], -one))
        return Match(products[place] / self._norm(found), place)

    def _norm(self, found: set[str]) -> float:
        return math.sqrt(math.fsum(self._weight.get(gram, self._rare) ** 2 for gram in found)) or 1.0


class LogOdds:
    """How much more likely a text's n-grams are in one kind of text than in another: above 0 it is that kind.

    Naive Bayes over n-grams that occur in a text, divided by the root of their number: otherwise a long text
    would be surer than a short one only by its length.

    Args:
        texts: Of the kind.
        others: Of the other kind.
        smoothing: Added to every count.
    """

    def __init__(
        self,
        texts: Sequence[str],
        others: Sequence[str],
        sizes: Sequence[int] = SIZES,
        smoothing: float = 0.5,
    ) -> None:
        self._sizes = sizes
        there = Counter(gram for text in texts for gram in grams(text, sizes))
        elsewhere = Counter(gram for text in others for gram in grams(text, sizes))
        first, second = len(texts) + 2 * smoothing, len(others) + 2 * smoothing
        self._weight = {
            gram: math.log((there[gram] + smoothing) / first)
            - math.log((elsewhere[gram] + smoothing) / second)
            for gram in there.keys() | elsewhere.keys()
        }

    def score(self, text: str) -> float:
        """Return the log-odds of a text; 0 for one without a known n-gram."""
        weights = [self._weight[gram] for gram in grams(text, self._sizes) if gram in self._weight]
        return math.fsum(weights) / math.sqrt(len(weights)) if weights else 0.0
