"""Leaks between splits: rows of which a text occurs, whole or nearly, in a split that is tested on.

How alike two texts are is their Jaccard similarity: shared word triples over all word triples of both, after
letter case and punctuation are dropped. 0.7 means that of an article of 90 words about five are different.
Generated news stay far below it: no pair between the splits of one full data set reached 0.45.

Every pair at or above the threshold is found and its similarity is exact. MinHash libraries (rensa 0.5,
datasketch 2.0) only estimate which pairs to look at; with an inverted index, counting is as quick at this
size: a row that shares less than the threshold of its triples with all tested rows together is dismissed
without looking at any of them, and that is nearly every row.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from workshop.news.table import News

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

NEAR_DUPLICATE_JACCARD = 0.7
_NUM_WORDS = 3
_BATCH_ROWS = 1_000
# Which split gives way to which: tested rows stay, so that a score always means the same test set.
_GIVES_WAY_TO = (("validation", ("test",)), ("train", ("test", "validation")))
_KINDS = {"document": "article", "summary": "summary"}


def without_leaks(news: News, *, threshold: float = NEAR_DUPLICATE_JACCARD) -> News:
    """Reject the rows that a tested split holds already, exactly or nearly, by article or by summary.

    The rejected row is the one in the training split, and between validation and test the one in validation;
    the test split always stays whole. The reason names the split and the kind of likeness.

    Args:
        news: cleaned news.
        threshold: Jaccard similarity of word triples from which two texts count as nearly the same, in
            (0, 1].
    """
    for split, tested_splits in _GIVES_WAY_TO:
        reasons: dict[int, str] = {}
        for tested in tested_splits:
            leaks = find_leaks(news.splits[split], news.splits[tested], threshold=threshold)
            for row, kind, similarity in zip(leaks["row"], leaks["kind"], leaks["similarity"], strict=True):
                likeness = "the same" if similarity == 1 else "nearly the same"
                reasons.setdefault(row, f"{likeness} {kind} as in {tested}")
        news = news.reject({split: reasons})
    return news


def find_leaks(
    rows: "pd.DataFrame", tested: "pd.DataFrame", *, threshold: float = NEAR_DUPLICATE_JACCARD
) -> "pd.DataFrame":
    """Find the pairs of nearly the same texts between two splits.

    Args:
        rows: cleaned rows to search, for instance those to train on.
        tested: cleaned rows to compare with.
        threshold: see `without_leaks`.

    Returns:
        One line per pair: `row` and `tested_row` (positions), `kind` ("article" or "summary") and
        `similarity`; the most similar first.
    """
    import pandas as pd

    found = []
    for column, kind in _KINDS.items():
        index = _Index(tested[column])
        for start in range(0, len(rows), _BATCH_ROWS):
            batch = rows[column].iloc[start : start + _BATCH_ROWS]
            found += (
                (start + row, tested_row, kind, similarity)
                for row, tested_row, similarity in index.similar(batch, threshold)
            )
    leaks = pd.DataFrame(found, columns=["row", "tested_row", "kind", "similarity"])
    return leaks.sort_values(["similarity", "row"], ascending=[False, True], ignore_index=True)


class _Index:
    """Which of the tested texts hold a word triple, by triple."""

    def __init__(self, texts: "pd.Series") -> None:
        import numpy as np

        rows, triples, self._num_triples = _triples(texts)
        by_triple = np.argsort(triples, kind="stable")
        self._rows = rows[by_triple]
        self._vocabulary, self._starts = np.unique(triples[by_triple], return_index=True)
        self._ends = np.append(self._starts[1:], len(triples))

    def similar(self, texts: "pd.Series", threshold: float) -> Iterator[tuple[int, int, float]]:
        """Yield (position, position of a tested text, similarity) for each pair at or above the threshold."""
        import numpy as np

        if not len(self._vocabulary) or not len(texts):
            return
        rows, triples, num_triples = _triples(texts)
        places = np.searchsorted(self._vocabulary, triples)
        places[places == len(self._vocabulary)] = 0
        is_known = self._vocabulary[places] == triples
        rows, places = rows[is_known], places[is_known]
        num_known = np.bincount(rows, minlength=len(num_triples))
        bounds = np.searchsorted(rows, np.arange(len(num_triples) + 1))
        # Shared triples are at most those known, all triples at least the row's own.
        # (less a hair: a threshold met exactly must survive the rounding of the product)
        for row in np.flatnonzero(num_known >= threshold * num_triples - 1e-9):
            known = places[bounds[row] : bounds[row + 1]]
            holders = [self._rows[self._starts[place] : self._ends[place]] for place in known]
            num_shared = np.bincount(np.concatenate(holders), minlength=len(self._num_triples))
            similarity = num_shared / (num_triples[row] + self._num_triples - num_shared)
            for tested_row in np.flatnonzero(similarity >= threshold):
                yield int(row), int(tested_row), float(similarity[tested_row])


def _triples(texts: "pd.Series") -> tuple["NDArray[np.int64]", "NDArray[np.uint64]", "NDArray[np.int64]"]:
    """Return (row of each triple, hash of each triple, number of triples of each row).

    Each row's triples are different from each other and come in the rows' order. A text of fewer words is
    padded, so that every row has a triple. The hash has 64 bits: among the full data set's 1.5 million
    different triples, two sharing one is expected once in ten million data sets.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.utf8_lower(pa.array(texts, pa.large_string()))
    plain = pc.replace_substring_regex(plain, r"[^\pL\pN]+", " ")
    words = pc.split_pattern(pc.utf8_trim_whitespace(plain), " ")
    encoded = pc.list_flatten(words).dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    vocabulary = np.asarray(encoded.dictionary.to_pylist() or [""], dtype=object)
    # Numbers in a row's words are positions in the batch; hashes are the same in every batch.
    hashes = pd.util.hash_array(vocabulary, categorize=False)[encoded.indices.to_numpy(zero_copy_only=False)]
    num_words = pc.list_value_length(words).to_numpy(zero_copy_only=False)
    num_triples = np.maximum(num_words - _NUM_WORDS + 1, 1)
    rows = np.repeat(np.arange(len(num_words)), num_triples)
    first_words = np.cumsum(num_words) - num_words
    first_triples = np.cumsum(num_triples) - num_triples
    places = first_words[rows] + np.arange(len(rows)) - first_triples[rows]
    last_words = (first_words + num_words)[rows]
    padded = np.append(hashes, np.zeros(_NUM_WORDS, dtype=np.uint64))
    triples = np.zeros(len(rows), dtype=np.uint64)
    for offset in range(_NUM_WORDS):
        words_there = np.where(places + offset < last_words, padded[places + offset], np.uint64(0))
        triples = triples * np.uint64(0x9E3779B97F4A7C15) + words_there
    order = np.lexsort((triples, rows))
    rows, triples = rows[order], triples[order]
    is_new = np.ones(len(rows), dtype=bool)
    is_new[1:] = (rows[1:] != rows[:-1]) | (triples[1:] != triples[:-1])
    rows, triples = rows[is_new], triples[is_new]
    return rows, triples, np.bincount(rows, minlength=len(num_words))
