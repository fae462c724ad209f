"""What a mode takes of an account follows from its settings, by the names that AWS's quotas have."""

from __future__ import annotations

import pytest

from workshop.account.quotas import quota_needs
from workshop.account.usage import (
    Usage,
    estimate_notebook,
    estimate_usage,
    usages,
    whole_visit,
)
from workshop.instance_types import usd_per_hour_of
from workshop.prices import ENDPOINT, KINDS, NOTEBOOK_INSTANCE, SPOT_TRAINING_JOB
from workshop.settings import Settings, load_settings

MODES = ("sample", "debug", "full", "full-48xl")


def settings_of(mode: str, **changed: str) -> Settings:
    variables = {f"WORKSHOP_{name.upper()}": value for name, value in changed.items()}
    return load_settings(environ={"WORKSHOP_MODE": mode, **variables})


def quotas_needed(settings: Settings) -> dict[str, int]:
    return {need.name: need.count for need in quota_needs(usages(settings), None)}


def usage_of(mode: str, notebook: str, **changed: str) -> Usage:
    (found,) = (one for one in usages(settings_of(mode, **changed)) if one.notebook == notebook)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_every_machine_is_known_and_its_minutes_are_a_range(mode: str) -> None:
    for one in usages(settings_of(mode)):
        assert one.kind in KINDS
        assert usd_per_hour_of(one.instance_type)
        low, high = one.minutes
        assert 0 < low < high
        if one.kind.endswith(" job"):  # AWS ends none that is only as slow as we think possible
            assert high < one.limit_minutes
        else:
            assert one.limit_minutes is None


def test_mode_debug_takes_its_own_machines_and_a_small_endpoint() -> None:
    needed = quotas_needed(settings_of("debug"))
    assert needed["ml.g5.4xlarge for training job usage"] == 1
    # One at a time but for updates, which start the new machine beside the old one.
    assert needed["ml.g6.12xlarge for endpoint usage"] == 2
    updating = {one.notebook for one in usages(settings_of("debug")) if one.count > 1}
    assert updating == {"05-Rollout-AB-Fallback", "06-Pipeline-Registry", "07-Own-Image"}
    assert needed["ml.g5.4xlarge for notebook instance usage"] == 1


def test_the_long_run_of_a_mode_needs_a_quota_of_its_own() -> None:
    assert {
        "ml.g5.12xlarge for training job usage",
        "ml.g5.48xlarge for training job usage",
    } < set(quotas_needed(settings_of("full")))
    long_run = usage_of("full", "03-1-Option-SageMaker-Training")
    assert (long_run.max_jobs, long_run.is_optional) == (3, True)


def test_two_machines_want_a_quota_of_two() -> None:
    assert (
        quotas_needed(settings_of("full", training_instance_count="2"))[
            "ml.g5.12xlarge for training job usage"
        ]
        == 2
    )


def test_an_endpoint_that_may_grow_wants_a_quota_for_all_its_instances() -> None:
    grown = quotas_needed(settings_of("debug", endpoint_max_instances="2"))
    assert grown["ml.g6.12xlarge for endpoint usage"] == 2
    assert usage_of("debug", "02-2-Option-Rolling-Update", endpoint_max_instances="2").is_optional
    assert usage_of("debug", "04-SageMaker-Inference", endpoint_max_instances="2").count == 1


def test_a_machine_beside_another_is_estimated_and_has_a_quota_with_it() -> None:
    debug = settings_of("debug")
    rows = [one for one in usages(debug) if one.notebook == "03-Prompt-RAG-FineTune"]
    assert [one.instance_type for one in rows] == [
        debug.endpoint_instance_type,
        debug.embedding_instance_type,
    ]
    both = estimate_notebook(debug, "03-Prompt-RAG-FineTune")
    assert both.aws_usd == pytest.approx(sum(estimate_usage(debug, one).aws_usd for one in rows))
    assert all(one.instance_type in both.text for one in rows)
    assert quotas_needed(debug)["ml.c6i.2xlarge for endpoint usage"] == 1
    unknown = settings_of("debug", embedding_instance_type="ml.c7i.2xlarge")
    assert estimate_notebook(unknown, "03-Prompt-RAG-FineTune").aws_usd is None


def test_a_pipeline_takes_machines_of_three_kinds_and_two_of_an_endpoint_while_it_is_updated() -> None:
    for mode in MODES[1:]:
        needed = quotas_needed(settings_of(mode, pipeline_instance_type="ml.g5.2xlarge"))
        assert needed["ml.m5.xlarge for processing job usage"] == 1
        assert needed["ml.g5.2xlarge for training job usage"] == 1
        assert needed["ml.g5.2xlarge for processing job usage"] == 1
        assert needed["ml.g5.2xlarge for endpoint usage"] == 4  # of the roll-outs, too
        own = [one for one in usages(settings_of(mode)) if one.notebook == "06-Pipeline-Registry"]
        assert [one.count for one in own] == [1, 1, 1, 2]


def test_the_trainings_of_a_pipeline_take_longer_with_more_rows_and_its_evaluations_do_not() -> None:
    trainings, evaluations = zip(*map(jobs_of_a_pipeline, ("10", "1000")), strict=True)
    assert trainings[0] < trainings[1]
    assert evaluations[0] == evaluations[1]


def jobs_of_a_pipeline(num_rows: str) -> list[tuple[float, float]]:
    """Return the minutes of its trainings and of its evaluations."""
    rows = usages(settings_of("debug", pipeline_train_rows=num_rows))
    jobs = [one for one in rows if one.notebook == "06-Pipeline-Registry" and one.limit_minutes]
    return [one.minutes for one in jobs if one.instance_type == "ml.g5.4xlarge"]


def test_spot_counts_in_a_quota_of_its_own() -> None:
    spot = usage_of("debug", "03-SageMaker-Training", use_spot="true")
    assert spot.kind == SPOT_TRAINING_JOB
    assert spot.quota_name == "ml.g5.4xlarge for spot training job usage"


def test_local_mode_takes_no_training_job() -> None:
    local = usage_of("debug", "03-SageMaker-Training", use_local_mode="true")
    assert (local.kind, local.limit_minutes) == (NOTEBOOK_INSTANCE, None)


def test_hosts_of_local_mode_are_containers_of_one_machine() -> None:
    two = {"use_local_mode": "true", "training_instance_count": "2"}
    assert usage_of("debug", "03-SageMaker-Training", **two).count == 1


def test_sample_mode_needs_no_gpu_where_jupyter_runs() -> None:
    kinds = {one.kind for one in usages(settings_of("sample"))}
    assert NOTEBOOK_INSTANCE not in kinds
    assert ENDPOINT in kinds


@pytest.mark.parametrize("mode", ["sample", "debug"])
def test_a_serving_container_takes_a_paid_machine_where_its_image_needs_a_gpu(mode: str) -> None:
    for images, is_paid in (("own", False), ("aws", True)):
        settings = settings_of(mode, serve_with="container", container_images=images)
        notebooks = {one.notebook for one in usages(settings)}
        assert ("01-SageMaker-Inference-Local-Test" in notebooks) == is_paid


def test_a_full_training_takes_longer_where_jupyter_runs_than_a_small_one() -> None:
    small, full = (usage_of(mode, "02-Train-Local-KR-News") for mode in ("debug", "full"))
    assert small.minutes[1] < 40
    assert full.minutes[0] > 120


def test_an_unknown_machine_has_no_invented_minutes() -> None:
    unknown = usage_of("debug", "03-SageMaker-Training", training_instance_type="ml.trn1.32xlarge")
    assert unknown.minutes is None
    assert unknown.limit_minutes == 60


def test_a_visit_in_mode_debug_takes_three_hours_and_ten_dollars_at_worst() -> None:
    """What the workshop promises, by the defaults and at the worst that is thought possible."""
    minutes, usd = whole_visit(settings_of("debug"))
    assert minutes[1] <= 180
    assert usd[1] < 10
    needed = {one.notebook for one in usages(settings_of("debug")) if not one.is_optional}
    assert needed == {
        "02-Train-Local-KR-News",
        "03-SageMaker-Training",
        "04-SageMaker-Inference",
        "01-SageMaker-Inference-Local-Test",
        "02-SageMaker-Inference-Component",
    }


def test_a_visit_with_a_price_that_is_not_known_is_not_cheaper_for_it() -> None:
    minutes, usd = whole_visit(settings_of("debug", training_instance_type="ml.g5.16xlarge"))
    assert minutes[1] > 60
    assert usd is None


def test_a_notebooks_estimate_has_its_range_and_its_ceiling() -> None:
    cost = estimate_notebook(settings_of("debug"), "03-SageMaker-Training")
    assert cost.aws_usd_limit == pytest.approx(2.03)
    assert cost.text.endswith("at most 1 job of 60 min = 2.03 USD. The time is expected, not measured.")
    unknown = estimate_notebook(
        settings_of("debug", training_instance_type="ml.trn1.32xlarge"), "03-SageMaker-Training"
    )
    assert "price not known here" in unknown.text
    assert unknown.text.endswith("The time is not known here.")
    two = estimate_notebook(settings_of("full", training_instance_count="2"), "03-SageMaker-Training")
    assert "2 x ml.g5.12xlarge" in two.text
    assert two.aws_usd_limit == pytest.approx(2 * 10 * 7.09)
