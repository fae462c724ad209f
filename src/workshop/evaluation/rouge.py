"""ROUGE-1, ROUGE-2 and ROUGE-L on the words, syllables or morphemes of Korean.

The stock tokenizer of the `rouge-score` package keeps `[a-z0-9]` only: Hangul disappears and two identical
Korean texts score 0. An absolute ROUGE of a Korean text also moves by ten points and more with the way it is
cut into tokens, so every score names its cut: `word_...`, `syllable_...` or `morpheme_...` (morphemes.py).

The formulas are those of `rouge-score`, and the tests compare every number with it. They are written out
because importing that package takes 3 s (it loads nltk) and its table for the longest common subsequence
0.5 s for 200 summaries. `WORDS` and `SYLLABLES` can be handed to its `RougeScorer(tokenizer=...)`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

KINDS = ("1", "2", "l")
METRICS = tuple(f"{unit}_rouge_{kind}" for unit in ("word", "syllable") for kind in KINDS)
"""Names of the scores, in the order in which tables show them."""

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
# From the first to the last letter, digit or % of a run without white space: "“37%로." -> 37%로
_WORD = re.compile(r"[\w%](?:\S*[\w%])?")
# One Hangul syllable, one single jamo, one hanja, a run of digits, or a run of letters of any other script.
_NOT_SPELLED = "가-힣ᄀ-ᇿ㐀-䶿一-鿿豈-﫿"
_SYLLABLE = re.compile(rf"[{_NOT_SPELLED}]|\d+|[^\W\d_{_NOT_SPELLED}]+")


def normalized(text: str) -> str:
    """Bring a text to NFKC and lower case, so that NFD or half-width Hangul equals the usual form.

    Half of a surrogate pair, for which libraries refuse a whole text, becomes U+FFFD.
    """
    return unicodedata.normalize("NFKC", _HALF_A_PAIR.sub("\ufffd", text)).lower()


class WordTokenizer:
    """Cut at white space and strip what is neither letter, digit nor % from both ends of each word.

    Punctuation inside a word stays (3.5, 1,200, 서울·부산). Particles stay too: 은행이 and 은행은 differ.
    """

    def tokenize(self, text: str) -> list[str]:
        """Return the words of a text, in order."""
        return _WORD.findall(normalized(text))


class SyllableTokenizer:
    """Cut into Hangul syllables (and hanja), runs of digits, and runs of letters of other scripts."""

    def tokenize(self, text: str) -> list[str]:
        """Return the syllables of a text, in order."""
        return _SYLLABLE.findall(normalized(text))


WORDS = WordTokenizer()
SYLLABLES = SyllableTokenizer()


class Score(NamedTuple):
    """One ROUGE score; each part is between 0 and 1."""

    precision: float
    recall: float
    fmeasure: float


def rouge(reference: str, summary: str) -> dict[str, Score]:
    """Score one summary against one reference.

    Returns:
        One Score for each name in METRICS. Two texts without any token score 0, as in rouge-score.

    Source: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004; rouge-score 0.1.2.
    """
    scores = {}
    for unit, tokenizer in (("word", WORDS), ("syllable", SYLLABLES)):
        of_kinds = rouge_of_tokens(tokenizer.tokenize(reference), tokenizer.tokenize(summary))
        scores |= {f"{unit}_rouge_{kind}": score for kind, score in of_kinds.items()}
    return scores


def rouge_of_tokens(target: Sequence[str], prediction: Sequence[str]) -> dict[str, Score]:
    """Score a summary that is cut into tokens against its reference; one Score for each of KINDS."""
    return {
        "1": _ngram_score(target, prediction),
        "2": _ngram_score(list(pairwise(target)), list(pairwise(prediction))),
        "l": _score(lcs_length(target, prediction), len(target), len(prediction)),
    }


def rouge_l(reference: str, summary: str, tokenizer: WordTokenizer | SyllableTokenizer = WORDS) -> float:
    """Return the F-measure of ROUGE-L alone, for searching among many candidates."""
    target, prediction = tokenizer.tokenize(reference), tokenizer.tokenize(summary)
    return _score(lcs_length(target, prediction), len(target), len(prediction)).fmeasure


def lcs_length(left: Sequence[str], right: Sequence[str]) -> int:
    """Return the length of the longest common subsequence of two token lists.

    Each bit of `row` is one position of `left`; a zero bit is a step of the usual table. One big-integer
    addition does a whole row of it.

    Source: Hyyrö, "Bit-parallel LCS-length computation revisited", 2004.
    """
    positions: dict[str, int] = {}
    for index, token in enumerate(left):
        positions[token] = positions.get(token, 0) | 1 << index
    full = (1 << len(left)) - 1
    row = full
    for token in right:
        matches = row & positions.get(token, 0)
        row = ((row + matches) | (row - matches)) & full
    return len(left) - row.bit_count()


def _ngram_score(target: Sequence[object], prediction: Sequence[object]) -> Score:
    overlap = (Counter(target) & Counter(prediction)).total()
    return _score(overlap, len(target), len(prediction))


def _score(num_common: int, num_target: int, num_prediction: int) -> Score:
    precision = num_common / max(num_prediction, 1)
    recall = num_common / max(num_target, 1)
    both = precision + recall
    return Score(precision, recall, 2 * precision * recall / both if both else 0.0)
