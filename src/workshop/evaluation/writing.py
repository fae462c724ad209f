"""Whether a summary is a whole Korean text of the right length, whatever it says.

ROUGE sees these faults late or not at all: an answer cut off at the token limit, a sentence said twice, an
answer in English, none at all.
"""

import re
import unicodedata

from workshop.evaluation.rouge import WORDS, normalized

# Behind the last full stop these may follow.
_CLOSING = "\"'”’」』》〉)]}*_ \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029"
_FULL_STOPS = ".!?。"  # in NFKC, which has no other forms of them
# Of a finished sentence in news, written or spoken; 음, 함, 됨 and 임 end a note (보고함, 있음).
_ENDING = re.compile("[가-힣][다요죠까음함됨임]")
_HANGUL = re.compile("[가-힣ᄀ-ᇿ]")  # syllables, and single jamo in NFKC
_NUM_REPEATED_WORDS = 3


def length_ratio(reference: str, summary: str) -> float:
    """Return how long a summary is beside its reference, in characters without white space; 1 is as long."""
    return _num_characters(summary) / max(_num_characters(reference), 1)


def repetition(summary: str) -> float:
    """Return the share of a summary's word triples that it has said before, between 0 and 1.

    Source: Welleck et al., "Neural Text Generation with Unlikelihood Training", 2019 (seq-rep-n).
    """
    words = WORDS.tokenize(summary)
    triples = list(zip(*(words[first:] for first in range(_NUM_REPEATED_WORDS)), strict=False))
    return 1 - len(set(triples)) / len(triples) if triples else 0.0


def is_unfinished(summary: str) -> bool:
    """Tell whether a summary breaks off: it ends neither in a full stop nor in a sentence's last syllable.

    A number's point is no full stop: "3." may have been 3.5; nor are the dots of a pause. An empty text
    breaks off. What ends in such a syllable by chance (보다, 처음) counts as finished, 13 of 1,000 cuts of
    the hand-written summaries, and what is written as headlines are as unfinished: compare with the
    references.
    """
    text = normalized(summary).rstrip(_CLOSING)
    said = text.rstrip(_FULL_STOPS)
    stops = text[len(said) :]
    if stops.strip("."):
        return not said
    if stops == ".":
        return said == "" or said[-1].isdigit()
    return not _ENDING.fullmatch(said[-2:])


def hangul_share(summary: str) -> float:
    """Return the share of Hangul among the letters of a summary, between 0 and 1; 0 without a letter."""
    letters = [letter for letter in unicodedata.normalize("NFKC", summary) if letter.isalpha()]
    return sum(bool(_HANGUL.match(letter)) for letter in letters) / max(len(letters), 1)


def is_empty(summary: str) -> bool:
    """Tell whether a summary holds no word."""
    return not WORDS.tokenize(summary)


def _num_characters(text: str) -> int:
    return len("".join(unicodedata.normalize("NFKC", text).split()))
