"""Operations on training jobs: what is refused, what is kept, and what becomes of running jobs at the end."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from sandbox.account.quotas import check_quota
from sandbox.api.errors import in_use, validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.container_paths import CONTAINER_ROOT
from sandbox.jobs.checks import check_buckets, check_local_path, check_num_hosts, check_objects, unique
from sandbox.jobs.running import RunningJobs
from sandbox.s3_files import S3Files
from sandbox.training import metrics, outputs, status
from sandbox.training.lifecycle import KIND, TrainingJob
from sandbox.training.synced_folders import places

_SUMMARY = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingEndTime",
    "LastModifiedTime",
    "TrainingJobStatus",
    "SecondaryStatus",
)
_DEFAULT_MAX_RUNTIME_S = 86_400
# What AWS describes of members that were not given; `attach` of the SDK's version 2 reads the key.
_OUTPUT_DEFAULTS = {"KmsKeyId": "", "CompressionType": "GZIP"}
_CHANNEL_DEFAULTS = {"CompressionType": "None", "RecordWrapperType": "None"}
RUNNING = RunningJobs(TrainingJob)


@operation("CreateTrainingJob")
def create_training_job(call: Call) -> dict[str, Any]:
    request, name = call.request, call.request["TrainingJobName"]
    if call.context.resources.get(KIND, call.region, name):
        raise _name_taken()
    _check(call)
    record = {
        **request,
        "TrainingJobArn": call.arn(KIND, name),
        "TrainingJobStatus": "InProgress",
        "CreationTime": time.time(),
        "StoppingCondition": {
            "MaxRuntimeInSeconds": _DEFAULT_MAX_RUNTIME_S,
            **request.get("StoppingCondition", {}),
        },
        "_tags": tags_of(call),
    }
    record.pop("Tags", None)
    record["OutputDataConfig"] = {**_OUTPUT_DEFAULTS, **request["OutputDataConfig"]}
    if "InputDataConfig" in request:
        record["InputDataConfig"] = [{**_CHANNEL_DEFAULTS, **each} for each in request["InputDataConfig"]]
    for flag in ("NetworkIsolation", "InterContainerTrafficEncryption", "ManagedSpotTraining"):
        record.setdefault(f"Enable{flag}", False)
    # AWS's own model makes it required, also while nothing is there yet.
    record["ModelArtifacts"] = {"S3ModelArtifacts": outputs.artifacts_uri(record)}
    status.enter(record, "Starting")
    with call.context.resources.held():  # nobody takes the instances between
        _check_quota(call)
        is_new = RUNNING.start(call, name, record)
    if not is_new:
        raise _name_taken()
    return {"TrainingJobArn": record["TrainingJobArn"]}


@operation("DescribeTrainingJob")
def describe_training_job(call: Call) -> dict[str, Any]:
    return only_members(call.operation, described(call.region, _found(call)))


def described(region: str, record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with what only a job that runs knows: its metrics and how long it has trained."""
    job = RUNNING.find(region, record["TrainingJobName"])
    if job and record["TrainingJobStatus"] not in status.TERMINAL:
        record["FinalMetricDataList"] = job.metrics.final() or None
        if "TrainingStartTime" in record:
            seconds = max(1, round(time.time() - record["TrainingStartTime"]))
            record["TrainingTimeInSeconds"] = record["BillableTimeInSeconds"] = seconds
    return record


@operation("ListTrainingJobs")
def list_training_jobs(call: Call) -> dict[str, Any]:
    """List jobs; status and name thin out pages that were made without them.

    Source: API reference, ListTrainingJobs: with StatusEquals and MaxResults that many jobs "are first
    retrieved ignoring the StatusEquals parameter and then they are filtered", "from the most current to the
    oldest". NameContains does the same (github.com/boto/boto3/issues/2838 and 3347).
    """
    request = call.request
    if {"StatusEquals", "MaxResults"} <= request.keys() and request.get("SortBy") in (None, "CreationTime"):
        call = dataclasses.replace(call, request={"SortOrder": "Descending", **request})
    return list_records(
        call,
        call.context.resources.all(KIND, call.region),
        answer_key="TrainingJobSummaries",
        name_key="TrainingJobName",
        summary=lambda record: {key: record.get(key) for key in _SUMMARY},
        # No job here has a warm pool or a training plan: these two find none.
        equals={
            "StatusEquals": "TrainingJobStatus",
            "WarmPoolStatusEquals": "WarmPoolStatus",
            "TrainingPlanArnEquals": "TrainingPlanArn",
        },
        sort_keys={"Status": "TrainingJobStatus"},
        in_page={"StatusEquals", "NameContains"},
    )


@operation("StopTrainingJob")
def stop_training_job(call: Call) -> dict[str, Any]:
    record = _found(call)
    job = RUNNING.find(call.region, record["TrainingJobName"])
    if record["TrainingJobStatus"] in status.TERMINAL or job is None:
        raise validation_error(
            f"The request was rejected because the training job is in status {record['TrainingJobStatus']}."
        )
    job.end("stop")
    return {}


@operation("DeleteTrainingJob")
def delete_training_job(call: Call) -> dict[str, Any]:
    record = _found(call)
    if record["TrainingJobStatus"] not in status.TERMINAL:
        raise in_use(
            f"The training job {record['TrainingJobName']} is in status {record['TrainingJobStatus']}."
            " Only jobs that have ended can be deleted."
        )
    call.context.resources.remove(KIND, call.region, record["TrainingJobName"])
    return {}


def _found(call: Call) -> dict[str, Any]:
    record = call.context.resources.get(KIND, call.region, call.request["TrainingJobName"])
    if record is None:
        raise validation_error("Requested resource not found.")
    return record


def _name_taken() -> Exception:
    return in_use(
        "Training job names must be unique within an AWS account and region. Please choose a different name."
    )


def _check(call: Call) -> None:
    """Refuse a request that cannot become a job.

    Raises:
        AwsError: ValidationException, in AWS's words where they are known.
    """
    request = call.request
    if "AlgorithmSpecification" not in request:  # of serverless jobs alone
        raise validation_error("AlgorithmSpecification is required for a training job.")
    _check_algorithm(request["AlgorithmSpecification"])
    _check_resources(request)
    s3 = S3Files(call.context.client("s3", call.region))
    _check_output(request, s3)
    channels = request.get("InputDataConfig", [])
    if not unique(channel["ChannelName"] for channel in channels):
        raise validation_error("Channel names must be unique.")
    for channel in channels:
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            name = channel["ChannelName"]
            raise validation_error(f"The DataSource of channel {name} needs an S3DataSource.")
        check_objects(call, source["S3Uri"], s3)


def _check_algorithm(algorithm: dict[str, Any]) -> None:
    if "TrainingImage" not in algorithm:
        raise validation_error("Exactly one of TrainingImage and AlgorithmName must be given.")
    metrics.check(algorithm.get("MetricDefinitions", []))


def _check_resources(request: dict[str, Any]) -> None:
    resources = request.get("ResourceConfig")
    if resources is None:
        raise validation_error("ResourceConfig is required for a training job with a TrainingImage.")
    if "InstanceType" not in resources:
        raise validation_error("ResourceConfig.InstanceType is required.")
    if "InstanceCount" not in resources:
        raise validation_error("ResourceConfig.InstanceCount is required.")
    check_num_hosts("ResourceConfig.InstanceCount", resources["InstanceCount"])
    _check_spot(request)


def _check_quota(call: Call) -> None:
    """Make sure that the account may use so many instances more, beside those of the jobs that run."""
    resources, is_spot = call.request["ResourceConfig"], call.request.get("EnableManagedSpotTraining", False)
    instance_type = resources["InstanceType"]
    used = sum(
        each["ResourceConfig"]["InstanceCount"]
        for each in call.context.resources.all(KIND, call.region)
        if each["TrainingJobStatus"] not in status.TERMINAL
        and each["ResourceConfig"]["InstanceType"] == instance_type
        and each["EnableManagedSpotTraining"] == is_spot
    )
    kind = "spot training job" if is_spot else "training job"
    check_quota(call, kind, instance_type, in_use=used, more=resources["InstanceCount"])


def _check_spot(request: dict[str, Any]) -> None:
    """Check the limits of managed spot training.

    Source: API reference, StoppingCondition; the second wording is quoted in public error reports.
    """
    limits = request.get("StoppingCondition", {})
    max_wait_s, max_runtime_s = limits.get("MaxWaitTimeInSeconds"), limits.get("MaxRuntimeInSeconds", 0)
    if not request.get("EnableManagedSpotTraining"):
        if max_wait_s is not None:
            raise validation_error("MaxWaitTimeInSeconds goes only with EnableManagedSpotTraining.")
    elif max_wait_s is None or max_wait_s < max_runtime_s:
        raise validation_error(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to"
            " MaxRuntimeInSeconds"
        )


def _check_output(request: dict[str, Any], s3: S3Files) -> None:
    uris = {"OutputDataConfig": request["OutputDataConfig"]["S3OutputPath"]}
    for member, path, uri in places(request):
        check_local_path(f"{member}.LocalPath", path, below=CONTAINER_ROOT)
        uris[member] = uri
    check_buckets(uris, s3)
