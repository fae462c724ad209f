"""Whether one system is better than another on the same cases, or whether nothing can be seen yet.

    one = verdict(new.values, old.values)
    print(one)          # better: +24.6 points [15.8, 33.8] on 80 cases, p < 0.001
    one.word            # "better", "worse" or "no difference seen"

Two runs of the very same prompt differ by some points, so that without a verdict luck looks like progress.
`calibrate` measures how often a verdict is a false alarm, and how often it finds what is there.
Of live traffic, where nobody was in both groups, it is `ab_test.verdict_between`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workshop.evaluation.confidence import LEVEL, Interval, permutation_p_value

if TYPE_CHECKING:
    from pandas import DataFrame

BETTER, WORSE, UNSEEN = "better", "worse", "no difference seen"
POWER = 0.8
"""How often a difference should be found that is there, where the number of cases is planned for it."""
FEW_CASES = 20
"""With fewer the permutation test has to agree: five of five say little, however equal they are."""
NUM_COMPARISONS = 2_000


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What can be said of two systems on the same cases.

    Attributes:
        word: BETTER, WORSE or UNSEEN: no proof that they are equal.
        difference: Mean of new - old over the cases, with its interval.
        p_value: How often equally good systems would differ as much, by a permutation test.
        num_cases: That both answered.
        num_cases_needed: So many such cases find a difference of this size POWER of the time; None when
            there is none.
    """

    word: str
    difference: Interval
    p_value: float
    num_cases: int
    num_cases_needed: int | None

    def __str__(self) -> str:
        mean, low, high = (100 * value for value in self.difference)
        p_text = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.3f}"
        text = (
            f"{self.word}: {mean:+.1f} points [{low:+.1f}, {high:+.1f}] on {self.num_cases:,} cases, {p_text}"
        )
        if self.word == UNSEEN and self.num_cases_needed is not None:
            text += f"; a difference of this size would take about {self.num_cases_needed:,} cases"
        return text


def verdict(
    new: Sequence[float] | NDArray, old: Sequence[float] | NDArray, *, level: float = LEVEL, seed: int = 0
) -> Verdict:
    """Compare two systems by their values on the same cases: a paired t interval over the cases.

    The bootstrap of `difference_interval` is as good from some hundred cases on. Of null comparisons with 40
    and 80 cases, a quarter or more of which vary, it called 5.4 to 6.5 % different, this interval 4.1 to
    5.2 %; where hardly any case varies both see less (tests/benchmarks/bench_verdict.py).

    Args:
        new: One value for each case, between 0 and 1: the share of its runs that were right, or a score.
        old: The other system's, on the same cases in the same order.
        level: Confidence; the false alarms are about 1 - level. Several verdicts at once want a higher one:
            of twenty at 0.95 one is a false alarm.
        seed: Of the permutation test.

    Raises:
        ValueError: When the two are of different length, of fewer than two cases, or not finite.

    Source: Miller, "Adding Error Bars to Evals", 2024: sections 4 (paired differences) and 5 (how many).
    """
    p_value = permutation_p_value(new, old, seed=seed)  # looks at lengths and values too
    differences = np.asarray(new, np.float64) - np.asarray(old, np.float64)
    if differences.size < 2:
        raise ValueError("found 1 case; expected 2 or more")
    # Of shares no difference is larger than 1, whatever the formula says of a few cases.
    low, high = (float(np.clip(bounds[0], -1, 1)) for bounds in _bounds(differences[np.newaxis], level))
    difference = Interval(float(differences.mean()), low, high)
    is_seen = difference.excludes_zero and (differences.size >= FEW_CASES or p_value <= 1 - level)
    word = UNSEEN
    if is_seen:
        word = BETTER if difference.mean > 0 else WORSE
    needed = None
    if difference.mean:
        needed = num_cases_needed(float(differences.std(ddof=1)), difference.mean, level=level)
    return Verdict(
        word=word,
        difference=difference,
        p_value=p_value,
        num_cases=differences.size,
        num_cases_needed=needed,
    )


def num_cases_needed(deviation: float, effect: float, *, level: float = LEVEL, power: float = POWER) -> int:
    """Return how many cases find a difference of a size so often, when such cases scatter like these.

    Args:
        deviation: Standard deviation of the paired differences over the cases.
        effect: Mean difference to be found, not 0.
        level: Of the verdict.
        power: How often it should be found, between 0 and 1.
    """
    normal = NormalDist()
    quantiles = normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)
    return max(2, math.ceil((quantiles * deviation / effect) ** 2))


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How a verdict does on comparisons of which it is known what is true.

    Attributes:
        num_cases: Of each comparison.
        num_runs: Of each case.
        false_alarms: Share of null comparisons (the same system against itself) called better or worse.
        by_eye: Share of null comparisons in which the difference is `eye_points` or more.
        power: Share of comparisons in which a system that is better by `effect` is called better.
    """

    num_cases: int
    num_runs: int
    false_alarms: float
    by_eye: float
    power: float


def calibrate(
    is_right: NDArray[np.bool_],
    *,
    num_cases: int,
    num_runs: int,
    effect: float = 0.05,
    eye_points: float = 0.02,
    num_comparisons: int = NUM_COMPARISONS,
    level: float = LEVEL,
    seed: int = 0,
) -> Calibration:
    """Measure false alarms and power by comparisons that are drawn from real answers.

    A comparison draws its cases with replacement from those that were answered, and for each case the two
    systems' answers, each right with the share that was seen. The better system is so on all cases in
    proportion to their room: a change that helps some cases and harms others takes more of them.

    Args:
        is_right: Of a prompt's real answers, (cases, runs).
        num_cases: Of each comparison, FEW_CASES or more.
        num_runs: Of each case.
        effect: By how much the better system is better on average, between 0 and 1.
        eye_points: A difference that is taken for progress by eye.
        num_comparisons: Of each sort.
        level: Of the verdicts.
        seed: Of the drawing.

    Raises:
        ValueError: When there are fewer than FEW_CASES cases in a comparison.
    """
    if num_cases < FEW_CASES:
        raise ValueError(f"found num_cases = {num_cases}; expected {FEW_CASES} or more")
    chances = is_right.mean(axis=1)
    generator = np.random.default_rng(seed)
    drawn = chances[generator.integers(chances.size, size=(num_comparisons, num_cases))]
    old, same, new = (
        generator.binomial(num_runs, chance) / num_runs
        for chance in (drawn, drawn, _lifted(drawn, float(chances.mean()), effect))
    )
    null = same - old
    low, high = _bounds(null, level)
    low_of_better, _ = _bounds(new - old, level)
    return Calibration(
        num_cases=num_cases,
        num_runs=num_runs,
        false_alarms=float(np.mean((low > 0) | (high < 0))),
        # A difference of two points is 0.02 but for rounding.
        by_eye=float(np.mean(np.abs(null.mean(axis=1)) >= eye_points - 1e-9)),
        power=float(np.mean(low_of_better > 0)),
    )


def calibration_table(calibrations: Sequence[Calibration]) -> DataFrame:
    """Return calibrations as a table, in percent."""
    from pandas import DataFrame

    rows = [
        {
            "cases": one.num_cases,
            "runs": one.num_runs,
            "verdict: false alarms %": round(100 * one.false_alarms, 1),
            "by eye: false alarms %": round(100 * one.by_eye, 1),
            "verdict: finds the better %": round(100 * one.power, 1),
        }
        for one in calibrations
    ]
    return DataFrame(rows).set_index(["cases", "runs"])


def _bounds(differences: NDArray, level: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the bounds of the mean of each row, (rows,) each."""
    from scipy.special import stdtrit

    num_cases = differences.shape[1]
    half = stdtrit(num_cases - 1, (1 + level) / 2) * differences.std(axis=1, ddof=1) / math.sqrt(num_cases)
    means = differences.mean(axis=1)
    return means - half, means + half


def _lifted(chances: NDArray, mean: float, effect: float) -> NDArray:
    """Return chances that are better by `effect` on average: each in proportion to what it lacks."""
    return chances + (1 - chances) * min(effect / max(1 - mean, 1e-12), 1)
