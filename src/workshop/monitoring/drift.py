"""Whether a day's requests differ from those of a reference window, and how surely."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workshop.monitoring.ngrams import grams

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

NUM_SHUFFLES = 200
_NUM_FOLDS = 5
_DOMAIN_SIZES = (2, 3)


def ks(reference: Sequence[float], values: Sequence[float]) -> float:
    """Return the p-value of the two-sample Kolmogorov-Smirnov test; 1 where a side has fewer than two.

    Values that are nan were not judged and do not count. Source: scipy.stats.ks_2samp.
    """
    from scipy.stats import ks_2samp

    first, second = (np.asarray(one, dtype=float) for one in (reference, values))
    first, second = first[~np.isnan(first)], second[~np.isnan(second)]
    if min(len(first), len(second)) < 2:
        return 1.0
    return float(ks_2samp(first, second).pvalue)


class Domain(NamedTuple):
    """How well a classifier tells a day's texts from those of the reference, and the p-value of that.

    auc is .5 where it cannot, measured on texts that it was not trained on.
    """

    auc: float
    p_value: float


def domain_classifier(reference: Sequence[str], texts: Sequence[str], *, seed: int = 0) -> Domain:
    """Train a classifier on "reference or today?" and say whether it does better than on shuffled days.

    Naive Bayes over character n-grams, five folds. The same classifier is trained on NUM_SHUFFLES shuffled
    labellings; the p-value is the normal tail beyond their mean and deviation, so that it can be smaller than
    one in their number.

    Source: Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", 2017.
    """
    from scipy.stats import norm, rankdata

    if min(len(reference), len(texts)) < _NUM_FOLDS:
        return Domain(0.5, 1.0)
    matrix = _gram_matrix([*reference, *texts])
    is_today = np.arange(matrix.shape[0]) >= len(reference)
    generator = np.random.default_rng(seed)
    labels = np.column_stack([is_today, *(generator.permutation(is_today) for _ in range(NUM_SHUFFLES))])
    folds = generator.permutation(matrix.shape[0]) % _NUM_FOLDS
    ranks = rankdata(_out_of_fold(matrix, labels, folds), axis=0)
    num_today, num_before = len(texts), len(reference)
    sums = (ranks * labels).sum(axis=0) - num_today * (num_today + 1) / 2
    found = sums / (num_today * num_before)
    shuffled = found[1:]
    z = (found[0] - shuffled.mean()) / max(float(shuffled.std(ddof=1)), 1e-9)
    return Domain(float(found[0]), float(norm.sf(z)))


def _gram_matrix(texts: Sequence[str]) -> csr_matrix:
    """Return which n-grams (columns) occur in which text (rows); those of one text alone say nothing."""
    from scipy.sparse import csr_matrix

    found = [grams(text, _DOMAIN_SIZES) for text in texts]
    counts = Counter(gram for one in found for gram in one)
    columns = {gram: place for place, gram in enumerate(sorted(gram for gram in counts if counts[gram] > 1))}
    places = [[columns[gram] for gram in one if gram in columns] for one in found]
    lengths = np.cumsum([0, *map(len, places)])
    indices = np.fromiter((place for one in places for place in one), dtype=np.int64, count=lengths[-1])
    return csr_matrix((np.ones(len(indices)), indices, lengths), shape=(len(texts), max(len(columns), 1)))


def _out_of_fold(matrix: csr_matrix, labels: NDArray[np.bool_], folds: NDArray) -> NDArray[np.float64]:
    """Return each text's log-odds under each labelling (columns), by a classifier of the other folds."""
    lengths = np.sqrt(np.maximum(matrix.getnnz(axis=1), 1))[:, None]
    scores = np.zeros(labels.shape)
    for fold in range(_NUM_FOLDS):
        train, test = folds != fold, folds == fold
        there, total = matrix[train].T @ labels[train].astype(float), matrix[train].sum(axis=0).A1[:, None]
        num_there = labels[train].sum(axis=0)
        weights = np.log((there + 0.5) / (num_there + 1)) - np.log(
            (total - there + 0.5) / (train.sum() - num_there + 1)
        )
        scores[test] = (matrix[test] @ weights) / lengths[test]
    return scores


def share_p_value(num_before: int, total_before: int, num_today: int, total_today: int) -> float:
    """Return the p-value of Fisher's exact test that a flag is more frequent today than in the reference."""
    from scipy.stats import hypergeom

    if min(total_before, total_today) == 0:
        return 1.0
    total, flagged = total_before + total_today, num_before + num_today
    return float(hypergeom.sf(num_today - 1, total, flagged, total_today))
