"""Korean text cut for a search by words: four ways, from what every engine does to what Korean needs.

Particles stand at a word's end without a space, so 은행이 of a question is not 은행은 of the article.
Morphemes cut them off, but an analyser does not know a coined name and cuts it in two ways; stems keep the
word whole and drop only what stands behind it; syllable bigrams need no dictionary.
"""

from collections.abc import Callable, Iterable
from itertools import groupby, pairwise

from workshop.evaluation.morphemes import Morpheme, analyse
from workshop.evaluation.rouge import SYLLABLES, WORDS, normalized

Cut = Callable[[Iterable[str]], list[list[str]]]
"""Texts to the terms of each, in order; no term has white space in it."""

# Nouns, verbs and adjectives, modifiers, roots, their suffixes, foreign words, digits, hanja, signs like %.
_CONTENT = ("N", "V", "M", "XR", "XSN", "SL", "SN", "SH", "SW", "W")
_NOT_CONTENT = ("VCP", "VX")
_AT_THE_END = ("J", "E", "XSV", "XSA", "VCP", "VX")
_SIGNS = ("SF", "SP", "SS", "SE", "SO", "SB")


def words(texts: Iterable[str]) -> list[list[str]]:
    """Cut at white space, punctuation stripped: what a search engine does that does not know Korean."""
    return [WORDS.tokenize(text) for text in texts]


def bigrams(texts: Iterable[str]) -> list[list[str]]:
    """Cut each word into pairs of neighbouring syllables; a word of one stays, and so do digits and Latin."""
    return [[pair for word in WORDS.tokenize(text) for pair in _pairs(word)] for text in texts]


def morphemes(texts: Iterable[str]) -> list[list[str]]:
    """Cut into morphemes and keep those that mean something: no particles, endings or punctuation."""
    return [_content(analysed) for analysed in analyse(map(_readable, texts))]


def stems(texts: Iterable[str]) -> list[list[str]]:
    """Cut into words without the particles and endings behind them, and morphemes beside them.

    A coined name stays one term, and a compound is found by its parts.
    """
    texts = [_readable(text) for text in texts]
    return [
        _stems(text, analysed) + _content(analysed)
        for text, analysed in zip(texts, analyse(texts), strict=True)
    ]


CUTS: dict[str, Cut] = {"words": words, "morphemes": morphemes, "stems": stems, "bigrams": bigrams}
"""The ways to cut, by the name of the index's column."""


def _readable(text: str) -> str:
    return normalized(text).replace("\ufffd", " ")


def _pairs(word: str) -> list[str]:
    syllables = SYLLABLES.tokenize(word)
    return [a + b for a, b in pairwise(syllables)] or syllables


def _content(analysed: list[Morpheme]) -> list[str]:
    return [
        "".join(one.form.split())
        for one in analysed
        if one.tag.startswith(_CONTENT) and not one.tag.startswith(_NOT_CONTENT)
    ]


def _stems(text: str, analysed: list[Morpheme]) -> list[str]:
    found = []
    for _, group in groupby(analysed, key=lambda one: one.word):
        parts = list(group)
        while parts and parts[-1].tag.startswith(_AT_THE_END + _SIGNS):
            parts.pop()
        while parts and parts[0].tag.startswith(_SIGNS):
            parts.pop(0)
        if parts:
            found.append("".join(text[parts[0].start : parts[-1].end].split()))
    return [stem for stem in found if stem]
