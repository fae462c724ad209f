"""Whether one group of live traffic was served better than another: a verdict on different requests.

    one = verdict_between(per_user(new_values, new_users), per_user(old_values, old_users))
    print(one)          # no difference seen: +1.2 points [-2.0, +4.4] on 1,000 cases, p = 0.471; ...

`verdict` compares two systems on the same cases and sees far more with as many; here nobody is in both
groups. What was assigned is what counts: a user with ten requests is one case, not ten.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workshop.evaluation.confidence import LEVEL, Interval, permutation_p_value_between
from workshop.evaluation.verdict import (
    BETTER,
    FEW_CASES,
    NUM_COMPARISONS,
    POWER,
    UNSEEN,
    WORSE,
    Verdict,
)

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Group:
    """What a verdict needs of a group; of many groups at once, arrays of one shape.

    Attributes:
        mean: Of the values.
        variance: Of the values, with n - 1.
        num: How many.
    """

    mean: Any
    variance: Any
    num: Any

    @classmethod
    def of(cls, values: NDArray) -> Group:
        """Return the group of the values, or of each row."""
        return cls(values.mean(axis=-1), values.var(axis=-1, ddof=1), values.shape[-1])

    @classmethod
    def of_counts(cls, num_right: NDArray, num: Any) -> Group:
        """Return groups of yes and no, by how many said yes."""
        mean = num_right / num
        return cls(mean, mean * (1 - mean) * num / (num - 1), num)


def verdict_between(
    new: Sequence[float] | NDArray,
    old: Sequence[float] | NDArray,
    *,
    level: float = LEVEL,
    looked_for: float | None = None,
    seed: int = 0,
) -> Verdict:
    """Compare two groups of different requests, or users, by the means of their values.

    Of scores it takes Welch's interval; of values that are all 0 or 1 the one of Agresti and Caffo, which
    counts one more right and one more wrong in each group: near 0 and 1 Welch's is too short.

    Who looks every day for two weeks, and stops at the first difference, finds one in 20 to 24 % of the tests
    where none is (`peeking_table`). Either the number of cases is fixed beforehand and looked at once; or
    `looked_for` is given, and the interval holds at all looks together, however many, and is wider.

    Args:
        new: One value of each case of the new variant, between 0 and 1.
        old: Of the old variant; another number of them.
        level: Confidence; the false alarms are about 1 - level.
        looked_for: A difference that would matter, above 0: 0.05 is five points. None looks once.
        seed: Of the permutation test.

    Raises:
        ValueError: A group has fewer than two cases or a value that is not finite.

    Source: Welch, 1947; Agresti and Caffo, "Simple and Effective Confidence Intervals for Proportions and
    Differences of Proportions", 2000; Johari et al., "Peeking at A/B Tests", KDD 2017 (mixture SPRT).
    """
    p_value = permutation_p_value_between(new, old, seed=seed)  # looks at the values, too
    new_values, old_values = np.asarray(new, np.float64), np.asarray(old, np.float64)
    if min(new_values.size, old_values.size) < 2:
        raise ValueError(f"found {new_values.size} and {old_values.size} cases; expected 2 or more of each")
    is_share = bool(np.isin(np.concatenate([new_values, old_values]), (0, 1)).all())
    groups = Group.of(new_values), Group.of(old_values)
    low, high = (
        float(bound) for bound in bounds(*groups, is_share=is_share, level=level, looked_for=looked_for)
    )
    mean = float(groups[0].mean - groups[1].mean)
    difference = Interval(mean, min(low, mean), max(high, mean))
    is_few = min(new_values.size, old_values.size) < FEW_CASES
    # A few cases say too little for a formula to be looked at again and again.
    is_sure = not is_few or (looked_for is None and p_value <= 1 - level)
    word = UNSEEN
    if difference.excludes_zero and is_sure:
        word = BETTER if mean > 0 else WORSE
    return Verdict(
        word=word,
        difference=difference,
        p_value=p_value,
        num_cases=new_values.size + old_values.size,
        num_cases_needed=num_needed_between(*groups, mean, level=level) if mean else None,
    )


def bounds(
    new: Group, old: Group, *, is_share: bool, level: float = LEVEL, looked_for: float | None = None
) -> tuple[Any, Any]:
    """Return the bounds of the difference of two groups, or of many pairs; see `verdict_between`."""
    from scipy.special import stdtrit

    if is_share:
        parts = [((one.mean * one.num + 1) / (one.num + 2), one.num + 2) for one in (new, old)]
        center = parts[0][0] - parts[1][0]
        spread = sum(share * (1 - share) / num for share, num in parts)
        quantile = NormalDist().inv_cdf((1 + level) / 2)
    else:
        center, each = new.mean - old.mean, [one.variance / one.num for one in (new, old)]
        spread = sum(each)
        freedom = sum(part**2 / (one.num - 1) for part, one in zip(each, (new, old), strict=True))
        # Welch and Satterthwaite; groups without any variance have an interval of no width.
        with np.errstate(divide="ignore", invalid="ignore"):
            freedom = np.where(np.asarray(freedom) > 0, np.asarray(spread) ** 2 / freedom, 1.0)
        quantile = stdtrit(freedom, (1 + level) / 2)
    half = quantile * np.sqrt(spread)
    if looked_for is not None:
        spread = np.maximum(spread, 1e-12)
        prior = looked_for**2
        odds = np.log(np.sqrt((spread + prior) / spread) / (1 - level))
        half = np.sqrt(2 * spread * (spread + prior) / prior * odds)
    return np.clip(center - half, -1, 1), np.clip(center + half, -1, 1)


def num_needed_between(
    new: Group, old: Group, effect: float, *, level: float = LEVEL, power: float = POWER
) -> int:
    """Return how many cases, both groups together, find a difference of a size so often.

    Args:
        new, old: How such cases scatter, and how they are divided: 90 to 10 takes more than 50 to 50.
        effect: To be found, not 0.
        level: Of the verdict, looked at once.
        power: How often it should be found, between 0 and 1.
    """
    normal = NormalDist()
    quantiles = normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)
    share = new.num / (new.num + old.num)
    scatter = float(new.variance / share + old.variance / (1 - share))
    return max(4, math.ceil(quantiles**2 * scatter / effect**2))


def per_user(values: Sequence[float], users: Sequence[str]) -> list[float]:
    """Return the mean of each user's values: what one user asks is alike, and is one case.

    Raises:
        ValueError: The two are of different length.
    """
    by_user: dict[str, list[float]] = {}
    for user, value in zip(users, values, strict=True):
        by_user.setdefault(user, []).append(value)
    return [sum(own) / len(own) for own in by_user.values()]


def peeking_table(
    *,
    share: float = 0.9,
    num_per_day: int = 100,
    num_days: int = 14,
    looked_for: float = 0.05,
    num_comparisons: int = NUM_COMPARISONS,
    level: float = LEVEL,
    seed: int = 0,
) -> DataFrame:
    """Measure how often equal variants have been called different by each day, and how often a better one is.

    Args:
        share: Of right answers, of both variants or of the old one.
        num_per_day: Cases of each variant.
        num_days: Looks.
        looked_for: By how much the better one is better, and what the interval for all looks is made for.
        num_comparisons: Of each sort.

    Returns:
        One row a day, in percent: `looked once` (that day alone), `looked daily` and `for all looks` of equal
        variants, and `finds: once` and `finds: for all looks` of a better one.
    """
    from pandas import DataFrame

    generator = np.random.default_rng(seed)
    num = num_per_day * np.arange(1, num_days + 1)
    old, same, new = (
        np.cumsum(generator.binomial(num_per_day, chance, (num_comparisons, num_days)), axis=1)
        for chance in (share, share, min(share + looked_for, 1.0))
    )

    def is_seen(ours: NDArray, theirs: NDArray, at_all_looks: float | None) -> NDArray[np.bool_]:
        groups = Group.of_counts(ours, num), Group.of_counts(theirs, num)
        low, high = bounds(*groups, is_share=True, level=level, looked_for=at_all_looks)
        return (low > 0) | (high < 0)

    def by_then(seen: NDArray[np.bool_]) -> NDArray:
        return np.logical_or.accumulate(seen, axis=1)

    shown = {
        "looked once": is_seen(same, old, None),
        "looked daily": by_then(is_seen(same, old, None)),
        "for all looks": by_then(is_seen(same, old, looked_for)),
        "finds: once": is_seen(new, old, None),
        "finds: for all looks": by_then(is_seen(new, old, looked_for)),
    }
    table = DataFrame({name: 100 * seen.mean(axis=0) for name, seen in shown.items()})
    table.index = range(1, num_days + 1)
    return table.rename_axis("day")
