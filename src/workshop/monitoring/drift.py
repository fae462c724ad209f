"""Whether a day's requests differ from those of a reference window, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workshop.monitoring.letters import letters

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

NUM_SHUFFLES = 60
_NUM_FOLDS = 5
_MIN_TEXTS = 3
"""That have a pair of letters: a rarer one says nothing about a day."""
_NUM_BUCKETS, _MULTIPLIER = 8_191, 31
_NUM_KEPT_TEXTS = 20_000


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

    Naive Bayes over pairs of neighbouring letters, five folds. The same classifier is trained on NUM_SHUFFLES
    shuffled labellings; the p-value is the normal tail beyond their mean and deviation: not bound to be above
    one in their number.

    Source: Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", 2017.
    """
    from scipy.stats import norm, rankdata

    if min(len(reference), len(texts)) < _NUM_FOLDS:
        return Domain(0.5, 1.0)
    matrix = _pair_matrix([*reference, *texts])
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


@lru_cache(maxsize=_NUM_KEPT_TEXTS)
def _buckets(text: str) -> NDArray[np.int64]:
    """Return the numbers of a text's letter pairs; two pairs may share one, which costs little."""
    points = np.array([ord(letter) for letter in letters(text)], dtype=np.int64)
    return np.unique((points[:-1] * _MULTIPLIER + points[1:]) % _NUM_BUCKETS)


def _pair_matrix(texts: Sequence[str]) -> csr_matrix:
    """Return which letter pairs (columns) occur in which text (rows); those of few texts are left out."""
    from scipy.sparse import csr_matrix

    found = [_buckets(text) for text in texts]
    indices = np.concatenate(found)
    starts = np.cumsum([0, *map(len, found)])
    matrix = csr_matrix((np.ones(len(indices)), indices, starts), shape=(len(texts), _NUM_BUCKETS))
    is_kept = np.bincount(indices, minlength=_NUM_BUCKETS) >= _MIN_TEXTS
    return matrix[:, is_kept] if is_kept.any() else matrix


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
