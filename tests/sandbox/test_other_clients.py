"""Clients that know nothing of the sandbox, as they are: boto3's transfers, SageMaker's SDK, MLflow."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox import images

from .conftest import RunningSandbox

ROLE = "arn:aws:iam::000000000000:role/workshop-sample"
BUCKET = "clients"
NUM_LARGE_BYTES = 60 << 20
CONTAINER = Path(__file__).parent / "hosting" / "container.py"
PROGRAM = "echo '[loss] 2'; echo > model/weights; sleep 1"
ML_MODEL = """
flavors:
  python_function:
    loader_module: news
    python_version: 3.11.0
"""
# MLflow changes the logging of its process, and imports much: it gets one of its own.
MLFLOW = """
import json, sys
import boto3
from mlflow.deployments import get_deploy_client

role, model = sys.argv[1:]
client = get_deploy_client("sagemaker:/us-east-1")
later = {"synchronous": False, "archive": True}  # MLflow itself looks every 5 s
made = client.create_deployment(
    "app", model, config={"execution_role_arn": role, "image_url": "mlflow:1", "env": {"MINE": "1"}, **later}
)
boto3.client("sagemaker").get_waiter("endpoint_in_service").wait(
    EndpointName="app", WaiterConfig={"Delay": 0.2, "MaxAttempts": 150}
)
predictions = client.predict("app", json.dumps({"text": '{"predictions": [1, 2]}'}))["predictions"]
runtime = boto3.client("sagemaker-runtime")
answer = json.load(runtime.invoke_endpoint(EndpointName="app", Body='{"tell": 1}')["Body"])
listed = [each["EndpointName"] for each in client.list_deployments()]
status = client.get_deployment("app")["EndpointStatus"]
client.delete_deployment("app", config=later)
boto3.client("sagemaker").get_waiter("endpoint_deleted").wait(
    EndpointName="app", WaiterConfig={"Delay": 0.2, "MaxAttempts": 150}
)
facts = {"made": made, "predictions": predictions, "status": status, "listed": listed, "answer": answer}
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox with an image that the tests' container emulates."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / "images.yaml").write_text(json.dumps({"mlflow:*": ["{python}", str(CONTAINER), "serve"]}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(images.VARIABLE, str(folder / "images.yaml"))
        running = RunningSandbox(folder / "home")
        try:
            running.client("s3").create_bucket(Bucket=BUCKET)
            yield running
        finally:
            running.close()


@pytest.fixture
def aws(sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A boto3 session of the documented variables, which a child process inherits too."""
    for name, value in {
        "AWS_ENDPOINT_URL": sandbox.url,
        "AWS_ACCESS_KEY_ID": "sample",
        "AWS_SECRET_ACCESS_KEY": "sample",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": (tmp_path / "runs").as_uri(),
    }.items():
        monkeypatch.setenv(name, value)
    return boto3.session.Session()


def test_boto3_transfers_a_large_file_in_parts_and_copies_it(aws: Any, tmp_path: Path) -> None:
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(os.urandom(1 << 20) * (NUM_LARGE_BYTES >> 20))
    bucket = aws.resource("s3").Bucket(BUCKET)
    bucket.upload_file(str(sent), "large/one", ExtraArgs={"Metadata": {"rows": "7"}})
    one = bucket.Object("large/one")
    assert (one.content_length, one.metadata) == (NUM_LARGE_BYTES, {"rows": "7"})
    assert one.e_tag.endswith('-8"'), "parts of 8 MB"
    bucket.copy({"Bucket": BUCKET, "Key": "large/one"}, "large/two")
    bucket.download_file("large/two", str(received))
    assert received.read_bytes() == sent.read_bytes()
    part = one.get(Range="bytes=1048570-1048585")["Body"].read()
    assert part == sent.read_bytes()[1048570:1048586]
    assert [each.key for each in bucket.objects.filter(Prefix="large/")] == ["large/one", "large/two"]
    bucket.objects.filter(Prefix="large/").delete()
    assert list(bucket.objects.filter(Prefix="large/")) == []


def test_the_sdks_resources_train_with_logs_and_metrics(aws: Any, caplog: pytest.LogCaptureFixture) -> None:
    from sagemaker.core.analytics import TrainingJobAnalytics
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.resources import TrainingJob
    from sagemaker.core.shapes import (
        AlgorithmSpecification,
        MetricDefinition,
        OutputDataConfig,
        ResourceConfig,
        StoppingCondition,
    )

    job = TrainingJob.create(
        training_job_name="sdk",
        algorithm_specification=AlgorithmSpecification(
            training_image="image",
            training_input_mode="File",
            container_entrypoint=["bash", "-c", PROGRAM],
            metric_definitions=[MetricDefinition(name="loss", regex=r"\[loss\] (\S+)")],
        ),
        role_arn=ROLE,
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{BUCKET}/sdk"),
        resource_config=ResourceConfig(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        tags=[{"key": "workshop", "value": "news"}],
        session=aws,
    )
    sdk_log = logging.getLogger("sagemaker.core.resources")
    sdk_log.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, logger=sdk_log.name):
            job.wait(poll=1, timeout=300, logs=True)
    finally:
        sdk_log.removeHandler(caplog.handler)
    assert "[loss] 2" in caplog.text
    assert job.training_job_status == "Completed"
    assert job.model_artifacts.s3_model_artifacts == f"s3://{BUCKET}/sdk/sdk/output/model.tar.gz"
    analytics = TrainingJobAnalytics("sdk", sagemaker_session=Session(aws))
    assert analytics.dataframe()[["metric_name", "value"]].to_numpy().tolist() == [["loss", 2.0]]
    job.delete()


def test_the_sdks_resources_go_through_all_pages(aws: Any, sandbox: RunningSandbox) -> None:
    from sagemaker.core.resources import Model

    names = [f"page-{number:02}" for number in range(23)]
    for name in names:
        sandbox.client("sagemaker").create_model(
            ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "image"}
        )
    found = Model.get_all(name_contains="page-", sort_by="Name", sort_order="Ascending", session=aws)
    assert [model.model_name for model in found] == names


def test_mlflow_deploys_predicts_and_deletes(aws: Any, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text(ML_MODEL)
    done = subprocess.run(
        [sys.executable, "-c", MLFLOW, ROLE, str(model)], capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout.splitlines()[-1])
    assert reported["made"] == {"name": "app", "flavor": "python_function"}
    assert (reported["status"], reported["listed"]) == ("InService", ["app"])
    assert reported["answer"]["files"] == ["MLmodel"]
    assert reported["answer"]["environ"]["MINE"] == "1"
    assert reported["predictions"] == [1, 2]
