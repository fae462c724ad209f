"""Operations on training jobs: what is refused, what is kept, and what becomes of running jobs at the end."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from sandbox.account.quotas import check_quota
from sandbox.api.errors import in_use, validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.container_paths import CONTAINER_ROOT
from sandbox.logs import LogStream
from sandbox.s3_files import S3Error, S3Files, bucket_and_key
from sandbox.training import metrics, outputs, status
from sandbox.training.hosts import LOG_GROUP
from sandbox.training.lifecycle import END_GRACE_S, KIND, SANDBOX_ENDED, Job, remove_left_overs
from sandbox.training.synced_folders import places

if TYPE_CHECKING:
    from sandbox.context import Context

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
MAX_HOSTS = 4  # each is a process with torch in it, 0.5 GB or more
# What AWS describes of members that were not given; `attach` of the SDK's version 2 reads the key.
_OUTPUT_DEFAULTS = {"KmsKeyId": "", "CompressionType": "GZIP"}
_CHANNEL_DEFAULTS = {"CompressionType": "None", "RecordWrapperType": "None"}
# Jobs whose thread runs: it is what keeps them. The lock makes record and job one step.
_running: WeakValueDictionary[tuple[str, str], Job] = WeakValueDictionary()
_running_lock = threading.Lock()


@operation("CreateTrainingJob")
def create_training_job(call: Call) -> dict[str, Any]:
    request, name = call.request, call.request["TrainingJobName"]
    if call.context.resources.get(KIND, call.region, name):
        raise _name_taken()
    _check(call)
    _check_quota(call)
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
    no_capacity = call.context.faults.take(call.operation, "InsufficientCapacity")
    slow = call.context.faults.take(call.operation, "SlowStart")
    with _running_lock:
        if not call.context.resources.add(KIND, call.region, name, record):
            raise _name_taken()
        _running[call.region, name] = job = Job(
            call.context,
            call.region,
            name,
            has_capacity=no_capacity is None,
            start_delay_s=slow.delay_s if slow else 0,
        )
        job.start()
    return {"TrainingJobArn": record["TrainingJobArn"]}


@operation("DescribeTrainingJob")
def describe_training_job(call: Call) -> dict[str, Any]:
    return only_members(call.operation, described(call.region, _found(call)))


def described(region: str, record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with what only a job that runs knows: its metrics and how long it has trained."""
    job = _job(region, record["TrainingJobName"])
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
    job = _job(call.region, record["TrainingJobName"])
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


def recover(context: Context) -> None:
    """Tell the truth about jobs that ran when the last sandbox of this home was killed."""
    for record in context.resources.all(KIND):
        # Jobs may have been made since this process began to listen.
        is_ours = _job(record["_region"], record["_name"]) is not None
        if is_ours or record["TrainingJobStatus"] in status.TERMINAL:
            continue
        remove_left_overs(record, context.home)
        for stream in record.get("_log_streams", ()):
            log = LogStream(context, region=record["_region"], group=LOG_GROUP, stream=stream)
            log.write(SANDBOX_ENDED)
            log.close()
        with context.resources.change(KIND, record["_region"], record["_name"]) as changed:
            status.finish(changed, "Failed", reason=SANDBOX_ENDED)


def end_all(context: Context) -> None:
    """End every running job within seconds; each says in its record why."""
    with _running_lock:
        jobs = list(_running.values())
    for job in jobs:
        job.end("sandbox", grace_s=END_GRACE_S)
    for job in jobs:
        job.join()


def _job(region: str, name: str) -> Job | None:
    with _running_lock:
        return _running.get((region, name))


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
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    if len(set(names)) < len(names):
        raise validation_error("Channel names must be unique.")
    for channel in request.get("InputDataConfig", []):
        _check_channel(call, channel, s3)


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
    if resources["InstanceCount"] > MAX_HOSTS:
        raise _unsupported("ResourceConfig.InstanceCount", resources["InstanceCount"], f"1 to {MAX_HOSTS}")
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
        _check_local_path(member, path)
        uris[member] = uri
    for member, uri in uris.items():
        if not uri.startswith("s3://"):
            raise validation_error(f"The S3 path of {member} must start with s3://, not {uri}.")
    for bucket in {bucket_and_key(uri)[0] for uri in uris.values()}:
        if not s3.has_bucket(bucket):
            raise validation_error(f"The S3 bucket {bucket} does not exist or cannot be accessed.")


def _check_channel(call: Call, channel: dict[str, Any], s3: S3Files) -> None:
    name = channel["ChannelName"]
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise validation_error(f"The DataSource of channel {name} needs an S3DataSource.")
    uri, role = source["S3Uri"], call.request["RoleArn"]
    bucket, _ = bucket_and_key(uri)
    if not _has_objects(s3, uri):
        # Source: issue threads of aws/amazon-sagemaker-examples, for example 2489.
        raise validation_error(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the'
            f" bucket exists in the selected region ({call.region}), that objects exist under that S3 prefix,"
            f' and that the role "{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
        )


def _has_objects(s3: S3Files, uri: str) -> bool:
    try:
        return next(s3.keys(uri, page_size=1), None) is not None
    except S3Error:
        return False


def _check_local_path(member: str, path: str) -> None:
    if not f"{path}/".startswith(f"{CONTAINER_ROOT}/") or ".." in path.split("/"):
        raise _unsupported(f"{member}.LocalPath", path, f"a folder below {CONTAINER_ROOT}")


def _unsupported(what: str, found: Any, expected: str) -> Exception:
    return validation_error(f"The sandbox does not support {what} = {found}; it supports {expected}.")
