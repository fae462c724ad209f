"""The intervals are those of the textbook."""

import numpy as np
import pytest

from workshop.evaluation import confidence
from workshop.evaluation.confidence import difference_interval, mean_interval, permutation_p_value

SCORES = np.random.default_rng(5).beta(6, 3, 400)


def test_the_interval_is_close_to_the_one_of_the_normal_distribution():
    interval = mean_interval(SCORES)
    half_width = 1.959964 * SCORES.std(ddof=1) / np.sqrt(SCORES.size)
    assert interval.mean == pytest.approx(SCORES.mean())
    assert interval.low == pytest.approx(SCORES.mean() - half_width, abs=half_width / 15)
    assert interval.high == pytest.approx(SCORES.mean() + half_width, abs=half_width / 15)


def test_the_interval_equals_the_one_of_scipy():
    from scipy.stats import bootstrap

    expected = bootstrap(
        (SCORES,), np.mean, method="percentile", n_resamples=20_000, rng=1
    ).confidence_interval
    interval = mean_interval(SCORES, num_resamples=20_000)
    assert interval[1:] == pytest.approx((expected.low, expected.high), abs=0.0008)


def test_95_of_100_intervals_hold_the_true_mean():
    draw = np.random.default_rng(9)
    num_held = 0
    for seed in range(400):
        interval = mean_interval(draw.normal(0.5, 0.1, 50), seed=seed, num_resamples=600)
        num_held += interval.low <= 0.5 <= interval.high
    assert 0.90 <= num_held / 400 <= 0.98


def test_the_same_seed_gives_the_same_interval():
    assert mean_interval(SCORES, seed=3) == mean_interval(SCORES, seed=3)
    assert mean_interval(SCORES, seed=3) != mean_interval(SCORES, seed=4)


def test_many_articles_are_resampled_in_parts_without_a_change_in_kind(monkeypatch):
    whole = mean_interval(SCORES, num_resamples=4_000)
    monkeypatch.setattr(confidence, "_NUM_VALUES_AT_A_TIME", 1_000)
    assert mean_interval(SCORES, num_resamples=4_000) == pytest.approx(whole, abs=0.002)


def test_pairing_narrows_the_interval_of_a_difference():
    better = SCORES + np.random.default_rng(6).normal(0.02, 0.02, SCORES.size)
    paired = difference_interval(better, SCORES)
    unpaired = mean_interval(better).high - mean_interval(better).low
    assert paired.mean == pytest.approx((better - SCORES).mean())
    assert paired.high - paired.low < unpaired / 4
    assert paired.excludes_zero


def test_no_difference_includes_zero():
    noise = np.random.default_rng(8).normal(0, 0.1, 300)
    assert not difference_interval(noise, -noise + 2 * noise.mean()).excludes_zero


def test_one_article_has_an_interval_without_width():
    assert mean_interval([0.7]) == pytest.approx((0.7, 0.7, 0.7))


@pytest.mark.parametrize("values", [[], [0.1, float("nan")], [[0.1, 0.2]]])
def test_values_that_have_no_mean_are_refused(values: list):
    with pytest.raises(ValueError, match="found"):
        mean_interval(values)


def test_scores_of_different_articles_are_refused():
    with pytest.raises(ValueError, match="found 3 and 2 scores"):
        difference_interval([1, 2, 3], [1, 2])


def test_the_exact_p_value_equals_the_one_of_scipy():
    from scipy.stats import permutation_test

    draw = np.random.default_rng(12)
    for num_articles in (2, 5, 8, 12):
        left, right = draw.beta(6, 3, (2, num_articles)).round(1)  # with ties
        expected = permutation_test(
            (left, right),
            lambda one, other, axis: (one - other).mean(axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        ).pvalue
        assert permutation_p_value(left, right) == pytest.approx(expected, abs=1e-9)


def test_of_rights_and_wrongs_it_equals_the_exact_test_of_mcnemar():
    from scipy.stats import binomtest

    draw = np.random.default_rng(13)
    for _ in range(20):
        left, right = draw.integers(2, size=(2, 24))
        gained, lost = int(((left == 1) & (right == 0)).sum()), int(((left == 0) & (right == 1)).sum())
        if gained + lost <= confidence.MAX_EXACT:
            expected = binomtest(gained, gained + lost).pvalue
            assert permutation_p_value(left, right) == pytest.approx(expected, abs=1e-9)


def test_random_permutations_equal_those_taken_one_by_one_and_come_close_to_the_exact_value(monkeypatch):
    draw = np.random.default_rng(14)
    left, right = draw.normal(0.4, 1, 14), draw.normal(0, 1, 14)
    exact = permutation_p_value(left, right)
    monkeypatch.setattr(confidence, "MAX_EXACT", 0)
    coins = np.random.default_rng(3).integers(2, size=(2_000, 14), dtype=np.int8)
    observed, num_as_large = abs(sum(left - right)), 0
    for row in coins:
        pairs = [(b, a) if coin else (a, b) for a, b, coin in zip(left, right, row, strict=True)]
        num_as_large += abs(sum(a - b for a, b in pairs)) >= observed - 1e-9
    value = permutation_p_value(left, right, seed=3, num_permutations=2_000)
    assert value == pytest.approx((num_as_large + 1) / 2_001, abs=1e-9)
    assert permutation_p_value(left, right, num_permutations=40_000) == pytest.approx(exact, abs=0.01)


def test_many_articles_are_permuted_in_parts_without_a_change_in_kind(monkeypatch):
    better = SCORES + np.random.default_rng(6).normal(0.004, 0.05, SCORES.size)
    whole = permutation_p_value(better, SCORES)
    monkeypatch.setattr(confidence, "_NUM_VALUES_AT_A_TIME", 1_000)
    assert permutation_p_value(better, SCORES) == pytest.approx(whole, abs=0.02)
    assert 0.02 < whole < 0.5


def test_equal_systems_are_called_different_in_5_of_100_comparisons():
    draw = np.random.default_rng(15)
    values = [
        permutation_p_value(*draw.normal(0.5, 0.1, (2, 30)), seed=seed, num_permutations=400)
        for seed in range(600)
    ]
    assert 0.03 <= np.mean(np.array(values) < 0.05) <= 0.07


def test_the_same_scores_have_a_p_value_of_one_and_none_is_ever_zero():
    assert permutation_p_value(SCORES, SCORES) == 1
    assert permutation_p_value(SCORES + 1, SCORES) == 1 / (confidence.NUM_PERMUTATIONS + 1)
    assert permutation_p_value([0.9], [0.1]) == 1


@pytest.mark.parametrize(("left", "right"), [([], []), ([1, 2, 3], [1, 2]), ([float("nan")], [1])])
def test_scores_that_cannot_be_compared_are_refused(left: list, right: list):
    with pytest.raises(ValueError, match="found"):
        permutation_p_value(left, right)
