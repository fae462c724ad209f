"""How much of a summary is copied from its article, and how much of it is put in new words.

A high ROUGE is worth less when the reference was copied as well: beside the scores these say whether a model
writes a summary or picks sentences. Words are those of ROUGE; a particle that differs makes a new word.
"""

from collections.abc import Sequence
from typing import NamedTuple

from workshop.evaluation.rouge import WORDS


class Copying(NamedTuple):
    """What of one summary stands in its article, word for word.

    Args:
        coverage: Share of its words that do, between 0 and 1.
        density: Mean length, in words, of the copied stretch that each of its words stands in (0 for a word
            that is new): about 1 when single words are taken over, the length of a sentence when that is.
        novel_bigrams: Share of its word pairs that the article lacks, between 0 and 1.
        novel_trigrams: Share of its word triples that the article lacks.
    """

    coverage: float
    density: float
    novel_bigrams: float
    novel_trigrams: float


def copying(article: str, summary: str) -> Copying:
    """Measure how much of a summary is copied; a summary without a word has 0 of everything.

    Source: Grusky et al., "Newsroom: A Dataset of 1.3 Million Summaries with Diverse Extractive Strategies",
    2018 (coverage, density); Narayan et al., "Don't Give Me the Details, Just the Summary!", 2018 (novel
    n-grams).
    """
    source, words = WORDS.tokenize(article), WORDS.tokenize(summary)
    lengths = fragment_lengths(source, words)
    num_words = max(len(words), 1)
    return Copying(
        coverage=sum(lengths) / num_words,
        density=sum(length**2 for length in lengths) / num_words,
        novel_bigrams=_novel(source, words, 2),
        novel_trigrams=_novel(source, words, 3),
    )


def fragment_lengths(source: Sequence[str], words: Sequence[str]) -> list[int]:
    """Return the lengths of the stretches that are copied, taken greedily from the left, the longest each."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(source):
        places.setdefault(word, []).append(place)
    lengths, start = [], 0
    while start < len(words):
        length, ends = 0, places.get(words[start], [])
        while ends:
            length += 1
            following = words[start + length] if start + length < len(words) else None
            ends = [end + 1 for end in ends if end + 1 < len(source) and source[end + 1] == following]
        if length:
            lengths.append(length)
        start += max(length, 1)
    return lengths


def _novel(source: Sequence[str], words: Sequence[str], num_words: int) -> float:
    known = set(_ngrams(source, num_words))
    said = _ngrams(words, num_words)
    return sum(ngram not in known for ngram in said) / max(len(said), 1)


def _ngrams(words: Sequence[str], num_words: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[first:] for first in range(num_words)), strict=False))
