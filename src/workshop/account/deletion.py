"""Delete what was found and is confirmed, in AWS's order: waits have an end, an error ends one thing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from workshop.account.confirmation import LOG_RETENTION, LOGS, MINE, TAGGED
from workshop.account.finding import JOBS, find_running
from workshop.account.found import Found, Listing, Problem, noted
from workshop.account.logs import RETENTION_DAYS, delete_logs, keep_for_a_time
from workshop.account.pipelines import stop_execution, wait_until_execution_ended
from workshop.account.storage import delete_bucket, delete_group
from workshop.account.watching import delete_rule
from workshop.aws.resources import delete_if_there, described_or_none
from workshop.aws.session import Aws
from workshop.aws.waits import Wait
from workshop.endpoint.deletion import (
    ask_to_delete_component,
    ask_to_delete_endpoint,
    wait_until_component_is_gone,
    wait_until_endpoint_is_gone,
)
from workshop.endpoint.scaling import deregister

_SERVICES = {
    "ScalableTarget": "application-autoscaling",
    "Alarm": "cloudwatch",
    "Dashboard": "cloudwatch",
    "Rule": "events",
    "Repository": "ecr",
    "S3": "s3",
    "Bucket": "s3",
    "LogGroup": "logs",
    "LogStreams": "logs",
}
_HERE = ("ledger", "state")
_RUNS = ("PipelineExecution", *JOBS, "InferenceComponent", "Endpoint")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one thing.

    Attributes:
        done: "deleted", "stopped", "kept 14 days"; "" when it was left.
        reason: Why it was left; "" else.
    """

    found: Found
    done: str = ""
    reason: str = ""


def reason_to_leave(found: Found, words: frozenset[str], mode: str) -> str:
    """Return why a thing is not to be deleted with these words confirmed; "" when it is."""
    if found.mode != mode:
        return f"of another mode: WORKSHOP_MODE={found.mode}"
    if found.word:
        is_kept = found.kind == "LogGroup" and LOG_RETENTION in words
        return "" if found.word in words or is_kept else f"not confirmed: {found.word}"
    if TAGGED in words or (MINE in words and set(_HERE) & set(found.sources)):
        return ""
    word = MINE if set(_HERE) & set(found.sources) else TAGGED
    return f"not confirmed: {word}"


def delete(aws: Aws, listing: Listing, words: frozenset[str]) -> list[Outcome]:
    """Delete what is confirmed, and say what became of each thing.

    Args:
        listing: What `find` has returned.
        words: Those of the setting; none deletes nothing.
    """
    reasons = {id(one): reason_to_leave(one, words, aws.mode) for one in listing.found}
    outcomes = [Outcome(found=one, reason=reasons[id(one)]) for one in listing.found if reasons[id(one)]]
    chosen = [one for one in listing.found if not reasons[id(one)]]
    deletion = _Deletion(aws, words)
    for group in _groups(chosen):
        outcomes += deletion.run(group)
    return outcomes


def _groups(chosen: list[Found]) -> Iterable[list[Found]]:
    """Yield what is deleted at the same time, in order: adapters before their bases."""
    groups: dict[tuple[str, bool], list[Found]] = {}
    for one in chosen:
        groups.setdefault((one.kind, one.details.get("is_adapter", False)), []).append(one)
    return groups.values()


class _Deletion:
    def __init__(self, aws: Aws, words: frozenset[str]) -> None:
        self._aws, self._words = aws, words
        self._left: list[str] = []  # what runs on, although it should have ended
        self._facts: dict[str, Any] = {}

    def run(self, group: list[Found]) -> list[Outcome]:
        """Delete things of one kind: all are asked for before one is waited for."""
        self._facts.clear()
        deadline_s = time.monotonic() + self._aws.settings.endpoint_timeout_s

        def left_s() -> float:
            return max(deadline_s - time.monotonic(), 0)

        asked = [(one, self._try(one, lambda one=one: self._ask(one, left_s))) for one in group]
        outcomes = []
        for one, reason in asked:
            reason = reason or self._try(one, lambda one=one: self._wait(one, left_s))
            if reason and one.kind in _RUNS:
                self._left.append(one.name)
            outcomes.append(Outcome(found=one, done="" if reason else self._done(one), reason=reason))
        return outcomes

    def _try(self, found: Found, act: Callable[[], str | None]) -> str:
        """Return why it did not work, in one line; "" when it did."""
        problems: list[Problem] = []
        with noted(problems, found.name, _SERVICES.get(found.kind, "sagemaker")):
            return act() or ""
        return problems[0].reason

    def _done(self, found: Found) -> str:
        if found.kind in ("PipelineExecution", *JOBS):
            return "stopped"
        return f"kept {RETENTION_DAYS} days" if self._is_kept(found) else "deleted"

    def _is_kept(self, found: Found) -> bool:
        return found.kind == "LogGroup" and LOGS not in self._words

    def _ask(self, found: Found, left_s: Callable[[], float]) -> str | None:
        """Ask AWS to delete one thing; return why it is left alone, if it is."""
        aws, sagemaker, name = self._aws, self._aws.client("sagemaker"), found.name
        match found.kind:
            case "ScalableTarget":
                deregister(aws, name, found.details["dimension"])
            case "Alarm":
                # Those of a policy went with its target; of several in one call a missing one spoils all.
                delete_if_there(aws.client("cloudwatch").delete_alarms, AlarmNames=[name])
            case "Dashboard":
                delete_if_there(aws.client("cloudwatch").delete_dashboards, DashboardNames=[name])
            case "Rule":
                delete_rule(aws, name)
            case "PipelineExecution":
                stop_execution(aws, found)
            case "TrainingJob" | "ProcessingJob":
                return self._stop_job(found)
            case "InferenceComponent":
                ask_to_delete_component(aws, name, timeout_s=left_s())
            case "Endpoint":
                others = _components_on(sagemaker, name)
                if others:
                    return f"components are on it that were not deleted: {', '.join(others)}"
                ask_to_delete_endpoint(aws, name, timeout_s=left_s())
            case "EndpointConfig" | "Model":
                if user := self._users().get((found.kind, name)):
                    return f"in use by {user}"
                delete = {"EndpointConfig": sagemaker.delete_endpoint_config, "Model": sagemaker.delete_model}
                delete_if_there(delete[found.kind], **{f"{found.kind}Name": name})
            case "MlflowApp":
                delete_if_there(sagemaker.delete_mlflow_app, Arn=found.details["arn"])
            case "ModelPackage":
                delete_if_there(sagemaker.delete_model_package, ModelPackageName=found.details["arn"])
            case "Pipeline":
                delete_if_there(sagemaker.delete_pipeline, PipelineName=name)
            case "ModelPackageGroup":
                delete_if_there(sagemaker.delete_model_package_group, ModelPackageGroupName=name)
            case "Repository":
                if runs := self._running():
                    return f"{runs[0]} still runs, and may need an image there"
                delete_if_there(aws.client("ecr").delete_repository, repositoryName=name, force=True)
            case "S3":
                if runs := self._running():
                    return f"{runs[0]} still runs, and may read or write there"
                delete_group(aws, found)
            case "Bucket":
                delete_bucket(aws, name)
            case "LogGroup" | "LogStreams":
                (keep_for_a_time if self._is_kept(found) else delete_logs)(aws, found)
        return None

    def _wait(self, found: Found, left_s: Callable[[], float]) -> str | None:
        aws, name = self._aws, found.name
        match found.kind:
            case "PipelineExecution":
                wait_until_execution_ended(aws, found, left_s())
            case "TrainingJob" | "ProcessingJob":
                _wait_until_job_ended(aws, found, left_s())
            case "InferenceComponent":
                wait_until_component_is_gone(aws, name, timeout_s=left_s())
            case "Endpoint":
                wait_until_endpoint_is_gone(aws, name, timeout_s=left_s())
            case "MlflowApp":
                _wait_until_app_is_gone(aws, found, left_s())
        return None

    def _stop_job(self, job: Found) -> str | None:
        from botocore.exceptions import ClientError

        sagemaker = self._aws.client("sagemaker")
        stop = {"TrainingJob": sagemaker.stop_training_job, "ProcessingJob": sagemaker.stop_processing_job}
        try:
            stop[job.kind](**{f"{job.kind}Name": job.name})
        except ClientError as error:
            # It ended a moment ago, or is stopping already: what counts is what Describe says.
            if error.response["Error"].get("Code") != "ValidationException":
                raise
        return None

    def _running(self) -> list[str]:
        """Return what is still there of the workshop's that may use the objects in S3, of any mode."""
        return self._once("running", lambda: [*self._left, *find_running(self._aws)])

    def _users(self) -> dict[tuple[str, str], str]:
        """Return what is in use by an endpoint or component that is still there: (kind, name) -> by which."""
        return self._once("users", lambda: _users(self._aws.client("sagemaker")))

    def _once(self, name: str, ask: Callable[[], Any]) -> Any:
        """Return what AWS says, asked once for the things that are deleted together."""
        if name not in self._facts:
            self._facts[name] = ask()
        return self._facts[name]


def _users(sagemaker: Any) -> dict[tuple[str, str], str]:
    """Return what all endpoints and components of the account use, anybody's."""
    used: dict[tuple[str, str], str] = {}
    for page in sagemaker.get_paginator("list_endpoints").paginate():
        for item in page["Endpoints"]:
            endpoint = item["EndpointName"]
            described = described_or_none(sagemaker.describe_endpoint, EndpointName=endpoint) or {}
            pending = described.get("PendingDeploymentSummary") or {}
            for config in {described.get("EndpointConfigName"), pending.get("EndpointConfigName")} - {None}:
                used["EndpointConfig", config] = f"the endpoint {endpoint}"
                found = described_or_none(sagemaker.describe_endpoint_config, EndpointConfigName=config) or {}
                for variant in found.get("ProductionVariants", ()):
                    used["Model", variant.get("ModelName", "")] = f"the endpoint {endpoint}"
    describe = sagemaker.describe_inference_component
    for page in sagemaker.get_paginator("list_inference_components").paginate():
        for item in page["InferenceComponents"]:
            name = item["InferenceComponentName"]
            described = described_or_none(describe, InferenceComponentName=name) or {}
            model = described.get("Specification", {}).get("ModelName", "")
            used["Model", model] = f"the inference component {name}"
    return used


def _components_on(sagemaker: Any, endpoint: str) -> list[str]:
    pages = sagemaker.get_paginator("list_inference_components").paginate(EndpointNameEquals=endpoint)
    return [item["InferenceComponentName"] for page in pages for item in page["InferenceComponents"]]


def _wait_until_job_ended(aws: Aws, job: Found, timeout_s: float) -> None:
    sagemaker, status = aws.client("sagemaker"), f"{job.kind}Status"
    describe = {
        "TrainingJob": sagemaker.describe_training_job,
        "ProcessingJob": sagemaker.describe_processing_job,
    }[job.kind]
    Wait(
        title=job.name,
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        setting="endpoint_timeout_s",
        expected="the end of the job",
        next_step="run the cleanup again; a job has 120 s to save, then its results are uploaded",
    ).until(
        lambda: described_or_none(describe, **{f"{job.kind}Name": job.name}),
        is_done=lambda one: one is None or one[status] not in ("InProgress", "Stopping"),
        text=lambda one: "gone" if one is None else one[status],
    )


def _wait_until_app_is_gone(aws: Aws, app: Found, timeout_s: float) -> None:
    describe = aws.client("sagemaker").describe_mlflow_app
    Wait(
        title=app.name,
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        setting="endpoint_timeout_s",
        expected="the end of the MLflow App",
        next_step="run the cleanup again",
    ).until(
        lambda: described_or_none(describe, Arn=app.details["arn"]),
        is_done=lambda one: one is None or one["Status"] == "Deleted",
        text=lambda one: "gone" if one is None else one["Status"],
    )
