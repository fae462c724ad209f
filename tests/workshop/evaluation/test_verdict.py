"""A verdict sees what is there, calls few null comparisons different, and equals independent computations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from workshop.evaluation.verdict import (
    BETTER,
    FEW_CASES,
    UNSEEN,
    WORSE,
    calibrate,
    calibration_table,
    num_cases_needed,
    verdict,
)

GENERATOR = np.random.default_rng(5)
# As the prompt cases are: some never right, most always, and those between that differ from run to run.
CHANCES = np.concatenate([np.zeros(16), np.ones(34), GENERATOR.beta(4, 1, 30)])
ANSWERS = GENERATOR.random((80, 6)) < CHANCES[:, None]


def test_a_clear_difference_is_seen_in_its_direction() -> None:
    old = (GENERATOR.random((80, 3)) < 0.5).mean(axis=1)
    new = (GENERATOR.random((80, 3)) < 0.9).mean(axis=1)
    assert verdict(new, old).word == BETTER
    assert verdict(old, new).word == WORSE


def test_no_interval_is_wider_than_shares_can_differ() -> None:
    one = verdict([1.0] * 39 + [0.5], [0.0] * 40)
    assert (one.word, one.difference.high) == (BETTER, 1)
    assert verdict([0.0] * 40, [1.0] * 39 + [0.5]).difference.low == -1


def test_without_any_difference_nothing_is_seen_and_no_number_of_cases_is_named() -> None:
    one = verdict([1, 0, 0.5] * 30, [1, 0, 0.5] * 30)
    assert (one.word, one.num_cases_needed, one.p_value) == (UNSEEN, None, 1)
    assert str(one) == "no difference seen: +0.0 points [+0.0, +0.0] on 90 cases, p = 1.000"


def test_an_unseen_difference_names_the_cases_that_it_would_take() -> None:
    new, old = np.array([1.0, 0, 1, 0, 1] * 16), np.array([1.0, 0, 0, 1, 1] * 16)
    new[1] = 1
    one = verdict(new, old)
    assert one.word == UNSEEN
    assert f"would take about {one.num_cases_needed:,} cases" in str(one)
    assert one.num_cases_needed > 1_000


def test_few_cases_have_to_pass_the_test_as_well() -> None:
    """Five of five better have an interval of no width; so has one throw in sixteen of five fair coins."""
    few = verdict([1] * 5, [0] * 5)
    assert few.difference.excludes_zero
    assert few.p_value == 2 / 32
    assert few.word == UNSEEN
    assert verdict([1] * FEW_CASES, [0] * FEW_CASES).word == BETTER


def test_a_verdict_equals_an_independent_computation() -> None:
    new, old = ANSWERS[:10, :3].mean(axis=1), np.linspace(0, 1, 10)
    one = verdict(new, old)
    differences = [a - b for a, b in zip(new, old, strict=True)]
    assert one.difference.mean == pytest.approx(sum(differences) / 10, abs=1e-9)
    sums = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in itertools.product((1, -1), repeat=10)
    ]
    as_large = sum(abs(one_sum) >= abs(sum(differences)) - 1e-9 for one_sum in sums)
    assert one.p_value == pytest.approx(as_large / 2**10, abs=1e-9)
    for level in (0.95, 0.99):
        expected = stats.ttest_rel(new, old).confidence_interval(level)
        low, high = verdict(new, old, level=level).difference[1:]
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(
    ("deviation", "effect", "level", "power"), [(0.3, 0.05, 0.95, 0.8), (0.5, -0.02, 0.99, 0.9)]
)
def test_the_number_of_cases_is_the_one_of_the_textbook(
    deviation: float, effect: float, level: float, power: float
) -> None:
    needed = num_cases_needed(deviation, effect, level=level, power=power)
    for num_cases, finds in ((needed, True), (needed - 1, False)):
        shift = abs(effect) / (deviation / num_cases**0.5)
        found = 1 - stats.norm.cdf(stats.norm.ppf((1 + level) / 2) - shift)
        assert bool(found >= power) is finds


def test_a_calibration_equals_verdicts_one_by_one() -> None:
    one = calibrate(ANSWERS, num_cases=80, num_runs=2, num_comparisons=60, seed=1)
    generator, chances = np.random.default_rng(1), ANSWERS.mean(axis=1)
    drawn = chances[generator.integers(80, size=(60, 80))]
    old, same = generator.binomial(2, drawn) / 2, generator.binomial(2, drawn) / 2
    better = generator.binomial(2, drawn + (1 - drawn) * 0.05 / (1 - chances.mean())) / 2
    words = [verdict(a, b).word for a, b in zip(same, old, strict=True)]
    assert one.false_alarms == np.mean([word != UNSEEN for word in words])
    words = [verdict(a, b).word for a, b in zip(better, old, strict=True)]
    assert one.power == np.mean([word == BETTER for word in words])
    by_eye = [abs(round(float((a - b).sum()), 6)) >= 0.02 * 80 for a, b in zip(same, old, strict=True)]
    assert one.by_eye == np.mean(by_eye)


def test_false_alarms_are_rare_and_by_eye_they_are_not() -> None:
    one = calibrate(ANSWERS, num_cases=80, num_runs=3)
    assert 0.03 <= one.false_alarms <= 0.07
    assert one.by_eye > 4 * one.false_alarms
    more = [calibrate(ANSWERS, num_cases=n, num_runs=3, num_comparisons=1_000) for n in (80, 160, 320)]
    assert more[0].power < more[1].power < more[2].power
    assert calibration_table(more).shape == (3, 3)


@pytest.mark.parametrize("effect", [0.05, 0.15])
def test_the_better_system_is_better_by_what_it_says(effect: float) -> None:
    from workshop.evaluation.verdict import _lifted

    chances = ANSWERS.mean(axis=1)
    lifted = _lifted(chances, float(chances.mean()), effect)
    assert lifted.mean() - chances.mean() == pytest.approx(effect, abs=1e-9)
    assert (lifted >= chances).all()
    assert (lifted <= 1).all()


def test_a_comparison_of_few_cases_is_not_calibrated() -> None:
    with pytest.raises(ValueError, match="expected 20 or more"):
        calibrate(ANSWERS, num_cases=19, num_runs=3)


def test_values_on_different_cases_and_a_single_case_are_refused() -> None:
    with pytest.raises(ValueError, match="2 or more"):
        verdict([1], [0])
    with pytest.raises(ValueError, match="same articles"):
        verdict([1, 0], [1])
