"""Whether runs can be logged: the workshop's MLflow App, there or to be made, or switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workshop.account.access import principal_of, simulate
from workshop.account.checks import Line, fail, ok
from workshop.tracking.app import READY, WITHOUT, app_name, find_app

if TYPE_CHECKING:
    from workshop.aws.session import Aws

LOGGING_NOTEBOOKS = (
    "03-SageMaker-Training",
    "03-1-Option-SageMaker-Training",
    "04-SageMaker-Inference",
    "01-Evaluate-From-The-Start",
    "02-RAG-Hybrid-Search",
    "03-Prompt-RAG-FineTune",
    "04-Monitoring",
    "05-Rollout-AB-Fallback",
    "06-Pipeline-Registry",
)
"""They log what they train or measure, after a preflight."""

ACTIONS = ("sagemaker:CreateMlflowApp", "sagemaker:DescribeMlflowApp", "sagemaker:CallMlflowAppApi")


def runs_line(aws: Aws, iam: Any) -> Line:
    """Look for the App, and whether the person may make and use one: both before anything is trained.

    Raises:
        WorkshopError: AWS refuses to list Apps, or has none in this region; it names the setting.
    """
    from botocore.exceptions import ClientError

    found = find_app(aws)
    if found and found["Status"] not in (*READY, "Creating", "Updating"):
        step = f'make cleanup CONFIRM="runs", or {WITHOUT}'
        return fail("runs", f"the MLflow App {found['Name']} is {found['Status']}", step)
    try:
        person = principal_of(aws, iam)
        denied = simulate(iam, person, ACTIONS, _any_app(aws))[0] if person else []
    except ClientError:  # a person need not be able to ask about itself
        denied = []
    if denied:
        return fail("runs", f"you may not {', '.join(denied)}", f"attach setup/iam's policy, or {WITHOUT}")
    if found:
        return ok("runs", f"logged in the MLflow App {found['Name']} ({found['Status']}), at no charge")
    return ok("runs", f"the MLflow App {app_name(aws)} is not there yet; the first notebook makes it")


def _any_app(aws: Aws) -> str:
    """Return an ARN as policies name it: that of an App does not have its name."""
    return f"arn:{aws.role_arn.split(':')[1]}:sagemaker:{aws.region}:{aws.account_id}:mlflow-app/*"
