"""Bootstrap confidence intervals: how much of a score, or of a gain, is the luck of the test articles."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
NUM_RESAMPLES = 5_000
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
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or scores.size == 0:
        raise ValueError(f"found scores of shape {scores.shape}; expected a list of one or more scores")
    if not np.isfinite(scores).all():
        raise ValueError(f"found {np.count_nonzero(~np.isfinite(scores))} scores that are not finite numbers")
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
    first, second = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"found {first.size} and {second.size} scores; expected both on the same articles")
    return mean_interval(first - second, seed=seed, level=level, num_resamples=num_resamples)
