"""A verdict on two groups of requests equals independent computations, and is rarely a false alarm."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from workshop.evaluation.ab_test import (
    Group,
    bounds,
    num_needed_between,
    peeking_table,
    per_user,
    verdict_between,
)
from workshop.evaluation.confidence import permutation_p_value_between
from workshop.evaluation.verdict import BETTER, UNSEEN, WORSE

GENERATOR = np.random.default_rng(11)


def test_scores_get_the_interval_of_welch() -> None:
    new, old = GENERATOR.beta(8, 2, 70), GENERATOR.beta(5, 2, 400)
    one = verdict_between(new, old, level=0.9)
    expected = stats.ttest_ind(new, old, equal_var=False).confidence_interval(0.9)
    assert one.difference[1:] == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert one.num_cases == 470


def test_shares_get_the_interval_of_agresti_and_caffo() -> None:
    """56 of 70 and 48 of 80: worked out by hand, 57/72 - 49/82 and 1.95996 standard errors."""
    one = verdict_between([1] * 56 + [0] * 14, [1] * 48 + [0] * 32)
    first, second = 57 / 72, 49 / 82
    half = stats.norm.ppf(0.975) * (first * (1 - first) / 72 + second * (1 - second) / 82) ** 0.5
    assert one.difference[1:] == pytest.approx((first - second - half, first - second + half), abs=1e-9)
    assert one.difference.mean == pytest.approx(56 / 70 - 48 / 80)
    assert one.word == BETTER
    assert verdict_between([1] * 48 + [0] * 32, [1] * 56 + [0] * 14).word == WORSE


def test_a_group_that_is_always_right_proves_nothing_by_it() -> None:
    """Its values do not scatter: Welch's interval takes 30 of 30 for certain."""
    one = verdict_between([1] * 30, [1] * 285 + [0] * 15)
    assert one.word == UNSEEN
    alarms = false_alarms(30, 270, 0.97)
    assert alarms < 0.05
    assert false_alarms(30, 270, 0.97, is_share=False) > 0.2


def false_alarms(num_new: int, num_old: int, share: float, *, is_share: bool = True) -> float:
    generator = np.random.default_rng(2)
    new = Group.of_counts(generator.binomial(num_new, share, 5_000), num_new)
    old = Group.of_counts(generator.binomial(num_old, share, 5_000), num_old)
    low, high = bounds(new, old, is_share=is_share)
    return float(np.mean((low > 0) | (high < 0)))


@pytest.mark.parametrize(("num_new", "num_old", "share"), [(50, 50, 0.5), (100, 900, 0.9), (500, 500, 0.99)])
def test_false_alarms_of_shares_are_about_one_in_twenty_or_fewer(
    num_new: int, num_old: int, share: float
) -> None:
    assert false_alarms(num_new, num_old, share) < 0.065


def test_what_is_computed_for_many_equals_verdicts_one_by_one() -> None:
    new, old = GENERATOR.binomial(60, 0.8, 40), GENERATOR.binomial(90, 0.7, 40)
    low, high = bounds(Group.of_counts(new, 60), Group.of_counts(old, 90), is_share=True)
    for index in range(40):
        values = [1] * new[index] + [0] * (60 - new[index]), [1] * old[index] + [0] * (90 - old[index])
        difference = verdict_between(*values).difference
        assert difference[1:] == pytest.approx((low[index], high[index]))


def test_the_permutation_test_equals_all_ways_to_divide_the_cases() -> None:
    left, right = [0.1, 0.9, 0.7, 0.6], [0.2, 0.3, 0.15, 0.5, 0.05]
    together = np.array(left + right)
    observed = abs(np.mean(left) - np.mean(right))
    ways = [
        abs(together[list(some)].mean() - np.delete(together, list(some)).mean()) >= observed - 1e-12
        for some in itertools.combinations(range(9), 4)
    ]
    assert permutation_p_value_between(left, right) == pytest.approx(np.mean(ways), abs=0.02)


def test_of_yes_and_no_the_permutation_test_is_fishers() -> None:
    table = [[14, 6], [9, 18]]
    left, right = ([1] * yes + [0] * no for yes, no in table)
    # Fisher's sums up what is as unlikely, this one what is as far apart.
    expected = stats.fisher_exact(table).pvalue
    assert permutation_p_value_between(left, right) == pytest.approx(expected, abs=0.02)


def test_few_cases_have_to_pass_the_test_as_well() -> None:
    assert verdict_between([0.9, 0.91], [0.1, 0.11]).word == UNSEEN  # one of six ways to divide them
    assert verdict_between([0.9, 0.91] * 3, [0.1, 0.11] * 3).word == BETTER
    assert verdict_between([0.9, 0.91] * 3, [0.1, 0.11] * 3, looked_for=0.05).word == UNSEEN


@pytest.mark.parametrize(("num_new", "num_old"), [(500, 500), (100, 900)])
def test_so_many_cases_find_the_difference_four_times_of_five(num_new: int, num_old: int) -> None:
    new, old = (
        Group.of_counts(np.array(0.9 * num_new), num_new),
        Group.of_counts(np.array(0.8 * num_old), num_old),
    )
    needed = num_needed_between(new, old, 0.1)
    first, second = (
        round(needed * num_new / (num_new + num_old)),
        round(needed * num_old / (num_new + num_old)),
    )
    generator = np.random.default_rng(4)
    drawn = [
        Group.of_counts(generator.binomial(num, share, 20_000), num)
        for num, share in ((first, 0.9), (second, 0.8))
    ]
    low, _ = bounds(*drawn, is_share=False)
    assert 0.75 < np.mean(low > 0) < 0.86


def test_nothing_is_seen_between_equal_groups_and_no_number_is_named() -> None:
    one = verdict_between([1, 0] * 50, [0, 1] * 70)
    assert (one.word, one.num_cases_needed) == (UNSEEN, None)


def test_daily_looks_find_what_is_not_there_and_an_interval_for_all_looks_does_not() -> None:
    table = peeking_table(num_comparisons=1_000)
    assert table["looked once"].max() < 7
    assert table["looked daily"].iloc[-1] > 15
    assert table["for all looks"].iloc[-1] <= 5
    assert table["finds: for all looks"].iloc[-1] > 90
    assert table.shape == (14, 5)


def test_an_interval_for_all_looks_is_the_mixture_of_johari() -> None:
    """Where it ends the likelihood ratio, mixed over a normal prior of that deviation, is one over alpha."""
    new, old = GENERATOR.beta(8, 2, 300), GENERATOR.beta(7, 2, 300)
    one = verdict_between(new, old, looked_for=0.05).difference
    variance = new.var(ddof=1) / 300 + old.var(ddof=1) / 300
    likelihood = stats.norm(one.mean - one.low, variance**0.5).pdf(0)
    mixed = stats.norm(one.mean - one.low, (variance + 0.05**2) ** 0.5).pdf(0)
    assert mixed / likelihood == pytest.approx(1 / 0.05, rel=1e-6)


def test_a_user_is_one_case_however_much_is_asked() -> None:
    values, users = [1, 1, 0, 1, 0], ["가", "가", "나", "가", "나"]
    assert per_user(values, users) == [1, 0]
    with pytest.raises(ValueError, match="argument 2 is"):
        per_user([1], ["가", "나"])


def test_values_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="one or more"):
        verdict_between([], [1, 0])
    with pytest.raises(ValueError, match="2 or more of each"):
        verdict_between([1], [1, 0])
    with pytest.raises(ValueError, match="not finite"):
        verdict_between([1, float("nan")], [1, 0])
