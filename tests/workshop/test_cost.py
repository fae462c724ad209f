"""An estimate is never silently zero, says where it comes from, and leaves a job room to finish."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from workshop.cost import estimate, estimate_training
from workshop.instance_types import CPU_USD_PER_HOUR, INSTANCE_TYPES
from workshop.prices import ENDPOINT, SPOT_TRAINING_JOB
from workshop.settings import PATTERNS, Settings, load_settings
from workshop.training.speed import MARGIN_S, MAX_RUN_LIMIT_S, rows_per_s, training_s

NUM_ROWS = 22_194


def mode(repo_dir: Path, name: str) -> Settings:
    return load_settings(repo_dir, environ={"WORKSHOP_MODE": name})


def test_the_long_run_costs_about_62_dollars_at_best(repo_dir: Path) -> None:
    long = estimate_training(mode(repo_dir, "full-48xl"), NUM_ROWS, 3)
    assert long.hours == pytest.approx(10_969 / 3600, abs=0.001)
    assert long.cost.usd == pytest.approx(10_969 / 3600 * 20.36, abs=0.1)
    for part in ("22,194 rows x 3 epochs", "ml.g5.48xlarge", "62.", "2026-11", "us-east-1", "Estimated"):
        assert part in str(long)


def test_sample_mode_pays_nothing_and_says_what_aws_would_cost(repo_dir: Path) -> None:
    sample = mode(repo_dir, "sample")
    cost = estimate(sample, "ml.g5.48xlarge", hours=3)
    assert (cost.usd, cost.aws_usd) == (0, pytest.approx(61.08))
    assert cost.text.startswith(
        "0.00 USD on this machine; on AWS 1 x ml.g5.48xlarge for 3.0 h: about 61.08 USD"
    )
    assert estimate_training(sample, NUM_ROWS, 3).max_run_s == sample.max_run_s


def test_an_unknown_price_is_unknown_and_not_zero(repo_dir: Path) -> None:
    for name in ("debug", "sample"):
        cost = estimate(mode(repo_dir, name), "ml.g5.16xlarge", hours=3)
        assert cost.aws_usd is None
        assert "price not known" in cost.text
        assert "closest known: ml.g5" in cost.text
    assert estimate(mode(repo_dir, "debug"), "ml.g5.16xlarge", hours=3).usd is None


def test_cost_grows_with_machines_and_hours(repo_dir: Path) -> None:
    settings = mode(repo_dir, "full")
    assert estimate(settings, "ml.g5.12xlarge", count=2, hours=1.5).usd == pytest.approx(2 * 1.5 * 7.09)
    assert "90 min" in estimate(settings, "ml.g5.12xlarge", hours=1.5).text


def test_half_the_gpus_take_twice_the_training(repo_dir: Path) -> None:
    four = estimate_training(mode(repo_dir, "full"), NUM_ROWS, 3)
    eight = estimate_training(mode(repo_dir, "full"), NUM_ROWS, 3, instance_type="ml.g5.48xlarge")
    fixed_hours = MARGIN_S[0] / 3600
    assert four.hours - fixed_hours == pytest.approx(2 * (eight.hours - fixed_hours))
    assert rows_per_s("ml.g5.4xlarge") * 8 == pytest.approx(rows_per_s("ml.g5.48xlarge"))
    assert rows_per_s("ml.g5.48xlarge") < rows_per_s("ml.g5.48xlarge", 2) < 2 * rows_per_s("ml.g5.48xlarge")


def test_the_published_speed_is_matched() -> None:
    """10,969 billable seconds in all, and 758 for 5 epochs of 12 rows on one GPU, 170 of them training."""
    low_s, high_s = training_s("ml.g5.48xlarge", 1, num_rows=NUM_ROWS, num_epochs=3)
    assert low_s == pytest.approx(10_969)
    assert 1.5 * low_s < high_s < 1.6 * low_s
    low_s, high_s = training_s("ml.g5.4xlarge", 1, num_rows=12, num_epochs=5)
    assert low_s < 758 < high_s


def test_alternatives_can_be_compared(repo_dir: Path) -> None:
    settings = mode(repo_dir, "full-48xl")
    found = {
        name: estimate_training(settings, NUM_ROWS, 3, instance_type=name)
        for name in ("ml.g5.48xlarge", "ml.p4d.24xlarge", "ml.g6e.12xlarge")
    }
    assert found["ml.p4d.24xlarge"].hours < found["ml.g5.48xlarge"].hours < found["ml.g6e.12xlarge"].hours
    assert all(name in estimate.text for name, estimate in found.items())


def test_an_unknown_machine_has_no_invented_speed(repo_dir: Path) -> None:
    settings = mode(repo_dir, "full")
    unknown = estimate_training(settings, NUM_ROWS, 3, instance_type="ml.trn1.32xlarge")
    assert unknown.hours is None
    assert unknown.max_run_s == settings.max_run_s
    assert "speed not known" in unknown.text


@pytest.mark.parametrize("name", ["debug", "full", "full-48xl"])
def test_the_limit_leaves_half_the_time_more_and_never_more_than_aws_allows(
    repo_dir: Path, name: str
) -> None:
    settings = mode(repo_dir, name)
    for num_rows, num_epochs in ((10, 1), (NUM_ROWS, 3), (NUM_ROWS * 1000, 3)):
        found = estimate_training(settings, num_rows, num_epochs)
        wanted = found.hours * 3600 * 1.5 + 1800
        assert found.max_run_s == pytest.approx(min(wanted, MAX_RUN_LIMIT_S), abs=1)
    assert "28 days" in found.text
    assert MAX_RUN_LIMIT_S == 2_419_200


def test_the_settings_limits_fit_their_own_recipes(repo_dir: Path) -> None:
    """What a mode allows its job is at least what the job is expected to take."""
    for name, num_rows in (("debug", 10), ("full", NUM_ROWS), ("full-48xl", NUM_ROWS)):
        settings = mode(repo_dir, name)
        assert settings.max_run_s >= estimate_training(settings, num_rows, 3).max_run_s


def test_every_price_belongs_to_a_machine_that_settings_accept() -> None:
    prices = [row.usd_per_hour for row in INSTANCE_TYPES.values() if row.usd_per_hour is not None]
    assert len(prices) >= 10
    assert all(price > 0 for price in prices)
    assert all(PATTERNS["instance_type"].fullmatch(name) for name in (*INSTANCE_TYPES, *CPU_USD_PER_HOUR))


def test_every_machine_of_every_mode_has_a_price(repo_dir: Path) -> None:
    for name in ("sample", "debug", "full", "full-48xl"):
        settings = mode(repo_dir, name)
        machines = (settings.training_instance_type, settings.endpoint_instance_type)
        for instance_type in (*machines, settings.embedding_instance_type):
            assert estimate(settings, instance_type, hours=1).aws_usd > 0


def test_a_local_mode_machine_is_not_priced(settings: Settings) -> None:
    assert estimate(dataclasses.replace(settings, mode="debug"), "local_gpu", hours=1).usd is None


def test_a_jobs_ceiling_stands_beside_what_is_expected(repo_dir: Path) -> None:
    """Three jobs of five hours, each followed by the next, may cost five times what one is expected to."""
    long = estimate_training(mode(repo_dir, "full-48xl"), NUM_ROWS, 3, max_jobs=3)
    assert long.cost.aws_usd < long.cost.aws_usd_high < long.cost.aws_usd_limit
    assert long.cost.aws_usd_limit == pytest.approx(3 * long.max_run_s / 3600 * 20.36)
    assert "about 62.04 to 94.75 USD" in long.text
    assert f"; at most 3 jobs of 5.1 h = {long.cost.aws_usd_limit:.2f} USD" in long.text
    assert long.hours_high == pytest.approx(1.5 * long.hours, rel=0.05)


def test_the_ceiling_of_an_unknown_machine_is_still_said(repo_dir: Path) -> None:
    settings = mode(repo_dir, "full")
    cost = estimate(settings, "ml.g5.16xlarge", hours=(1, 2), limit_hours=3, max_jobs=2)
    assert (cost.usd, cost.aws_usd_high, cost.aws_usd_limit) == (None, None, None)
    assert cost.text.endswith("at most 2 jobs of 3.0 h")


def test_an_endpoint_has_no_ceiling_and_says_what_a_day_costs(repo_dir: Path) -> None:
    cost = estimate(mode(repo_dir, "debug"), "ml.g6.12xlarge", hours=(0.2, 0.5), kind=ENDPOINT)
    assert cost.aws_usd_limit is None
    assert "about 1.15 to 2.88 USD" in cost.text
    assert cost.text.endswith("Costs until it is deleted: 138.00 USD a day")


def test_a_spot_price_is_not_invented(repo_dir: Path) -> None:
    cost = estimate(mode(repo_dir, "debug"), "ml.g5.4xlarge", hours=1, kind=SPOT_TRAINING_JOB, limit_hours=2)
    assert cost.aws_usd == pytest.approx(2.03)
    assert cost.text.endswith("at most 1 job of 2.0 h = 4.06 USD, less by what spot saves")


def test_the_table_is_marked_as_another_regions(repo_dir: Path) -> None:
    settings = dataclasses.replace(mode(repo_dir, "debug"), region="ap-northeast-2")
    assert "us-east-1, table of 2026-11, not ap-northeast-2, where it differs" in str(
        estimate(settings, "ml.g5.4xlarge", hours=1)
    )
