"""Korean text cut into morphemes, so that 은행이 and 은행은 share 은행.

The analyser is Kiwi (kiwipiepy 0.24.1 and its model, Apache-2.0). Only `_analyser` knows it: another one
takes its place there. Loading it takes 1.2 s and 340 MB: it is done once, when the first text is cut. What it
says hangs on no processor: 700 texts had the same morphemes with SSE2, SSE4.1, AVX2 and AVX-512 (not tried on
Arm).
"""

import re
from collections.abc import Callable, Iterable
from functools import cache

from processes.cores import num_cores
from workshop.evaluation.rouge import normalized

Analyser = Callable[[Iterable[str]], Iterable[list[str]]]
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
        analysed = _analyser()(map(normalized, texts))
        return [[form for form in forms if _COUNTS.search(form)] for forms in analysed]


MORPHEMES = MorphemeTokenizer()


@cache
def _analyser() -> Analyser:
    from kiwipiepy import Kiwi

    # Names of several words (load_multi_dict) would take another second and stay one morpheme.
    kiwi = Kiwi(num_workers=num_cores(), load_multi_dict=False)
    return lambda texts: ([token.form for token in tokens] for tokens in kiwi.tokenize(iter(texts)))
