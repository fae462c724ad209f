"""What becomes of the records of MLflow Apps, without a server: each app here meets a fault."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Apps


@pytest.fixture
def failed(apps: Apps) -> Iterator[dict[str, str]]:
    """Three apps that could not be created, the oldest first."""
    made = {}
    for name in ("b-news", "a-news", "c-other"):
        apps.fault("CreateMlflowApp", "FailedHealthCheck")
        made[name] = apps.create(name)
        apps.wait(made[name], "CreateFailed")
    yield made
    for arn in made.values():
        apps.client.delete_mlflow_app(Arn=arn)
        apps.wait_gone(arn)


def names(answer: dict[str, Any]) -> list[str]:
    return [each["Name"] for each in answer["Summaries"]]


def test_apps_are_listed_filtered_sorted_and_in_pages(apps: Apps, failed: dict[str, str]) -> None:
    client = apps.client
    assert names(client.list_mlflow_apps()) == ["c-other", "a-news", "b-news"], "the newest first"
    assert names(client.list_mlflow_apps(SortBy="Name", SortOrder="Ascending")) == sorted(failed)
    assert names(client.list_mlflow_apps(Status="Created")) == []
    assert len(names(client.list_mlflow_apps(Status="CreateFailed", SortBy="Status"))) == 3
    version = client.describe_mlflow_app(Arn=failed["a-news"])["MlflowVersion"]
    assert len(names(client.list_mlflow_apps(MlflowVersion=version))) == 3
    assert names(client.list_mlflow_apps(MlflowVersion="2.13.2")) == []
    now, minute = datetime.now(UTC), timedelta(minutes=1)
    assert len(names(client.list_mlflow_apps(CreatedAfter=now - minute, CreatedBefore=now + minute))) == 3
    assert names(client.list_mlflow_apps(CreatedAfter=now + minute)) == []
    assert names(client.list_mlflow_apps(CreatedBefore=now - minute)) == []
    first = client.list_mlflow_apps(MaxResults=2)
    assert names(first) == ["c-other", "a-news"]
    assert names(client.list_mlflow_apps(MaxResults=2, NextToken=first["NextToken"])) == ["b-news"]


def test_one_app_at_most_is_the_default_of_the_account(apps: Apps) -> None:
    made = []
    for name in ("first", "second"):
        apps.fault("CreateMlflowApp", "InsufficientCapacity")
        made.append(apps.create(name, AccountDefaultStatus="ENABLED"))
        apps.wait(made[-1], "CreateFailed")
    assert names(apps.client.list_mlflow_apps(AccountDefaultStatus="ENABLED")) == ["second"]
    assert names(apps.client.list_mlflow_apps(AccountDefaultStatus="DISABLED")) == ["first"]
    for arn in made:
        apps.client.delete_mlflow_app(Arn=arn)
        apps.wait_gone(arn)


def test_an_app_that_could_not_be_created_says_why_in_the_log(apps: Apps, failed: dict[str, str]) -> None:
    identity = failed["a-news"].rpartition("/")[2]
    assert f"MLflow App {identity}: FailedHealthCheck" in apps.sandbox.log_path.read_text()
    with pytest.raises(ClientError, match=r"ConflictException.*CreateFailed"):
        apps.client.create_presigned_mlflow_app_url(Arn=failed["a-news"])
    with pytest.raises(ClientError, match=r"ConflictException.*CreateFailed"):
        apps.client.update_mlflow_app(Arn=failed["a-news"], Name="d-news")


def test_an_app_whose_folder_cannot_be_made_is_not_created(apps: Apps) -> None:
    in_the_way = apps.sandbox.home / "mlflow"
    in_the_way.write_text("a file", encoding="utf-8")
    arn = apps.create("no-folder")
    apps.wait(arn, "CreateFailed")
    assert f"MLflow App {arn.rpartition('/')[2]}: " in apps.sandbox.log_path.read_text()
    in_the_way.unlink()
    apps.client.delete_mlflow_app(Arn=arn)
    apps.wait_gone(arn)


def test_an_app_that_starts_slowly_can_be_deleted_meanwhile(apps: Apps) -> None:
    apps.fault("CreateMlflowApp", "SlowStart", delay_s=600)
    arn = apps.create("slow")
    assert apps.client.describe_mlflow_app(Arn=arn)["Status"] == "Creating"
    begun_s = time.monotonic()
    apps.client.delete_mlflow_app(Arn=arn)
    apps.wait_gone(arn)
    assert time.monotonic() - begun_s < 600, "it was waited for"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sagemaker:us-east-1:000000000000:mlflow-app/app-NONE",
        "arn:aws:sagemaker:eu-west-1:000000000000:mlflow-app/{a-news}",
        "arn:aws:sagemaker:us-east-1:000000000001:mlflow-app/{a-news}",
    ],
)
def test_an_app_that_is_not_there_is_not_found(apps: Apps, failed: dict[str, str], arn: str) -> None:
    arn = arn.format(**{name: each.rpartition("/")[2] for name, each in failed.items()})
    for call in ("describe", "update", "delete"):
        with pytest.raises(ClientError, match="ResourceNotFound"):
            getattr(apps.client, f"{call}_mlflow_app")(Arn=arn)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        apps.client.create_presigned_mlflow_app_url(Arn=arn)


def test_a_store_that_is_not_in_s3_is_refused(apps: Apps) -> None:
    with pytest.raises(ClientError, match="expected an S3 URI"):
        apps.create("n", ArtifactStoreUri="https://example.com/a")
