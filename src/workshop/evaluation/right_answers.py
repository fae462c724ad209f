"""Whether an answer to a question is right: the same numbers, the same words, in any form that counts."""

import re
import unicodedata
from collections.abc import Sequence

from workshop.evaluation.facts import KnownNumbers
from workshop.evaluation.numerals import numbers

MAX_OTHER_WORDS = 2
"""Beside the answer's own and the question's: whoever tells the whole article has answered nothing."""

_MARKS = re.compile(r"[\s“”‘’\"'「」『』<>.,!?·]+")
_ENDING = re.compile(r"(입니다|이에요|예요|이다|다)$")


def is_right_answer(answer: str, accepted: Sequence[str], *, question: str = "") -> bool:
    """Tell whether an answer is one of the accepted ones.

    Numbers count by value and unit, however they are written (4억6000만 원 and 460,000,000원), and no other
    number may stand beside them but those of the question: who names two amounts has not answered. Neither
    may more than MAX_OTHER_WORDS other words. Spaces, quotation marks and punctuation count for nothing.

    Args:
        answer: What a model or a person said.
        accepted: Forms that are right. The first may stand within a sentence; each other one is short for it,
            and must be the whole answer: 7일 for 지난 7일 is right, and 오는 7일 is not.
        question: What was asked.
    """
    answer, question = (unicodedata.normalize("NFKC", text) for text in (answer, question))
    forms = [unicodedata.normalize("NFKC", form) for form in accepted]
    return any(
        _has_its_numbers(answer, form, question)
        and _has_its_words(answer, form, is_whole=place > 0)
        and _num_other_words(answer, form + question) <= MAX_OTHER_WORDS
        for place, form in enumerate(forms)
    )


def _has_its_numbers(answer: str, form: str, question: str) -> bool:
    said, wanted, asked = KnownNumbers(answer), KnownNumbers(form), KnownNumbers(question, asides=True)
    return all(number in said for number in wanted.numbers) and all(
        number in wanted or number in asked for number in said.numbers
    )


def _has_its_words(answer: str, form: str, *, is_whole: bool) -> bool:
    wanted = _without_numbers(form)
    if is_whole:
        return wanted in (said := _without_numbers(answer), _ENDING.sub("", said))
    if numbers(form):
        return wanted in _without_numbers(answer)
    # A name is not the tail of a longer one: 정민 is not in 김정민.
    return bool(re.search(r"(?<!\w)" + r"\s*".join(map(re.escape, "".join(form.split()))), answer))


def _num_other_words(answer: str, known: str) -> int:
    """Count the words that neither the right answer nor the question has, numbers aside."""
    known = _without_numbers(known)
    words = (_without_numbers(word) for word in answer.split())
    return sum(word[:2] not in known for word in words)


def _without_numbers(text: str) -> str:
    kept, end = [], 0
    for number in numbers(text):
        kept.append(text[end : number.start])
        end = number.end
    return _MARKS.sub("", "".join([*kept, text[end:]]))
