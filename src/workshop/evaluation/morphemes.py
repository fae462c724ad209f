"""Korean text cut into morphemes, so that 은행이 and 은행은 share 은행.

The analyser is Kiwi (kiwipiepy 0.24.1 and its model, Apache-2.0). Only `_analyser` knows it: another one
takes its place there. Loading it takes 1.2 s and 340 MB: it is done once, when the first text is cut. What it
says hangs on no processor: 700 texts had the same morphemes with SSE2, SSE4.1, AVX2 and AVX-512 (not tried on
Arm).
"""

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from processes.cores import num_cores
from workshop.evaluation.rouge import normalized

if TYPE_CHECKING:
    from kiwipiepy import Token


class Morpheme(NamedTuple):
    """One morpheme of a text.

    Attributes:
        form: Its dictionary form.
        tag: Of the Sejong set: N... for nouns, J... for particles, E... for endings, S... for signs.
        start: Where it begins in the text.
        end: Where it ends.
        word: Of which word between spaces it is part, as a key to group by.
    """

    form: str
    tag: str
    start: int
    end: int
    word: tuple[int, ...]


Analyser = Callable[[Iterable[str]], Iterable[list[Morpheme]]]
"""Texts to the morphemes of each, in order."""

# As in the words of ROUGE, punctuation counts for nothing and % does.
_COUNTS = re.compile(r"[\w%]")


class MorphemeTokenizer:
    """Cut into morphemes: stems, particles and endings each on their own, in their dictionary form."""

    def tokenize(self, text: str) -> list[str]:
        """Return the morphemes of a text, in order."""
        return self.tokenize_all([text])[0]

    def tokenize_all(self, texts: Iterable[str]) -> list[list[str]]:
        """Return the morphemes of each text; many at a time are analysed on all cores."""
        analysed = analyse(map(normalized, texts))
        return [[one.form for one in morphemes if _COUNTS.search(one.form)] for morphemes in analysed]


MORPHEMES = MorphemeTokenizer()


def analyse(texts: Iterable[str]) -> list[list[Morpheme]]:
    """Return the morphemes of each text as it is, signs included; many are analysed on all cores.

    Half of a surrogate pair is refused by the analyser: `normalized` of rouge.py takes it away.
    """
    return list(_analyser()(texts))


@cache
def _analyser() -> Analyser:
    from kiwipiepy import Kiwi

    # Names of several words (load_multi_dict) would take another second and stay one morpheme.
    kiwi = Kiwi(num_workers=num_cores(), load_multi_dict=False)
    return lambda texts: (list(map(_morpheme, tokens)) for tokens in kiwi.tokenize(iter(texts)))


def _morpheme(token: "Token") -> Morpheme:
    word = (token.line_number, token.sent_position, token.word_position)
    return Morpheme(token.form, token.tag, token.start, token.end, word)
