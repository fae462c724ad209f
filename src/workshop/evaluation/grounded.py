"""Whether the numbers and words of an answer stand in what the model was given, right or not.

Groundedness needs no reference, so that it can be watched in operation. It is not rightness: an answer that
names another person of the same article is grounded and wrong.
"""

from __future__ import annotations

import re
import unicodedata

from workshop.evaluation.facts import KnownNumbers, numbers

# A word may carry a particle here and not there: 김민수는, 담콩읍에서, 은행장입니다, 972억 원이고.
_PARTICLES = (
    "입니다", "이라고", "이었다", "였다", "이다", "이고", "이며", "인데", "이던",
    "에서는", "으로는", "라고", "에서", "에게", "으로", "까지", "부터", "보다",
    "은", "는", "이", "가", "을", "를", "의", "에", "로", "와", "과", "도", "만", "다",
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
_NUM_KEPT_SYLLABLES = 2
"""Of a word without its particle: 이 and 은 stand in every text. A unit may be one: 972억 원."""


def unsupported(answer: str, context: str) -> list[str]:
    """Return the numbers and words of an answer that do not stand in its context, as the answer writes them.

    Numbers are compared by value (`facts.KnownNumbers`): 4억6000만 stands where 460,000,000 does. Words are
    compared whole, with and without a particle: a cut name does not stand where the whole one does.

    Args:
        answer: What the model said.
        context: What it was given to answer from; "" supports nothing.
    """
    answer, context = (unicodedata.normalize("NFKC", text) for text in (answer, context))
    known = KnownNumbers(context, asides=True)
    missing = [
        (number.start, answer[number.start : number.end]) for number in numbers(answer) if number not in known
    ]
    there = {form for _, _, forms in _words(context) for form in forms}
    missing += [(start, word) for start, word, forms in _words(answer) if there.isdisjoint(forms)]
    return [text for _, text in sorted(missing)]


def is_grounded(answer: str, context: str) -> bool:
    """Tell whether all numbers and words of an answer stand in its context; an empty answer does not."""
    return bool(_WORD.search(answer) or numbers(answer)) and not unsupported(answer, context)


def forms_of(word: str, num_kept: int = _NUM_KEPT_SYLLABLES) -> set[str]:
    """Return a word as it is and without each particle that it may end with; so many syllables stay."""
    return {word} | {
        word.removesuffix(particle)
        for particle in _PARTICLES
        if word.endswith(particle) and len(word) - len(particle) >= num_kept
    }


def _words(text: str) -> list[tuple[int, str, set[str]]]:
    """Return place, word and its forms with and without a particle, of all words beside the numbers."""
    letters, ends = list(text), set()
    for number in numbers(text, asides=True):
        letters[number.start : number.end] = " " * (number.end - number.start)
        ends |= {number.end, number.end + 1}  # 972억원 and 972억 원
    found = []
    for match in _WORD.finditer("".join(letters)):
        word, num_kept = match[0], 1 if match.start() in ends else _NUM_KEPT_SYLLABLES
        forms = forms_of(word, num_kept)
        found.append((match.start(), word, forms))
    return found
