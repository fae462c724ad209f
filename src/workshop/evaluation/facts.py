"""Whether the numbers and names of a summary are right: ROUGE alone hides a wrong one.

A summary with one digit changed keeps nearly all of its ROUGE, and is false.
"""

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

# Full-width digits and signs count as well: \d and Decimal know every script's digits.
_DIGITS = r"\d+(?:[,，]\d{3}(?!\d))*(?:[.．]\d+)?"
_NUMBER = re.compile(rf"({_DIGITS})([십백천만억조]*)")
_SCALES = {"십": 10, "백": 100, "천": 1_000, "만": 10**4, "억": 10**8, "조": 10**12}
_COMMAS = str.maketrans({",": None, "，": None, "．": "."})


class Number(NamedTuple):
    """A number in a text: where it stands, and what it is worth."""

    start: int
    end: int
    value: Decimal


def numbers(text: str) -> list[Number]:
    """Find the numbers of a Korean text, in order.

    Digits are read with their thousands commas, decimals and the scale words written behind them, so that
    35,000 = 3만5천 = 3만 5000, and 3만 is not 3억. Numbers spelled without a digit (세 명) are not read.
    """
    found: list[Number] = []
    smallest_scale = Decimal(0)
    for match in _NUMBER.finditer(text):
        scale = _scale(match[2])
        value = Decimal(match[1].translate(_COMMAS)) * scale
        number = Number(match.start(), match.end(), value)
        if found and value < smallest_scale and text[found[-1].end : number.start] in ("", " "):
            number = Number(found[-1].start, number.end, found.pop().value + value)
        found.append(number)
        smallest_scale = scale if scale > 1 else Decimal(0)
    return found


def _scale(words: str) -> Decimal:
    """Multiply the scale words behind a number: 천만 is 10,000,000."""
    scale = Decimal(1)
    for word in words:
        scale *= _SCALES[word]
    return scale


def number_values(text: str) -> set[Decimal]:
    """Return the distinct values of a text's numbers."""
    return {number.value for number in numbers(text)}


def numbers_right(article: str, reference: str, summary: str) -> bool:
    """Tell whether every number of the reference is in the summary, and none that the article lacks."""
    said = number_values(summary)
    return number_values(reference) <= said and said <= number_values(article)


def names_right(summary: str, names: Iterable[str]) -> bool:
    """Tell whether every name occurs in the summary, as itself and not as the tail of a longer one.

    A particle may follow a name directly (김민수는), so only the character before it is looked at.
    """
    text = unicodedata.normalize("NFKC", summary)
    return all(re.search(rf"(?<!\w){re.escape(_normal(name))}", text) for name in names)


def _normal(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip()
