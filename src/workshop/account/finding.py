"""Find what the workshop has in an account: each kind by SageMaker's own list, with the tags of each thing.

The ledger knows what this machine has made. Tags find it from any other machine, and after a kernel died
between a request and its answer. What a pipeline has made is its execution's. What has no tags (scalable
targets, alarms, logs) goes by the names of what has, by the ledger, and alarms by the mark in their
description.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from workshop.account.described import details_of, details_of_app
from workshop.account.found import JOBS_OF_DAYS, Found, Listing, Problem, noted, now
from workshop.account.logs import find_logs
from workshop.account.ownership import Ownership
from workshop.account.pipelines import find_executions
from workshop.account.repositories import find_repositories
from workshop.account.scaling import find_alarms, find_targets
from workshop.account.storage import find_storage
from workshop.account.versions import find_versions
from workshop.account.watching import find_dashboards, find_rules
from workshop.aws.resources import is_missing
from workshop.aws.session import Aws
from workshop.tracking.app import GONE

JOBS = ("TrainingJob", "ProcessingJob")
KINDS = (
    "Pipeline",
    *(*JOBS, "InferenceComponent", "Endpoint", "EndpointConfig", "Model"),
    *("ModelPackageGroup", "MlflowApp"),
)
_RUNNING, _ENDED = ("InProgress", "Stopping"), ("Completed", "Failed", "Stopped")
# Kind -> the operation that lists it, and the member of its answer.
_LISTS = {
    "Pipeline": ("list_pipelines", "PipelineSummaries"),
    "TrainingJob": ("list_training_jobs", "TrainingJobSummaries"),
    "ProcessingJob": ("list_processing_jobs", "ProcessingJobSummaries"),
    "InferenceComponent": ("list_inference_components", "InferenceComponents"),
    "Endpoint": ("list_endpoints", "Endpoints"),
    "EndpointConfig": ("list_endpoint_configs", "EndpointConfigs"),
    "Model": ("list_models", "Models"),
    "ModelPackageGroup": ("list_model_package_groups", "ModelPackageGroupSummaryList"),
    "MlflowApp": ("list_mlflow_apps", "Summaries"),
}


def find(aws: Aws) -> Listing:
    """Return everything of the workshop's that AWS lists now, in the order in which it is deleted.

    An error ends the part of the list that it is about; the rest is there, and the error beside it.
    """
    problems: list[Problem] = []
    ownership = Ownership(aws)
    pipelines, executions = _pipelines(aws, ownership, problems)
    by_kind = {kind: _find_kind(aws, ownership, kind, problems) for kind in KINDS if kind != "Pipeline"}
    owners = by_kind["InferenceComponent"] + by_kind["Endpoint"]
    found = [
        *find_rules(aws, ownership, problems),  # they would start more executions
        *executions,  # they would make more of what follows
        *find_targets(aws, ownership, owners, problems),
        *find_alarms(aws, ownership, owners, problems),
        *find_dashboards(aws, ownership, problems),
        *(job for kind in JOBS for job in by_kind[kind]),
        # adapters before their bases
        *sorted(by_kind["InferenceComponent"], key=lambda one: not one.details["is_adapter"]),
        *by_kind["Endpoint"],
        *by_kind["EndpointConfig"],
        *by_kind["Model"],
        *find_versions(aws, by_kind["ModelPackageGroup"], problems),
        *by_kind["ModelPackageGroup"],
        *pipelines,
        *by_kind["MlflowApp"],
        *find_repositories(aws, ownership, problems),
        *find_storage(aws, ownership, problems),
        *find_logs(aws, ownership, owners, problems),
    ]
    return Listing(found=found, problems=problems, at=now())


def find_running(aws: Aws) -> list[str]:
    """Return the names of what runs of the workshop's, and of what is there to be asked, of every mode."""
    ownership, problems = Ownership(aws), []
    _, executions = _pipelines(aws, ownership, problems)
    kinds = (*JOBS, "InferenceComponent", "Endpoint")
    found = [one for kind in kinds for one in _find_kind(aws, ownership, kind, problems)]
    return [one.name for one in (*executions, *found)]


def find_paid(aws: Aws) -> Listing:
    """Return what costs and is there, and the jobs that have ended lately, of every mode."""
    ownership, problems = Ownership(aws), []
    since = now() - timedelta(days=JOBS_OF_DAYS)
    _pipelines(aws, ownership, problems)
    endpoints = _find_kind(aws, ownership, "Endpoint", problems)
    found = [
        *endpoints,
        *find_alarms(aws, ownership, endpoints, problems),
        *find_dashboards(aws, ownership, problems),
        *(job for kind in JOBS for job in _find_kind(aws, ownership, kind, problems)),
        *(job for kind in JOBS for job in _find_kind(aws, ownership, kind, problems, ended_since=since)),
    ]
    return Listing(found=found, problems=problems, at=now())


def _pipelines(aws: Aws, ownership: Ownership, problems: list[Problem]) -> tuple[list[Found], list[Found]]:
    """Return pipelines and the executions that run; jobs and models are asked for after these."""
    pipelines = _find_kind(aws, ownership, "Pipeline", problems)
    return pipelines, find_executions(aws, ownership, pipelines, problems)


def _find_kind(
    aws: Aws,
    ownership: Ownership,
    kind: str,
    problems: list[Problem],
    *,
    ended_since: datetime | None = None,
) -> list[Found]:
    found: list[Found] = []
    details = {"is_adapter": False, "has_ended": ended_since is not None}
    with noted(problems, f"the list of {kind}s"):
        for item in _items(aws, kind, ended_since):
            # An App is named and its ARN given without its kind.
            name, arn = item.get(f"{kind}Name") or item["Name"], item.get(f"{kind}Arn") or item["Arn"]
            made_at, tags = item["CreationTime"], _tags(aws, arn, problems)
            sources = ownership.sources(kind, name, tags, made_at)
            if not sources:
                continue
            mode = ownership.mode_of(kind, name, tags, aws.mode)
            more: dict[str, Any] = {}
            with noted(problems, f"{kind} {name}"):
                is_app = kind == "MlflowApp"
                more = details_of_app(item) if is_app else details_of(aws, kind, name, made_at)
            one = {"kind": kind, "name": name, "sources": sources, "mode": mode, "made_at": made_at}
            found.append(Found(**one, **({"details": details} | more)))
    return found


def _items(aws: Aws, kind: str, ended_since: datetime | None) -> Iterator[dict[str, Any]]:
    """Yield AWS's summaries of a kind; of jobs those that run, or those since a time that do not."""
    operation, member = _LISTS[kind]
    paginator = aws.client("sagemaker").get_paginator(operation)
    if kind in JOBS:
        after = {} if ended_since is None else {"CreationTimeAfter": ended_since}
        for status in _RUNNING if ended_since is None else _ENDED:
            for page in paginator.paginate(StatusEquals=status, **after):
                yield from page[member]
        return
    for page in paginator.paginate():
        yield from (item for item in page[member] if item.get("Status") not in GONE)


def _tags(aws: Aws, arn: str, problems: list[Problem]) -> dict[str, str] | None:
    """Return the tags of a resource; None when they cannot be asked for, {} when it is gone meanwhile."""
    from botocore.exceptions import ClientError

    refused: list[Problem] = []
    with noted(refused, "tags, so that only the ledger tells what is the workshop's"):
        try:
            pages = aws.client("sagemaker").get_paginator("list_tags").paginate(ResourceArn=arn)
            return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        except ClientError as error:
            if not is_missing(error):
                raise
            return {}
    problems += [one for one in refused if one not in problems]  # once, and not for each resource
    return None
