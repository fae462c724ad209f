"""Whether the numbers and names of a summary are right: ROUGE alone hides a wrong one.

A summary with one digit changed keeps nearly all of its ROUGE, and is false.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from workshop.evaluation.numerals import Number, numbers

__all__ = [
    "KnownNumbers",
    "Number",
    "NumberCheck",
    "names_right",
    "number_values",
    "numbers",
    "numbers_right",
]


class KnownNumbers:
    """The numbers of a text, to ask whether another text's number is among them.

    They are the same when value and unit agree: 3% is neither 3%p nor 3명. A sign counts where both texts
    write one, so that -3% is "3% 하락" as well, and is not +3%.

    Args:
        text: An article, a reference or a summary.
        asides: Count what `numbers` calls so: an article's 한 번 allows a summary's 1번, while a summary's
            한 번 does not answer to the 1 that a reference asks for.
    """

    def __init__(self, text: str, *, asides: bool = False) -> None:
        self.numbers = numbers(text, asides=asides)
        self._signs: dict[tuple[Decimal, str], set[int]] = defaultdict(set)
        for number in self.numbers:
            self._signs[abs(number.value), number.unit].add(number.sign)

    def __contains__(self, number: Number) -> bool:
        signs = self._signs.get((abs(number.value), number.unit))
        return bool(signs) and (number.sign == 0 or not signs.isdisjoint({0, number.sign}))


def number_values(text: str) -> set[Decimal]:
    """Return the distinct values of a text's numbers, without their units."""
    return {number.value for number in numbers(text)}


class NumberCheck:
    """The numbers that summaries of one article are held against, read once for all of them."""

    def __init__(self, article: str, reference: str) -> None:
        self._known = KnownNumbers(article, asides=True)
        self._asked = numbers(reference)

    def is_right(self, summary: str) -> bool:
        """Tell whether every number of the reference is in the summary, and none that the article lacks."""
        said = KnownNumbers(summary)
        return all(number in said for number in self._asked) and all(
            number in self._known for number in said.numbers
        )


def numbers_right(article: str, reference: str, summary: str) -> bool:
    """Tell whether every number of the reference is in the summary, and none that the article lacks."""
    return NumberCheck(article, reference).is_right(summary)


def names_right(summary: str, names: Iterable[str]) -> bool:
    """Tell whether every name occurs in the summary, as itself and not as the tail of a longer one.

    A particle may follow a name directly (김민수는), so only the character before it is looked at.
    """
    text = unicodedata.normalize("NFKC", summary)
    return all(re.search(rf"(?<!\w){re.escape(_normal(name))}", text) for name in names)


def _normal(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip()
