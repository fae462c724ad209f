"""Logs of the workshop's endpoints, components and jobs: found by name, deleted, or kept for a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from workshop.account.confirmation import LOGS
from workshop.account.found import JOBS_OF_DAYS, Found, Problem, noted, now
from workshop.account.ownership import TAG, Ownership
from workshop.aws.resources import delete_if_there, is_missing, is_there
from workshop.aws.session import PREFIX, Aws
from workshop.aws.transfer import size_text
from workshop.endpoint.components import LOG_GROUP as COMPONENTS
from workshop.endpoint.endpoints import LOG_GROUP as ENDPOINTS

JOBS, PROCESSING_JOBS = "/aws/sagemaker/TrainingJobs", "/aws/sagemaker/ProcessingJobs"
"""One log group for all jobs of a kind: of it only the streams of the workshop's jobs are deleted."""

RETENTION_DAYS = 14
_NAMES_HAVE = ("news-", "pipelines-")
"""Names of the workshop's, and those that AWS gives to jobs of a pipeline; others are not asked for tags."""
_PARENTS = {ENDPOINTS: "Endpoint", COMPONENTS: "InferenceComponent"}


def find_logs(
    aws: Aws, ownership: Ownership, owners: list[Found], problems: list[Problem]
) -> Iterator[Found]:
    """Yield the log groups of endpoints and components, there or deleted, and the streams of jobs."""
    sagemaker = aws.client("sagemaker")
    describe = {
        "Endpoint": sagemaker.describe_endpoint,
        "InferenceComponent": sagemaker.describe_inference_component,
    }
    for parent, kind in _PARENTS.items():
        names = {one.name: one.sources for one in owners if one.kind == kind}
        earlier = set(ownership.made_here(kind)) - set(names)
        with noted(problems, f"the log groups {parent}", "logs"):
            pages = aws.client("logs").get_paginator("describe_log_groups")
            for page in pages.paginate(logGroupNamePrefix=parent):
                for group in page["logGroups"]:
                    name = group["logGroupName"].removeprefix(parent)
                    if name in names:
                        yield _log_group(aws, group, names[name])
                    # Somebody else's may have the name since.
                    elif name in earlier and not is_there(describe[kind], **{f"{kind}Name": name}):
                        yield _log_group(aws, group, ("ledger",))
    with noted(problems, "the logs of jobs", "logs"):
        jobs = _made(ownership, "TrainingJob")
        with noted(problems, "the search for jobs that have ended"):
            jobs = dict.fromkeys(_tagged_jobs(aws), "tag") | jobs
        yield from _job_logs(aws, JOBS, jobs)
    with noted(problems, "the logs of processing jobs", "logs"):
        jobs = _made(ownership, "ProcessingJob")
        with noted(problems, "the list of processing jobs that have ended"):
            jobs = dict.fromkeys(_tagged_processing_jobs(aws), "tag") | jobs
        yield from _job_logs(aws, PROCESSING_JOBS, jobs)


def delete_logs(aws: Aws, found: Found) -> None:
    """Delete a log group, or the streams of the workshop's jobs in the group that all jobs share."""
    logs = aws.client("logs")
    if found.kind == "LogGroup":
        delete_if_there(logs.delete_log_group, logGroupName=found.name)
    for stream in found.details.get("streams", ()):
        delete_if_there(logs.delete_log_stream, logGroupName=found.name, logStreamName=stream)


def keep_for_a_time(aws: Aws, found: Found) -> None:
    """Let CloudWatch delete what is older than RETENTION_DAYS in a log group, from now on."""
    aws.client("logs").put_retention_policy(logGroupName=found.name, retentionInDays=RETENTION_DAYS)


def _log_group(aws: Aws, group: dict[str, Any], sources: tuple[str, ...]) -> Found:
    days = group.get("retentionInDays")
    kept = f"kept {days} days" if days else "kept for ever"
    return Found(
        kind="LogGroup",
        name=group["logGroupName"],
        sources=sources,
        mode=aws.mode,
        what=f"{size_text(group.get('storedBytes', 0))}, {kept}",
        word=LOGS,
        details={"retention_days": days},
    )


def _job_logs(aws: Aws, group: str, jobs: Mapping[str, str]) -> Iterator[Found]:
    """Yield the streams that jobs have in a log group; jobs is name -> what says that it is ours."""
    from botocore.exceptions import ClientError

    streams, pages = [], aws.client("logs").get_paginator("describe_log_streams")
    for job in jobs:
        try:
            for page in pages.paginate(logGroupName=group, logStreamNamePrefix=f"{job}/"):
                streams += [stream["logStreamName"] for stream in page["logStreams"]]
        except ClientError as error:
            if not is_missing(error):
                raise
            return
    if streams:
        yield Found(
            kind="LogStreams",
            name=group,
            sources=tuple(sorted(set(jobs.values()))),
            mode=aws.mode,
            what=f"{len(streams)} streams of the workshop's jobs",
            word=LOGS,
            details={"streams": streams},
        )


def _made(ownership: Ownership, kind: str) -> dict[str, str]:
    """Return the jobs that this machine or an execution has made: name -> what says so."""
    return ownership.adopted(kind) | {name: "ledger" for name in ownership.made_here(kind)}


def _tagged_jobs(aws: Aws) -> Iterator[str]:
    """Yield the names of the workshop's jobs, ended ones too; a search asks for no list of tags each."""
    tagged = {"Filters": [{"Name": f"Tags.{TAG}", "Operator": "Equals", "Value": PREFIX}]}
    pages = aws.client("sagemaker").get_paginator("search")
    for page in pages.paginate(Resource="TrainingJob", SearchExpression=tagged):
        for result in page["Results"]:
            yield result["TrainingJob"]["TrainingJobName"]


def _tagged_processing_jobs(aws: Aws) -> Iterator[str]:
    """Yield the names of the workshop's processing jobs of late, of which AWS's Search knows none."""
    sagemaker = aws.client("sagemaker")
    pages = sagemaker.get_paginator("list_processing_jobs")
    for part in _NAMES_HAVE:
        for page in pages.paginate(NameContains=part, CreationTimeAfter=now() - timedelta(days=JOBS_OF_DAYS)):
            for job in page["ProcessingJobSummaries"]:
                tags = sagemaker.list_tags(ResourceArn=job["ProcessingJobArn"])["Tags"]
                if {"Key": TAG, "Value": PREFIX} in tags:
                    yield job["ProcessingJobName"]
