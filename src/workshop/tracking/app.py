"""The workshop's MLflow App: found or created, waited for, and the three-line errors of both.

An App costs nothing by the hour; its artifacts lie in the workshop's bucket. Its ARN does not have its name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workshop.account.found import reason_of
from workshop.aws.waits import Wait
from workshop.errors import WorkshopError

if TYPE_CHECKING:
    from workshop.aws.session import Aws

WITHOUT = "go on without: use_mlflow: false in workshop.yaml (or WORKSHOP_USE_MLFLOW=false)"
"""Ends every error: nothing else of the workshop needs MLflow."""

ARTIFACTS_FOLDER = "mlflow"
"""Of what runs leave, below the workshop's prefix in the bucket."""

READY = ("Created", "Updated", "UpdateFailed")  # an update that failed leaves the App as it was
GONE = ("Deleting", "Deleted")


def app_name(aws: Aws) -> str:
    """Return the App's name in a mode."""
    return f"{aws.prefix}-{aws.mode}"


def find_app(aws: Aws) -> dict[str, Any] | None:
    """Return AWS's summary of the workshop's App, the oldest if there are several; None without one.

    Whether AWS keeps names unique is not published, and two machines may make one in the same moment.

    Raises:
        WorkshopError: AWS refuses, or has no Apps in this region.
    """
    with _explained(aws):
        pages = aws.client("sagemaker").get_paginator("list_mlflow_apps").paginate()
        apps = [app for page in pages for app in page["Summaries"]]
    ours = [app for app in apps if app["Name"] == app_name(aws) and app["Status"] not in GONE]
    return min(ours, key=lambda app: app["CreationTime"], default=None)


def find_or_create_app(aws: Aws) -> str:
    """Return the ARN of the workshop's App, which may still be in creation.

    Raises:
        WorkshopError: AWS refuses, or has no Apps in this region.
    """
    from botocore.exceptions import ClientError

    if found := find_app(aws):
        return found["Arn"]
    with _explained(aws):
        try:
            return aws.client("sagemaker").create_mlflow_app(
                Name=app_name(aws),
                ArtifactStoreUri=aws.uri(ARTIFACTS_FOLDER),
                RoleArn=aws.role_arn,
                # Studio and the SDK would log there what is nothing of the workshop's.
                AccountDefaultStatus="DISABLED",
            )["Arn"]
        except ClientError:
            # Another notebook was faster, or botocore sent a request again whose answer was lost.
            if found := find_app(aws):
                return found["Arn"]
            raise


def wait_until_ready(aws: Aws, arn: str) -> None:
    """Wait for an App: about two minutes on AWS, seconds on this machine; silent when it is ready already.

    Raises:
        WorkshopError: It failed, is gone, takes too long, or AWS does not answer.
    """
    with _explained(aws):
        if _describe(aws, arn)["Status"] in READY:
            return
        Wait(
            title=f"MLflow App {app_name(aws)}",
            timeout_s=aws.settings.endpoint_timeout_s,
            interval_s=aws.settings.poll_interval_s,
            setting="endpoint_timeout_s",
            expected="an App that is ready",
            next_step=f"run the cell again to go on waiting, or {WITHOUT}",
        ).until(
            lambda: _describe(aws, arn),
            is_done=lambda app: app["Status"] in READY,
            text=lambda app: app["Status"],
            failure=_failure,
        )


def wait_quietly(aws: Aws, arn: str) -> None:
    """Wait as `wait_until_ready` does, in a thread: nothing is shown, and no cell has asked for an end.

    Raises:
        WorkshopError: It failed, is gone, or AWS does not answer.
    """
    with _explained(aws):
        while (app := _describe(aws, arn))["Status"] not in READY:
            if error := _failure(app):
                raise error
            time.sleep(aws.settings.poll_interval_s)


def _describe(aws: Aws, arn: str) -> dict[str, Any]:
    return aws.client("sagemaker").describe_mlflow_app(Arn=arn)


@contextmanager
def _explained(aws: Aws) -> Iterator[None]:
    """Turn what AWS refuses in a block into three lines."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise WorkshopError(
            found=f"no MLflow App in {aws.region}: {reason_of(error)}",
            expected=f"the App {app_name(aws)}, found or made, in a region that has MLflow Apps",
            next_step=f"mend what it says, or {WITHOUT}",
        ) from None


def _failure(app: dict[str, Any]) -> WorkshopError | None:
    status = app["Status"]
    if status not in ("CreateFailed", "DeleteFailed", *GONE):
        return None
    reason = f": {app['FailureReason']}" if app.get("FailureReason") else ""
    return WorkshopError(
        found=f"the MLflow App {app['Name']} is {status}{reason}",
        expected="Created; what was trained and scored is there all the same",
        next_step=f'delete it (make cleanup CONFIRM="runs") and run the notebook again, or {WITHOUT}',
    )
