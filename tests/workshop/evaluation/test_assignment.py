"""A user stays with a variant, variants get their share, and a count that is off is seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from workshop.evaluation.assignment import AS_PLANNED, MISMATCH, sample_ratio, variant_of

USERS = [f"사용자-{number}" for number in range(4_000)]


def assigned(weights: dict[str, float], salt: str = "one") -> list[str]:
    return [variant_of(user, weights, salt=salt) for user in USERS]


def test_the_same_user_gets_the_same_variant_every_time() -> None:
    assert assigned({"new": 1, "old": 9}) == assigned({"new": 1, "old": 9})


def test_each_variant_gets_its_share() -> None:
    names = assigned({"new": 10, "old": 90})
    assert (
        sample_ratio({name: names.count(name) for name in ("new", "old")}, {"new": 1, "old": 9}).word
        == AS_PLANNED
    )
    assert set(assigned({"new": 0, "old": 1})) == {"old"}


def test_a_larger_share_moves_users_to_the_first_variant_and_nobody_back() -> None:
    before, after = assigned({"new": 0.1, "old": 0.9}), assigned({"new": 0.25, "old": 0.75})
    assert all(now == "new" for then, now in zip(before, after, strict=True) if then == "new")
    assert after.count("new") > before.count("new")


def test_another_test_divides_the_users_anew() -> None:
    first, second = assigned({"new": 1, "old": 1}), assigned({"new": 1, "old": 1}, salt="two")
    both = sum(a == b for a, b in zip(first, second, strict=True)) / len(USERS)
    assert 0.45 < both < 0.55


def test_a_mismatch_is_the_chi_square_test_of_the_textbook() -> None:
    counts, weights = {"new": 540, "old": 4_460}, {"new": 1, "old": 9}
    one = sample_ratio(counts, weights)
    assert one.p_value == pytest.approx(stats.chisquare([540, 4_460], [500, 4_500]).pvalue)
    assert one.word == AS_PLANNED
    assert sample_ratio({"new": 580, "old": 4_420}, weights).word == MISMATCH
    assert "expected new 500, old 4,500" in str(one)


def test_of_equal_plans_about_one_in_a_thousand_looks_like_a_mismatch() -> None:
    generator = np.random.default_rng(1)
    new = generator.binomial(2_000, 0.1, 4_000)
    words = [sample_ratio({"new": int(n), "old": 2_000 - int(n)}, {"new": 1, "old": 9}).word for n in new]
    assert words.count(MISMATCH) < 14


def test_who_came_to_a_variant_without_weight_is_a_mismatch() -> None:
    assert sample_ratio({"new": 1, "old": 99}, {"new": 0, "old": 1}).word == MISMATCH
    assert sample_ratio({"new": 0, "old": 99}, {"new": 0, "old": 1}).word == AS_PLANNED


def test_weights_and_counts_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        variant_of("가", {"new": 0}, salt="")
    with pytest.raises(ValueError, match="one of each"):
        sample_ratio({"new": 1}, {"old": 1})
