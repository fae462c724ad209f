"""An MLflow App outlives its sandbox, however that ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.sandbox.conftest import RunningSandbox

from .conftest import BUCKET, Apps, client_of, set_environment


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    running = RunningSandbox(tmp_path / "home")
    try:
        yield running
    finally:
        running.close()


def servers(sandbox: RunningSandbox) -> list[psutil.Process]:
    return [each for each in sandbox.processes() if "program.py" in " ".join(each.cmdline())]


def test_an_app_keeps_its_data_and_what_was_begun_goes_on_when_its_sandbox_is_killed(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(sandbox, monkeypatch) as mlflow:
        apps = Apps(sandbox)
        sandbox.client("s3").create_bucket(Bucket=BUCKET)
        arn = apps.create("kept")
        apps.wait(arn, "Created")
        mlflow.set_tracking_uri(arn)
        mlflow.MlflowClient().create_experiment("뉴스")
        apps.client.update_mlflow_app(Arn=arn, Name="renamed", ArtifactStoreUri=f"s3://{BUCKET}/moved")
        orphans = servers(sandbox)
        sandbox.restart(kill=True)
        assert psutil.wait_procs(orphans, timeout=300)[1] == [], "outlived the sandbox"
        app = apps.wait(arn, "Updated")
        assert (app["Name"], app["ArtifactStoreUri"]) == ("renamed", f"s3://{BUCKET}/moved")
        set_environment(monkeypatch, sandbox)
        assert mlflow.get_experiment_by_name("뉴스").artifact_location == f"s3://{BUCKET}/kept/1"
        client = mlflow.MlflowClient()
        moved = client.get_experiment(client.create_experiment("moved"))
        assert moved.artifact_location == f"s3://{BUCKET}/moved/2"
    assert len(servers(sandbox)) == 1
    assert sandbox.stop() == 0
    assert servers(sandbox) == []
    sandbox.start()
    assert apps.client.describe_mlflow_app(Arn=arn)["Status"] == "Updated"
    assert servers(sandbox) == [], "none before it is asked for"
