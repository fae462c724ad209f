"""chrF: the F-score of character n-grams: no tokenizer, and another particle costs a part of its word only.

The definition is sacrebleu's: n-grams of 1 to 6 characters without white space, recall counting twice as much
as precision, precision and recall averaged over the lengths that both texts have. Here it is between 0 and 1,
and of the text in NFKC, so that NFD or half-width Hangul equals the usual form.
"""

import unicodedata
from collections import Counter

MAX_CHARS = 6
_BETA = 2


def chrf(reference: str, summary: str) -> float:
    """Return the chrF2 of one summary against one reference, between 0 and 1.

    Two texts without a character score 0, as in sacrebleu.

    Source: Popović, "chrF: character n-gram F-score for automatic MT evaluation", 2015; sacrebleu 2.6.0,
    signature nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no.
    """
    target, prediction = _characters(reference), _characters(summary)
    precision = recall = 0.0
    num_lengths = min(MAX_CHARS, len(target), len(prediction))
    for length in range(1, num_lengths + 1):
        asked, said = _ngrams(target, length), _ngrams(prediction, length)
        num_common = sum(min(count, asked[ngram]) for ngram, count in said.items() if ngram in asked)
        precision += num_common / (len(prediction) - length + 1)
        recall += num_common / (len(target) - length + 1)
    if not precision + recall:
        return 0.0
    precision, recall = precision / num_lengths, recall / num_lengths
    return (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)


def _characters(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def _ngrams(text: str, length: int) -> Counter[str]:
    return Counter([text[start : start + length] for start in range(len(text) - length + 1)])
