"""How often a verdict is a false alarm, and how often it finds five points: `make bench` prints it.

The comparisons are drawn from answers as the workshop's prompt cases get them: the shares of right runs by
case, of a prompt whose answers hardly vary and of others whose answers do. The notebook
03-llmops/01-Evaluate-From-The-Start draws them from the answers of its own run. Beside the verdict stands
what the percentile bootstrap would have said.
"""

from __future__ import annotations

import time

import numpy as np

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
