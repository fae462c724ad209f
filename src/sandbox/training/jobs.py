"""Operations on training jobs, and what becomes of running ones when the sandbox ends."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from sandbox.api.errors import in_use, validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.logs import LogStream
from sandbox.training import outputs, request_checks, status
from sandbox.training.hosts import LOG_GROUP
from sandbox.training.lifecycle import END_GRACE_S, KIND, SANDBOX_ENDED, Job, remove_left_overs

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
    request_checks.check(call)
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
    record = _found(call)
    job = _job(call.region, record["TrainingJobName"])
    if job and record["TrainingJobStatus"] not in status.TERMINAL:
        record["FinalMetricDataList"] = job.metrics.final() or None
        if "TrainingStartTime" in record:
            seconds = max(1, round(time.time() - record["TrainingStartTime"]))
            record["TrainingTimeInSeconds"] = record["BillableTimeInSeconds"] = seconds
    return only_members(call.operation, record)


@operation("ListTrainingJobs")
def list_training_jobs(call: Call) -> dict[str, Any]:
    return list_records(
        call,
        call.context.resources.all(KIND, call.region),
        answer_key="TrainingJobSummaries",
        name_key="TrainingJobName",
        summary=lambda record: {key: record.get(key) for key in _SUMMARY},
        equals={"StatusEquals": "TrainingJobStatus"},
        sort_keys={"Status": "TrainingJobStatus"},
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
