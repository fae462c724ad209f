"""How often a verdict is a false alarm, and how often it finds five points: `make bench` prints it.

The comparisons are drawn from answers as the workshop's prompt cases get them: the shares of right runs by
case, of a prompt whose answers hardly vary and of others whose answers do. The notebook
03-llmops/01-Evaluate-From-The-Start draws them from the answers of its own run. Beside the verdict stands
what the percentile bootstrap would have said.
"""

from __future__ import annotations

import time

import numpy as np

from workshop.evaluation.ab_test import Group, bounds, peeking_table
from workshop.evaluation.confidence import difference_interval
from workshop.evaluation.verdict import NUM_COMPARISONS, calibrate, calibration_table

NUM_CASES, NUM_RUNS = (80, 320, 1_280), (1, 3, 5)
# Of 80 cases: never right, always right, and the share of runs that is right of the others.
SHARES = {
    "six of 80 cases vary": [0.0] * 18 + [1.0] * 56 + [0.2, 0.6, 0.8, 0.8, 0.8, 0.8],
    "20 of 80 cases vary": [0.0] * 16 + [1.0] * 44 + [0.2, 0.4, 0.6, 0.6, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8] * 2,
    "44 of 80 cases vary": [0.0] * 22 + [1.0] * 14 + [0.2, 0.4, 0.6, 0.8] * 11,
}
NUM_OF_BOOTSTRAP, NUM_RESAMPLES = 1_000, 1_000


def test_false_alarms_and_power() -> None:
    for name, shares in SHARES.items():
        is_right = np.arange(5) < np.round(5 * np.array(shares))[:, None]
        started_s = time.perf_counter()
        table = [calibrate(is_right, num_cases=n, num_runs=r) for n in NUM_CASES for r in NUM_RUNS]
        print(
            f"\n{name}, {NUM_COMPARISONS:,} comparisons each, better by 5 points, by eye 2 points "
            f"({time.perf_counter() - started_s:.1f} s)\n{calibration_table(table).to_string()}"
        )
        for num_cases in (40, 80):
            bold = _bootstrap_alarms(np.array(shares), num_cases)
            one = calibrate(is_right, num_cases=num_cases, num_runs=3)
            print(
                f"false alarms with {num_cases} cases, 3 runs: "
                f"bootstrap {bold:.1%}, verdict {one.false_alarms:.1%}"
            )


def _bootstrap_alarms(shares: np.ndarray, num_cases: int) -> float:
    generator = np.random.default_rng(0)
    alarms = 0
    for _ in range(NUM_OF_BOOTSTRAP):
        drawn = shares[generator.integers(shares.size, size=num_cases)]
        one, other = generator.binomial(3, drawn) / 3, generator.binomial(3, drawn) / 3
        seed = int(generator.integers(2**31))
        alarms += difference_interval(one, other, seed=seed, num_resamples=NUM_RESAMPLES).excludes_zero
    return alarms / NUM_OF_BOOTSTRAP


# Cases of the new and of the old variant, and how many of them are right.
GROUPS = [
    (50, 50, 0.9),
    (100, 900, 0.9),
    (500, 500, 0.9),
    (1_000, 1_000, 0.9),
    (30, 270, 0.97),
    (500, 500, 0.5),
]
NUM_OF_GROUPS = 20_000


def test_false_alarms_and_power_between_groups() -> None:
    """Of shares: the verdict's interval and Welch's; then how often five points are found."""
    generator = np.random.default_rng(0)
    print(f"\ngroups of different requests, {NUM_OF_GROUPS:,} comparisons each, false alarms %")
    for num_new, num_old, share in GROUPS:
        new, same, old = (
            Group.of_counts(generator.binomial(num, chance, NUM_OF_GROUPS), num)
            for num, chance in ((num_new, min(share + 0.05, 1)), (num_new, share), (num_old, share))
        )
        alarms = [100 * _seen(same, old, is_share=is_share).mean() for is_share in (True, False)]
        power = 100 * _seen(new, old, is_share=True).mean()
        print(
            f"{num_new:>5} and {num_old:>5} cases, {share:.0%} right: verdict {alarms[0]:.1f}, "
            f"Welch {alarms[1]:.1f}; five points better found {power:.1f} %"
        )


def test_false_alarms_and_power_of_scores_between_groups() -> None:
    """Scores as answers get them, most near 1 and some far below, looked at once."""
    generator, num = np.random.default_rng(0), 4_000
    for num_new, num_old in ((20, 20), (50, 50), (50, 450), (200, 200)):
        same, old = (generator.beta(8, 0.5, (num, size)) for size in (num_new, num_old))
        worse = generator.beta(8, 1, (num, num_new))  # by 5.2 points
        alarms = _seen(Group.of(same), Group.of(old), is_share=False).mean()
        power = _seen(Group.of(worse), Group.of(old), is_share=False).mean()
        print(
            f"\nscores of {num_new} and {num_old}: false alarms {alarms:.1%}, "
            f"5.2 points worse found {power:.1%}"
        )


def test_false_alarms_when_a_user_asks_ten_times() -> None:
    """Users differ: counted by request they are called different too often, by user they are not."""
    generator, num_users, num_requests, num = np.random.default_rng(0), 100, 10, 2_000
    for name, spread in (("users are alike", 1_000), ("users differ", 5)):
        shares = generator.beta(0.9 * spread, 0.1 * spread, (2, num, num_users))
        right = generator.binomial(num_requests, shares)  # (variant, comparison, user)
        by_request = [Group.of_counts(one.sum(axis=1), num_users * num_requests) for one in right]
        by_user = [Group.of(one / num_requests) for one in right]
        print(
            f"\n{name}: false alarms {100 * _seen(*by_request, is_share=True).mean():.1f} % by request, "
            f"{100 * _seen(*by_user, is_share=False).mean():.1f} % by user"
        )


def test_false_alarms_of_daily_looks() -> None:
    for share in (0.9, 0.5):
        table = peeking_table(share=share).iloc[[0, 2, 6, 13]].round(1)
        print(f"\n100 cases a day and variant, {share:.0%} right\n{table.to_string()}")


def _seen(new: Group, old: Group, *, is_share: bool) -> np.ndarray:
    low, high = bounds(new, old, is_share=is_share)
    return (low > 0) | (high < 0)
