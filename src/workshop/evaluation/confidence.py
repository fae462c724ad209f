"""How much of a score, or of a gain, is the luck of the test articles: intervals and a test.

The bootstrap interval says how large a gain may be; the permutation test says how often a gain as large would
come about if the two systems were equally good.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
NUM_RESAMPLES = 5_000
NUM_PERMUTATIONS = 10_000
# With as many articles that differ, or fewer, every permutation is looked at: 16 have 65,536.
MAX_EXACT = 16
# Resampled values held in memory at a time: 2 million float64 and their indices are 32 MB.
_NUM_VALUES_AT_A_TIME = 2_000_000


class Interval(NamedTuple):
    """A mean and the bounds of its confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether both bounds are on the same side of zero: a difference that is not luck."""
        return self.low > 0 or self.high < 0


def mean_interval(
    values: Sequence[float] | NDArray,
    *,
    seed: int = 0,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
) -> Interval:
    """Return the mean of per-article scores with its percentile bootstrap interval.

    Args:
        values: One score per article, at least one.
        seed: Seed of the resampling; the same seed gives the same interval.
        level: Confidence, between 0 and 1.
        num_resamples: How many times the articles are drawn again with replacement.

    Raises:
        ValueError: When there is no value, or one of them is not a finite number.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    scores = _checked(values)
    generator = np.random.default_rng(seed)
    num_rows = max(1, _NUM_VALUES_AT_A_TIME // scores.size)
    means = []
    for done in range(0, num_resamples, num_rows):
        shape = (min(num_rows, num_resamples - done), scores.size)
        means.append(scores[generator.integers(scores.size, size=shape)].mean(axis=1))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(scores.mean()), float(low), float(high))


def difference_interval(
    left: Sequence[float] | NDArray,
    right: Sequence[float] | NDArray,
    *,
    seed: int = 0,
    level: float = LEVEL,
    num_resamples: int = NUM_RESAMPLES,
) -> Interval:
    """Return the mean of left - right over the same articles, with its interval.

    Pairing matters: an article that is hard for one system is hard for the other, so the difference is
    known far better than two separate intervals suggest.

    Raises:
        ValueError: When the two lists are of different length.

    Source: Koehn, "Statistical Significance Tests for Machine Translation Evaluation", 2004.
    """
    return mean_interval(_differences(left, right), seed=seed, level=level, num_resamples=num_resamples)


def permutation_p_value(
    left: Sequence[float] | NDArray,
    right: Sequence[float] | NDArray,
    *,
    seed: int = 0,
    num_permutations: int = NUM_PERMUTATIONS,
) -> float:
    """Return how often two equally good systems would differ at least as much on average, in (0, 1].

    If they are equally good, either one could have written either summary of an article: each article's
    two scores are exchanged, or not, and the mean difference taken again (two-sided, paired). With up to
    MAX_EXACT articles that differ at all, every way is looked at, and the value is exact; with more,
    `num_permutations` random ones and the observed one, so that it is never 0.

    Args:
        left: One score per article, at least one.
        right: The other system's, on the same articles.
        seed: Seed of the random ways; the same seed gives the same value.
        num_permutations: How many random ways.

    Raises:
        ValueError: When the two lists are of different length, empty, or hold a value that is not finite.

    Source: Fisher, "The Design of Experiments", 1935; Phipson and Smyth, "Permutation P-values Should Never
    Be Zero", 2010; Dror et al., "The Hitchhiker's Guide to Testing Statistical Significance in NLP", 2018.
    """
    difference = _checked(_differences(left, right))
    difference = difference[difference != 0]  # exchanging equal scores changes nothing
    # Sums that are equal but for rounding count as equal.
    bound = abs(difference.sum()) - 1e-12 * np.abs(difference).sum()
    if difference.size <= MAX_EXACT:
        ways = np.arange(2**difference.size)[:, None] >> np.arange(difference.size) & 1
        return float(np.mean(np.abs((1 - 2 * ways) @ difference) >= bound))
    generator = np.random.default_rng(seed)
    num_rows = max(1, _NUM_VALUES_AT_A_TIME // difference.size)
    num_as_large = 0
    for done in range(0, num_permutations, num_rows):
        shape = (min(num_rows, num_permutations - done), difference.size)
        signs = 1.0 - 2.0 * generator.integers(2, size=shape, dtype=np.int8)
        num_as_large += np.count_nonzero(np.abs(signs @ difference) >= bound)
    return float((num_as_large + 1) / (num_permutations + 1))


def permutation_p_value_between(
    left: Sequence[float] | NDArray,
    right: Sequence[float] | NDArray,
    *,
    seed: int = 0,
    num_permutations: int = NUM_PERMUTATIONS,
) -> float:
    """Return how often two groups of equal cases would differ at least as much by their means, in (0, 1].

    If the groups are alike, any case might have been in either: all cases are divided anew at random, and the
    means compared (two-sided). Of values that are all 0 or 1 only their number counts, which is drawn.

    Args:
        left: One score per case, at least one.
        right: Of the other group; another number of them.
        seed: Seed of the random ways; the same seed gives the same value.
        num_permutations: How many random ways; the observed one is one more.

    Raises:
        ValueError: When a group is empty, or holds a value that is not finite.

    Source: as of `permutation_p_value`.
    """
    ours, theirs = _checked(left), _checked(right)
    together = np.concatenate([ours, theirs])
    generator = np.random.default_rng(seed)
    expected = ours.size * together.mean()
    bound = abs(ours.sum() - expected) - 1e-12 * np.abs(together).sum()
    if np.isin(together, (0, 1)).all():
        num_ones = int(together.sum())
        sums = generator.hypergeometric(num_ones, together.size - num_ones, ours.size, num_permutations)
        num_as_large = np.count_nonzero(np.abs(sums - expected) >= bound)
        return float((num_as_large + 1) / (num_permutations + 1))
    num_rows = max(1, _NUM_VALUES_AT_A_TIME // together.size)
    num_as_large = 0
    for done in range(0, num_permutations, num_rows):
        rows = np.tile(together, (min(num_rows, num_permutations - done), 1))
        sums = generator.permuted(rows, axis=1)[:, : ours.size].sum(axis=1)
        num_as_large += np.count_nonzero(np.abs(sums - expected) >= bound)
    return float((num_as_large + 1) / (num_permutations + 1))


def _differences(left: Sequence[float] | NDArray, right: Sequence[float] | NDArray) -> NDArray[np.float64]:
    first, second = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"found {first.size} and {second.size} scores; expected both on the same articles")
    return first - second


def _checked(values: Sequence[float] | NDArray) -> NDArray[np.float64]:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or scores.size == 0:
        raise ValueError(f"found scores of shape {scores.shape}; expected a list of one or more scores")
    if not np.isfinite(scores).all():
        raise ValueError(f"found {np.count_nonzero(~np.isfinite(scores))} scores that are not finite numbers")
    return scores
