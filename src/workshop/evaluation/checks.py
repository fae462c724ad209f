"""What the answer to a prompt is held against: small checks, each with one rule that is right or wrong.

None needs a model, so that the same answer always gets the same judgement. What only a reader can judge is
judge.py's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from workshop.evaluation.facts import KnownNumbers, names_right, numbers
from workshop.evaluation.writing import hangul_share, is_empty

_LETTER = re.compile(r"[^\W\d_]")
# A Korean answer that says that the article does not say, in the words that models use.
_REFUSES = re.compile(
    r"알\s?수\s?없|알지\s?못|모르|모릅|없습니다|없다|없음|없어요|없네요|없는\s?정보|없는\s?내용"
    r"|(나오|나와\s?있|언급되|언급하|언급돼|다루|밝히|밝혀지|제시되|포함되|포함돼|담겨\s?있|적혀\s?있|명시되|확인되)\S*\s?않"
    r"|확인할\s?수\s?없|찾을\s?수\s?없|답할\s?수\s?없|답변할\s?수\s?없|판단할\s?수\s?없"
)


@dataclass(frozen=True)
class Check:
    """One rule.

    Attributes:
        passes: Tells whether an answer keeps it, given what the case asks for.
        is_usable: Tells whether a case may ask for that.
        expected: What it may ask for, in words.
    """

    passes: Callable[[str, Any], bool]
    is_usable: Callable[[Any], bool]
    expected: str


def has_numbers(answer: str, expected: str) -> bool:
    """Tell whether an answer has the numbers of `expected`, and no number beside them."""
    wanted, said = KnownNumbers(expected), KnownNumbers(answer)
    return all(number in said for number in wanted.numbers) and all(
        number in wanted for number in said.numbers
    )


def has_name(answer: str, name: str) -> bool:
    """Tell whether an answer has a name, as itself and not as the end of a longer one."""
    return names_right(answer, [name])


def has_none_of(answer: str, names: Sequence[str]) -> bool:
    """Tell whether none of these names, which the article has too, is in an answer."""
    return not any(names_right(answer, [name]) for name in names)


def has_length(answer: str, bounds: Sequence[int]) -> bool:
    """Tell whether an answer has so many characters, white space not counted."""
    low, high = bounds
    return low <= len("".join(unicodedata.normalize("NFC", answer).split())) <= high


def is_korean(answer: str, least_share: float) -> bool:
    """Tell whether an answer is not empty and so many of its letters are Hangul; a bare number passes."""
    if is_empty(answer):
        return False
    return not _LETTER.search(answer) or hangul_share(answer) >= least_share


def refuses(answer: str, is_wanted: bool) -> bool:
    """Tell whether an answer says that the article does not say, and claims no number in the same breath.

    The rule looks for the words in which Korean says so; one that says it in others is missed, and an answer
    that only quotes them counts: read some of the answers.
    """
    text = unicodedata.normalize("NFC", answer)
    return (bool(_REFUSES.search(text)) and not numbers(text)) is is_wanted


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


CHECKS: dict[str, Check] = {
    "number": Check(
        has_numbers,
        lambda value: _is_text(value) and bool(numbers(value)),
        'a text with a number, in quotes: "340억 원"',
    ),
    "name": Check(has_name, _is_text, "a name"),
    "other_names": Check(
        has_none_of,
        lambda value: isinstance(value, list) and bool(value) and all(map(_is_text, value)),
        "a list of names: [김민수, 다온나노]",
    ),
    "length": Check(
        has_length,
        lambda value: (
            isinstance(value, list)
            and [type(bound) for bound in value] == [int, int]
            and 0 <= value[0] <= value[1]
        ),
        "the fewest and the most characters: [2, 20]",
    ),
    "language": Check(
        is_korean,
        lambda value: type(value) in (int, float) and 0 < value <= 1,
        "a share above 0, at most 1",
    ),
    "refusal": Check(refuses, lambda value: type(value) is bool, "true or false"),
}
