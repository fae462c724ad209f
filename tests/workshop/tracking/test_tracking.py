"""Runs in a real MLflow App of the AWS on this machine, by the real client through its ARN."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.notebooks.marked_secrets import MarkedSecrets

from workshop.aws.session import PREFIX, Aws
from workshop.entries import DatasetState, ModelState, TrainingJobState
from workshop.errors import WorkshopError
from workshop.settings import Settings, load_settings
from workshop.tracking import connect_tracking, link_text
from workshop.tracking.app import app_name, find_app
from workshop.tracking.off import Off
from workshop.tracking.trainings import (
    TRAINING_TAG,
    log_training,
    run_of,
    score_metrics,
    training_facts,
)

NOTEBOOK = "03-SageMaker-Training"
SHA256 = "ab" * 32
RECORDS = [
    {"step": 1, "loss": 2.5, "tokens_per_s": 100.0, "elapsed_s": 0.5, "num_steps": 3},
    {"step": 2, "loss": 1.5, "tokens_per_s": 120.0, "elapsed_s": 1.0, "num_steps": 3},
    {"step": 3, "loss": 1.25, "tokens_per_s": 110.0, "elapsed_s": 1.5, "num_steps": 3},
    {"step": 3, "eval_loss": 1.75, "elapsed_s": 1.75, "num_steps": 3},
]
METRICS = {"train_loss": 1.25, "stopped_by": None, "phases": {"steps_s": 1.5}, "versions": {"torch": "2.13"}}
CONFIG = """learning_rate: 0.002
fsdp_config: {version: 2}
time_limit_s: 3240.0
train_data: /opt/ml/input/data/train
"""


@pytest.fixture
def dataset(tmp_path: Path) -> DatasetState:
    return DatasetState(
        made_at="", notebook="", data_dir=tmp_path, news_source="sample", base_model="base",
        num_rows={"full/train": 1200}, sha256={"full/train": SHA256}, num_rejected={},
    )  # fmt: skip


def trained_job(tmp_path: Path, name: str) -> TrainingJobState:
    """Return the entry of a job that left what train.py leaves."""
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    (folder / "resolved-config.yaml").write_text(CONFIG)
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    return TrainingJobState(
        made_at="", notebook=NOTEBOOK, job_name=f"{name}-20261129063728", arn="arn:aws:sagemaker:job",
        status="Completed", recipe="sample.yaml", dataset_name="full", base_model_uri="s3://b/base",
        model_uri="s3://b/model", model_dir=folder, train_seconds=1.0, billable_seconds=1.0,
    )  # fmt: skip


def logged(aws: Aws, dataset: DatasetState, entry: TrainingJobState) -> tuple[Any, Any]:
    """Log a training as a new kernel does; return mlflow and the run."""
    mlflow = connect_tracking(aws)
    facts = training_facts(aws.settings, dataset, entry, RECORDS, data_uri="s3://b/data/train")
    return mlflow, log_training(mlflow, aws.settings, facts, notebook=NOTEBOOK)


def test_a_training_is_one_run_however_often_it_is_logged(
    sample_aws: Aws, dataset: DatasetState, tmp_path: Path
) -> None:
    entry = trained_job(tmp_path, "news-train-1")
    first, again = (logged(sample_aws, dataset, entry) for _ in range(2))
    mlflow, tracked = again
    assert tracked.info.run_id == first[1].info.run_id
    run = mlflow.get_run(tracked.info.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "0.002"
    assert run.data.params["fsdp_config.version"] == "2"
    assert {"train_data", "time_limit_s"}.isdisjoint(run.data.params)
    assert run.data.tags["data.sha256"] == SHA256
    assert run.data.tags["sagemaker.job_name"] == entry.job_name
    assert run.data.tags["sagemaker.arn"] == entry.arn
    assert run.data.tags["sagemaker.model_uri"] == entry.model_uri
    assert run.data.tags["mlflow.source.name"] == f"{NOTEBOOK}.ipynb"
    assert not any(str(Path.home()) in value for value in run.data.tags.values())
    assert run.data.metrics["final.phases.steps_s"] == 1.5
    curve = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in curve] == [(1, 2.5), (2, 1.5), (3, 1.25)]
    assert [point.timestamp - curve[0].timestamp for point in curve] == [0, 500, 1000]
    assert run.data.metrics["eval_loss"] == 1.75
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.digest == SHA256[:36]
    assert json.loads(data.dataset.profile) == {"num_rows": 1200, "sha256": SHA256}


def test_artifacts_lie_in_the_workshops_bucket_and_are_read_back(
    sample_aws: Aws, dataset: DatasetState, tmp_path: Path
) -> None:
    mlflow, tracked = logged(sample_aws, dataset, trained_job(tmp_path, "news-train-2"))
    uri = tracked.info.artifact_uri
    assert uri.startswith(sample_aws.uri("mlflow") + "/")
    key = uri.removeprefix(f"s3://{sample_aws.bucket}/") + "/resolved-config.yaml"
    stored = sample_aws.client("s3").get_object(Bucket=sample_aws.bucket, Key=key)["Body"].read()
    assert stored.decode() == CONFIG
    assert json.loads(mlflow.artifacts.load_text(f"{uri}/metrics.json")) == METRICS


def test_the_app_is_made_once_tagged_and_in_the_ledger(sample_aws: Aws) -> None:
    for _ in range(2):
        connect_tracking(sample_aws).get_tracking_uri()
    found = find_app(sample_aws)
    assert found["Name"] == app_name(sample_aws) == f"{PREFIX}-sample"
    pages = sample_aws.client("sagemaker").get_paginator("list_mlflow_apps").paginate()
    assert [app["Arn"] for page in pages for app in page["Summaries"]] == [found["Arn"]]
    tags = sample_aws.client("sagemaker").list_tags(ResourceArn=found["Arn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == sample_aws.tags
    (row,) = [row for row in sample_aws.ledger.entries() if row.kind == "MlflowApp"]
    assert (row.name, row.arn, row.status) == (found["Name"], found["Arn"], "created")
    asked = [json.loads(line) for line in sample_aws.ledger.path.read_text().splitlines()]
    assert [row["event"] for row in asked if row.get("kind") == "MlflowApp"] == ["pending"]


def test_the_link_opens_the_runs_page_once(sample_aws: Aws, dataset: DatasetState, tmp_path: Path) -> None:
    mlflow, tracked = logged(sample_aws, dataset, trained_job(tmp_path, "news-train-3"))
    url, _, page = link_text(mlflow, tracked).splitlines()[-1].partition("#")
    assert page == f"/experiments/{tracked.info.experiment_id}/runs/{tracked.info.run_id}"
    browser = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )
    assert b"MLflow" in browser.open(url).read()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url)


def test_nothing_of_another_server_of_a_persons_is_used_or_kept(
    sample_aws: Aws, dataset: DatasetState, tmp_path: Path, sandbox_home: Path
) -> None:
    """Its address, its token, and a run of it that would be gone on with."""
    secrets = MarkedSecrets(tmp_path)
    os.environ |= secrets.variables | {
        "MLFLOW_RUN_ID": "0" * 32,
        "MLFLOW_EXPERIMENT_NAME": "theirs",
    }
    mlflow, tracked = logged(sample_aws, dataset, trained_job(tmp_path, "news-train-4"))
    assert mlflow.get_tracking_uri() == find_app(sample_aws)["Arn"]
    assert mlflow.get_experiment(tracked.info.experiment_id).name == PREFIX
    assert secrets.found_below(sandbox_home) == []


def test_an_error_of_mlflow_is_three_lines_that_name_the_setting(sample_aws: Aws) -> None:
    mlflow = connect_tracking(sample_aws)
    with pytest.raises(mlflow.exceptions.MlflowException) as caught:
        mlflow.get_run("0" * 32)
    lines = caught.value._render_traceback_()
    assert len(lines) == 3
    assert "0" * 32 in lines[0]
    assert "use_mlflow: false" in lines[2]


def test_requests_are_signed_with_the_connections_credentials(sample_aws: Aws) -> None:
    """Not looked for anew at each: a profile that asks for a code would ask each time."""
    mlflow = connect_tracking(sample_aws)
    mlflow.get_tracking_uri()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del os.environ[name]
    assert mlflow.get_experiment_by_name(PREFIX)


def test_after_a_refusal_the_cell_can_be_run_again(sample_aws: Aws) -> None:
    fault = json.dumps({"operation": "DescribeMlflowApp", "fault": "AccessDenied"}).encode()
    url = f"{sample_aws.client('sagemaker').meta.endpoint_url}/_sandbox/faults"
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    browser.open(urllib.request.Request(url, fault, method="PUT")).close()
    mlflow = connect_tracking(sample_aws)
    mlflow._preparing.join()  # it is what is refused
    with pytest.raises(WorkshopError, match="sagemaker:DescribeMlflowApp") as caught:
        mlflow.get_tracking_uri()
    assert "use_mlflow: false" in caught.value.next_step
    assert mlflow.get_tracking_uri() == find_app(sample_aws)["Arn"]


def test_switched_off_nothing_is_imported_made_or_asked(tmp_path: Path) -> None:
    """With settings alone: no connection either, so that nobody needs an account for it."""
    program = """
import sys
from workshop.settings import Settings, load_settings
from workshop.tracking import connect_tracking, link_text
from workshop.tracking.trainings import run_of
settings = load_settings()
mlflow = connect_tracking(settings)
with mlflow.start_run(**run_of(mlflow, settings, "news-train", notebook="02")) as run:
    mlflow.log_params({"a": 1})
    mlflow.MlflowClient().log_batch(run.info.run_id, metrics=[])
    for found in mlflow.search_runs():
        raise AssertionError(found)
mlflow.genai.set_prompt_alias("a", "b", mlflow.genai.register_prompt(name="a", template="b").version)
print(link_text(mlflow, run))
assert not {"mlflow", "boto3", "botocore", "requests"} & set(sys.modules), sorted(sys.modules)
"""
    environ = {**os.environ, "WORKSHOP_USE_MLFLOW": "false", "WORKSHOP_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == "not tracked (use_mlflow: false)\n"
    assert not (tmp_path / "home").exists()


def test_a_mode_on_aws_without_credentials_is_told_of_the_setting(tmp_path: Path) -> None:
    settings = load_settings(environ={"WORKSHOP_MODE": "debug", "WORKSHOP_HOME": str(tmp_path)})
    with pytest.raises(WorkshopError, match="no AWS credentials") as caught:
        connect_tracking(settings)
    assert "use_mlflow: false" in caught.value.next_step


def test_a_mode_on_aws_without_a_role_is_told_of_the_setting(account: Settings) -> None:
    """Of the account that has no MLflow Apps, either: what a region without them answers."""
    with pytest.raises(WorkshopError) as caught:
        connect_tracking(account)
    assert "use_mlflow: false" in caught.value.next_step


def test_what_jupyter_asks_of_every_object_waits_for_nothing(sample_aws: Aws) -> None:
    for mlflow in (connect_tracking(sample_aws), Off()):
        with pytest.raises(AttributeError):
            mlflow._repr_html_  # noqa: B018
        mlflow.get_tracking_uri()  # what goes on in the background ends with this test's variables


def test_what_stands_in_the_place_of_a_runs_id_is_text_that_aws_takes_as_metadata() -> None:
    assert re.fullmatch(r"[\w\s.:/=+\-@]+", str(Off().info.run_id))


def test_the_name_of_a_local_training_stays_when_its_entry_is_written_again(tmp_path: Path) -> None:
    written = [
        ModelState(
            made_at=made_at, notebook="02", model_dir=tmp_path, base_model="base", recipe="sample.yaml",
            dataset_name="full", train_sha256="", num_train_rows=1, adapter_sha256="12345678ff",
            train_seconds=18.4,
        )
        for made_at in ("2026", "2027")
    ]  # fmt: skip
    assert {entry.training_name for entry in written} == {"local-12345678-18s"}


def test_a_table_of_scores_becomes_metrics_with_their_intervals() -> None:
    columns = pd.MultiIndex.from_tuples([("chrf", "mean"), ("chrf", "low"), ("chrf", "high")])
    table = pd.DataFrame([[0.5, 0.25, 0.75]], index=["lead-3"], columns=columns)
    assert score_metrics(table, where="endpoint/") == {
        "endpoint/lead-3/chrf": 0.5, "endpoint/lead-3/chrf/low": 0.25, "endpoint/lead-3/chrf/high": 0.75,
    }  # fmt: skip


def test_a_run_whose_kernel_died_is_gone_on_with(sample_aws: Aws) -> None:
    """Between the request and its answer: the tag is there with the run."""
    mlflow = connect_tracking(sample_aws)
    experiment = mlflow.get_experiment_by_name(PREFIX).experiment_id
    left = mlflow.MlflowClient().create_run(experiment, tags={TRAINING_TAG: "news-died"})
    assert run_of(mlflow, sample_aws.settings, "news-died", notebook=NOTEBOOK)["run_id"] == left.info.run_id
