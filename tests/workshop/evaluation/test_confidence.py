"""The intervals are those of the textbook."""

import numpy as np
import pytest

from workshop.evaluation import confidence
from workshop.evaluation.confidence import difference_interval, mean_interval

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
