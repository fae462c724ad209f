"""A training job is found again by a new kernel, and an endpoint is forgotten when it is deleted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from workshop.entries import ComponentsState, EndpointState, TrainingJobState, now_utc
from workshop.errors import WorkshopError
from workshop.settings import Settings
from workshop.state import State
from workshop.training.job import FollowedJob

NOTEBOOK = "03-SageMaker-Training"


def started(settings: Settings) -> TrainingJobState:
    return TrainingJobState.started(
        settings, notebook=NOTEBOOK, job_name="news-1", base_model_uri="s3://b/base/"
    )


def ended(status: str = "Completed") -> FollowedJob:
    return FollowedJob(
        job_name="news-1",
        arn="arn:job",
        status=status,
        seconds=61.0,
        billable_seconds=70.0,
        status_seconds={},
        records=[],
        phases={},
        lines=[],
        model_uri="s3://b/out/model/",
        log_path=Path("log"),
    )


def endpoint() -> EndpointState:
    return EndpointState(
        made_at=now_utc(),
        notebook="04-SageMaker-Inference",
        endpoint_name="news",
        config_name="news",
        model_name="news",
        model_uri="s3://b/out/model/",
        instance_type="ml.g5.12xlarge",
    )


def components(name: str = "news-ic-1") -> ComponentsState:
    return ComponentsState(
        made_at=now_utc(),
        notebook="02-SageMaker-Inference-Component",
        endpoint_name=name,
        model_uri="s3://b/out/model/",
        instance_type="ml.g5.12xlarge",
    )


def test_a_job_is_found_again_before_it_has_a_result(settings: Settings) -> None:
    state = State.load(settings)
    state.training_job = started(settings)
    state.save()
    job = State.load(settings).training_job
    assert (job.job_name, job.status, job.model_uri, job.dataset_name) == ("news-1", "InProgress", "", "full")
    assert job.model_dir == settings.home / "jobs" / "news-1" / "model"


@pytest.mark.parametrize("status", ["InProgress", "Stopped"])
def test_a_job_without_a_model_is_not_served_and_says_what_to_do(settings: Settings, status: str) -> None:
    state = State.load(settings)
    state.training_job = dataclasses.replace(started(settings), status=status)
    state.save()
    with pytest.raises(WorkshopError, match=f"news-1 .*{status}") as caught:
        _ = State.load(settings).trained_model
    assert "03-SageMaker-Training" in caught.value.next_step
    assert "START_AGAIN" in caught.value.next_step


def test_a_finished_job_needs_its_downloaded_model(settings: Settings) -> None:
    state = State.load(settings)
    state.training_job = started(settings).finished(ended())
    state.save()
    with pytest.raises(WorkshopError, match="is gone"):
        _ = State.load(settings).training_job
    model_dir = settings.home / "jobs" / "news-1" / "model"
    (model_dir / "adapter").mkdir(parents=True)
    (model_dir / "config.json").touch()
    (model_dir / "adapter" / "adapter_model.safetensors").touch()
    job = State.load(settings).training_job
    assert (job.status, job.train_seconds, job.billable_seconds) == ("Completed", 61.0, 70.0)
    assert (job.model_uri, job.made_at) == ("s3://b/out/model/", state.training_job.made_at)


def test_a_stopped_job_needs_none(settings: Settings) -> None:
    state = State.load(settings)
    state.training_job = started(settings).finished(ended("Stopped"))
    assert state.training_job.status == "Stopped"


def test_the_long_run_does_not_replace_the_short_one(settings: Settings) -> None:
    state = State.load(settings)
    state.training_job = started(settings)
    state.long_training_job = dataclasses.replace(started(settings), job_name="news-long")
    state.save()
    state = State.load(settings)
    assert (state.training_job.job_name, state.long_training_job.job_name) == ("news-1", "news-long")


@pytest.mark.parametrize(
    ("name", "notebook"),
    [
        ("training_job", "03-SageMaker-Training"),
        ("long_training_job", "03-1-Option-SageMaker-Training"),
        ("endpoint", "04-SageMaker-Inference"),
        ("components", "02-SageMaker-Inference-Component"),
    ],
)
def test_what_is_missing_names_its_notebook(settings: Settings, name: str, notebook: str) -> None:
    with pytest.raises(WorkshopError, match=notebook):
        getattr(State.load(settings), name)


def test_a_deleted_endpoint_is_forgotten(settings: Settings) -> None:
    state = State.load(settings)
    state.endpoint, state.training_job = endpoint(), started(settings)
    state.save()
    assert State.load(settings).endpoint == endpoint_like(state)
    state = State.load(settings)
    state.remove("endpoint")
    assert not state.has("endpoint")
    state.save()
    state = State.load(settings)
    assert not state.has("endpoint")
    assert state.has("training_job")


def endpoint_like(state: State) -> EndpointState:
    return dataclasses.replace(endpoint(), made_at=state.endpoint.made_at)


def test_an_endpoint_made_after_it_was_forgotten_is_kept(settings: Settings) -> None:
    state = State.load(settings)
    state.endpoint = endpoint()
    state.remove("endpoint")
    state.endpoint = endpoint()
    state.save()
    assert State.load(settings).has("endpoint")


def test_what_is_recorded_is_kept_until_it_is_forgotten(settings: Settings) -> None:
    assert State.load(settings).keep("components", components("first")).endpoint_name == "first"
    assert State.load(settings).keep("components", components("second")).endpoint_name == "first"
    state = State.load(settings)
    state.remove("components")
    state.save()
    assert State.load(settings).keep("components", components("third")).endpoint_name == "third"


def test_every_name_of_the_components_begins_with_the_endpoints() -> None:
    entry = components()
    names = [*entry.components, entry.config_name, entry.model("tuned"), entry.alarm, entry.errors_alarm]
    assert all(name.startswith(entry.endpoint_name) for name in names)
    assert len(set(entry.components)) == 3
