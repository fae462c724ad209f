"""How far an article supports an answer: numbers that it lacks, names that it lacks, numbers put elsewhere.

A summary says things in words of its own, so that new verbs count nothing (`evaluation.grounded` counts
them); what counts is what a reader would look up. A negation, or one name of the article in another's place,
changes none of these: such an answer is supported here and wrong.
"""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

from workshop.evaluation.facts import KnownNumbers, Number, numbers
from workshop.evaluation.grounded import unsupported
from workshop.news.sentences import sentence_ends

# What a wrong number, a new name and a number among other words take, chosen on the tuning texts.
_WRONG_NUMBER, _NEW_NAME, _ELSEWHERE = 3.0, 2.0, 0.3

_HAS_LETTERS = re.compile(r"[^\W_]")
_WORD = re.compile(r"[^\W\d_]{2,}")
_SPACE = re.compile(r"\s")
_PARTICLE = re.compile(
    r"(?<=[^\W\d_]{2})(?:으로부터|에서는|으로는|에서|에게|으로|까지|부터|보다|[은는이가을를의에로와과도만])$"
)
# Endings of verbs, and words that summaries bring along.
_VERB = re.compile(
    r"(?:[가-힣]다|[하되르리있없]는|면서|지만|기로|도록|으[며나]|[가-힣][고며던]|해[서야]?|[할될릴된한린든]|려간|어다|아|어|여)$"
)
_COMMON = frozenset(
    "규모의 소식이 등으로 만에 끝에 씨가 위해 통해 없이 가량 대로 것이 배편으로 월에는".split()  # noqa: SIM905
)
_NUM_CHARS_BEFORE, _NUM_CHARS_BEHIND = 14, 8
_NUM_STEM_SYLLABLES = 2


def groundedness(article: str, answer: str) -> float:
    """Return how far an article supports an answer, from 0 (nothing was said) to 1 (all of it).

    Args:
        article: nan comes back where it is "": there is nothing to support an answer.
        answer: What the model said.
    """
    if not article:
        return math.nan
    article, answer = (unicodedata.normalize("NFKC", text) for text in (article, answer))
    if not _HAS_LETTERS.search(answer):
        return 0.0
    known = KnownNumbers(article, asides=True)
    said = numbers(answer)
    num_wrong = sum(number not in known for number in said)
    right = [number for number in said if number in known]
    loss = _WRONG_NUMBER * num_wrong + _NEW_NAME * len(new_names(article, answer))
    return 1 / (1 + loss + _ELSEWHERE * math.fsum(_strangeness(article, answer, right, known)))


def new_names(article: str, answer: str) -> list[str]:
    """Return the words of an answer that look like names and do not stand in its article in any form."""
    there = _SPACE.sub("", article)
    found = []
    for word in unsupported(answer, article):
        stem = _PARTICLE.sub("", word)
        is_word = _WORD.fullmatch(word) and word not in _COMMON and not _VERB.search(word)
        is_other_form = stem in there or (stem == word and stem[:_NUM_STEM_SYLLABLES] in there)
        is_short = stem == word and len(stem) <= _NUM_STEM_SYLLABLES
        if is_word and not is_other_form and not is_short:
            found.append(word)
    return found


def _strangeness(article: str, answer: str, said: list[Number], known: KnownNumbers) -> Iterator[float]:
    """Yield of each number what share of the words around it stands in no sentence that has the number."""
    ends = sentence_ends(article)
    texts = [_SPACE.sub("", article[start:end]) for start, end in pairwise([0, *ends])]
    words = [(match.start(), match[0][:_NUM_STEM_SYLLABLES]) for match in _WORD.finditer(answer)]
    for number in said:
        first, last = number.start - _NUM_CHARS_BEFORE, number.end + _NUM_CHARS_BEHIND
        near = [stem for place, stem in words if first <= place <= last]
        same = [
            one for one in known.numbers if (abs(one.value), one.unit) == (abs(number.value), number.unit)
        ]
        there = {texts[min(bisect_right(ends, one.start), len(texts) - 1)] for one in same}
        yield 1 - max((sum(stem in text for stem in near) / len(near) for text in there if near), default=1.0)
