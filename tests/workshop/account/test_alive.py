"""The first table knows what costs by the hour from what this machine has noted, and asks nobody."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from workshop.account.alive import alive
from workshop.aws.ledger import Ledger
from workshop.entries import EndpointState, OwnImageState, RunState, TrainingJobState, now_utc
from workshop.settings import Settings, load_settings
from workshop.state import State


@pytest.fixture
def debug(tmp_path: Path) -> Settings:
    return load_settings(environ={"WORKSHOP_MODE": "debug", "WORKSHOP_HOME": str(tmp_path)})


def create(settings: Settings, kind: str, name: str, *, minutes_ago: float = 0) -> Ledger:
    """Note a creation, so long ago."""
    ledger = Ledger(settings.home / f"ledger-000000000000-{settings.region}.jsonl")
    ledger.created(ledger.begin(kind, name, settings.region, {}), "arn", "")
    rows = [json.loads(line) for line in ledger.path.read_text().splitlines()]
    for row in rows:
        if row.get("name") == name:
            row["time"] = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
    ledger.path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ledger


def texts(settings: Settings) -> list[str]:
    return [one.text(settings) for one in alive(settings)]


def test_an_endpoint_has_its_age_its_price_and_what_that_makes(debug: Settings) -> None:
    create(debug, "Endpoint", "news", minutes_ago=60)
    assert texts(debug) == ["Endpoint news for 60 min: about 5.75 USD, 5.75 USD an hour (ml.g6.12xlarge)"]
    create(debug, "Endpoint", "older", minutes_ago=60 * 50)
    assert "Endpoint older for 50 h: about 287.5" in texts(debug)[1]


def test_what_was_deleted_or_costs_nothing_is_not_alive(debug: Settings) -> None:
    ledger = create(debug, "Endpoint", "news")
    create(debug, "Model", "news")
    create(debug, "InferenceComponent", "news-tuned")
    assert len(alive(debug)) == 1
    ledger.ended("Endpoint", "news", "DeleteEndpoint")
    assert alive(debug) == []


def test_the_machine_of_an_endpoint_is_the_one_that_it_was_made_with(debug: Settings) -> None:
    create(debug, "Endpoint", "news")
    state = State.load(debug)
    state.endpoint = EndpointState(
        made_at=now_utc(),
        notebook="04-SageMaker-Inference",
        endpoint_name="news",
        config_name="news",
        model_name="news",
        model_uri="s3://b/m",
        instance_type="ml.g5.16xlarge",
    )
    state.save()
    assert texts(debug) == ["Endpoint news for 0 min: price not known here"]
    create(debug, "Endpoint", "vectors", minutes_ago=60)
    state.embedding = replace(state.endpoint, endpoint_name="vectors", instance_type="ml.c6i.2xlarge")
    state.save()
    told = "Endpoint vectors for 60 min: about 0.41 USD, 0.41 USD an hour (ml.c6i.2xlarge)"
    assert told in texts(debug)
    create(debug, "Endpoint", "own", minutes_ago=60)
    own = OwnImageState.new(debug, "s3://b/m", "vllm:1", notebook="07-Own-Image")
    state.own_image = replace(own, endpoint_name="own", instance_type="ml.c6i.2xlarge")
    state.save()
    assert told.replace("vectors", "own") in texts(debug)


def test_a_job_counts_until_its_end_was_seen_or_it_can_run_no_longer(debug: Settings) -> None:
    create(debug, "TrainingJob", "job", minutes_ago=30)
    assert "TrainingJob job for 30 min: about 1.0" in texts(debug)[0]
    create(debug, "TrainingJob", "old", minutes_ago=60 * 24)
    assert [one.name for one in alive(debug)] == ["job"]
    state = State.load(debug)
    job = TrainingJobState.started(debug, notebook="03-SageMaker-Training", job_name="job", base_model_uri="")
    state.training_job = job
    state.save()
    assert [one.name for one in alive(debug)] == ["job"]
    state.training_job = replace(job, status="Stopped")
    state.save()
    assert alive(debug) == []


def test_a_processing_job_counts_as_long_as_it_may_run_and_the_endpoint_of_a_pipeline_has_its_machine(
    debug: Settings,
) -> None:
    create(debug, "ProcessingJob", "prepares", minutes_ago=30)
    create(debug, "ProcessingJob", "old", minutes_ago=61)
    create(debug, "Endpoint", "news-pipeline", minutes_ago=60)
    run = RunState(
        made_at=now_utc(), notebook="06-Pipeline-Registry", name="news-pipeline", request_sha256=""
    )
    create(debug, "Endpoint", "news-rollout", minutes_ago=30)
    State.load(debug).keep("pipeline_run", run)
    State.load(debug).keep("rollout_run", replace(run, name="news-rollout"))
    assert texts(debug) == [
        "ProcessingJob prepares for 30 min: about 0.12 USD, 0.23 USD an hour (ml.m5.xlarge)",
        "Endpoint news-pipeline for 60 min: about 2.03 USD, 2.03 USD an hour (ml.g5.4xlarge)",
        "Endpoint news-rollout for 30 min: about 1.02 USD, 2.03 USD an hour (ml.g5.4xlarge)",
    ]


def test_a_state_that_cannot_be_read_hides_nothing(debug: Settings) -> None:
    create(debug, "Endpoint", "news")
    (debug.home / "state.json").write_text("{")
    assert [one.instance_type for one in alive(debug)] == ["ml.g6.12xlarge"]
