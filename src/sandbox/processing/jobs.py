"""Operations on processing jobs: what is refused, what is kept, and what becomes of them at the end."""

from __future__ import annotations

import time
from typing import Any

from sandbox import own_images
from sandbox.account.quotas import check_quota
from sandbox.api.errors import in_use, validation_error
from sandbox.api.listing import list_records
from sandbox.api.registry import Call, operation
from sandbox.api.service_model import only_members
from sandbox.api.tags import tags_of
from sandbox.container_paths import CONTAINER_ROOT
from sandbox.images import runs_scripts
from sandbox.jobs.checks import (
    check_buckets,
    check_local_path,
    check_num_hosts,
    check_objects,
    unique,
    unsupported,
)
from sandbox.jobs.lifecycle import TERMINAL
from sandbox.jobs.running import RunningJobs
from sandbox.processing import container
from sandbox.processing.lifecycle import KIND, ProcessingJob
from sandbox.s3_files import S3Files

_SUMMARY = (
    "ProcessingJobName",
    "ProcessingJobArn",
    "CreationTime",
    "ProcessingEndTime",
    "LastModifiedTime",
    "ProcessingJobStatus",
    "FailureReason",
    "ExitMessage",
)
_DEFAULT_MAX_RUNTIME_S = 86_400
_PLACE = f"{CONTAINER_ROOT}/processing"
RUNNING = RunningJobs(ProcessingJob)


@operation("CreateProcessingJob")
def create_processing_job(call: Call) -> dict[str, Any]:
    request, name = call.request, call.request["ProcessingJobName"]
    if call.context.resources.get(KIND, call.region, name):
        raise _name_taken()
    _check(call)
    now = time.time()
    record = {
        "StoppingCondition": {"MaxRuntimeInSeconds": _DEFAULT_MAX_RUNTIME_S},
        **request,
        "ProcessingJobArn": call.arn(KIND, name),
        "ProcessingJobStatus": "InProgress",
        "CreationTime": now,
        "LastModifiedTime": now,
        "_tags": tags_of(call),
        container.IMAGE_ENVIRONMENT: _image(request["AppSpecification"]["ImageUri"]).environment,
    }
    record.pop("Tags", None)
    # The SDK reads how many there are when it follows the logs.
    cluster = {"InstanceCount": 1, **request["ProcessingResources"]["ClusterConfig"]}
    record["ProcessingResources"] = {"ClusterConfig": cluster}
    if inputs := request.get("ProcessingInputs"):
        record["ProcessingInputs"] = [{"AppManaged": False, **each} for each in inputs]
    if config := request.get("ProcessingOutputConfig"):
        outputs = [{"AppManaged": False, **each} for each in config["Outputs"]]
        record["ProcessingOutputConfig"] = {**config, "Outputs": outputs}
    with call.context.resources.held():  # nobody takes the instances between
        _check_quota(call, cluster)
        is_new = RUNNING.start(call, name, record)
    if not is_new:
        raise _name_taken()
    return {"ProcessingJobArn": record["ProcessingJobArn"]}


@operation("DescribeProcessingJob")
def describe_processing_job(call: Call) -> dict[str, Any]:
    return only_members(call.operation, _found(call))


@operation("ListProcessingJobs")
def list_processing_jobs(call: Call) -> dict[str, Any]:
    return list_records(
        call,
        call.context.resources.all(KIND, call.region),
        answer_key="ProcessingJobSummaries",
        name_key="ProcessingJobName",
        summary=lambda record: {key: record.get(key) for key in _SUMMARY},
        equals={"StatusEquals": "ProcessingJobStatus"},
        sort_keys={"Status": "ProcessingJobStatus"},
    )


@operation("StopProcessingJob")
def stop_processing_job(call: Call) -> dict[str, Any]:
    record = _found(call)
    job = RUNNING.find(call.region, record["ProcessingJobName"])
    if record["ProcessingJobStatus"] in TERMINAL or job is None:
        raise validation_error(
            "The request was rejected because the processing job is in status"
            f" {record['ProcessingJobStatus']}."
        )
    job.end("stop")
    return {}


@operation("DeleteProcessingJob")
def delete_processing_job(call: Call) -> dict[str, Any]:
    record = _found(call)
    if record["ProcessingJobStatus"] not in TERMINAL:
        raise in_use(
            f"The processing job {record['ProcessingJobName']} is in status"
            f" {record['ProcessingJobStatus']}. Only jobs that have ended can be deleted."
        )
    call.context.resources.remove(KIND, call.region, record["ProcessingJobName"])
    return {}


def _found(call: Call) -> dict[str, Any]:
    name = call.request["ProcessingJobName"]
    record = call.context.resources.get(KIND, call.region, name)
    if record is None:
        # Source: github.com/aws/sagemaker-python-sdk/issues/5549; the waiters of boto3 count on its code.
        raise validation_error(f"Could not find requested job with name: {name}")
    return record


def _name_taken() -> Exception:
    return in_use(
        "Processing job names must be unique within an AWS account and region. Please choose a different"
        " name."
    )


def _check(call: Call) -> None:
    """Refuse a request that cannot become a job.

    Raises:
        AwsError: ValidationException, in AWS's words where they are known.
    """
    request = call.request
    cluster = request["ProcessingResources"]["ClusterConfig"]
    if "InstanceType" not in cluster:
        raise validation_error("ProcessingResources.ClusterConfig.InstanceType is required.")
    check_num_hosts("ProcessingResources.ClusterConfig.InstanceCount", cluster.get("InstanceCount", 1))
    _check_members(request)
    _check_places(request)
    s3 = S3Files(call.context.client("s3", call.region))
    check_buckets(
        {
            **{f"input {name}": source["S3Uri"] for name, source in container.inputs(request)},
            **{f"output {name}": output["S3Uri"] for name, output in container.outputs(request)},
        },
        s3,
    )
    for _, source in container.inputs(request):
        check_objects(call, source["S3Uri"], s3)


def _image(address: str) -> own_images.Image:
    """Return what stands for the image of a job.

    Raises:
        AwsError: ValidationException, when that is not Python with this environment's libraries.
    """
    try:
        image = own_images.look_up(address)
    except own_images.ImageNotFoundError:  # as a training job's, an image need not be there
        image = own_images.Image(resolved=address, program=address)
    if not runs_scripts(image.program):
        raise unsupported(
            "AppSpecification.ImageUri",
            address,
            "images whose repository ends in -training, sagemaker-scikit-learn, and what is pushed to this"
            " account's ECR and built on one of them: they stand for Python with the libraries of this"
            " environment",
        )
    return image


def _check_members(request: dict[str, Any]) -> None:
    """Refuse inputs and outputs without a name of their own or without a place in S3."""
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", ())
    for kind, given in (("Input", request.get("ProcessingInputs", ())), ("Output", outputs)):
        if not unique(each[f"{kind}Name"] for each in given):
            raise validation_error(f"{kind}Name must be unique among the {kind.lower()}s of a job.")
        for each in given:
            if f"S3{kind}" not in each:
                raise validation_error(f"{kind} {each[f'{kind}Name']} needs an S3{kind}.")


def _check_places(request: dict[str, Any]) -> None:
    """Refuse paths of the container that AWS does not take.

    Source: API reference, ProcessingS3Input; that no two may be the same, and none both input and output:
    github.com/aws/sagemaker-python-sdk/issues/4939 and 1950.
    """
    places: dict[str, str] = {}
    for kind, given in (("Input", container.inputs(request)), ("Output", container.outputs(request))):
        for name, place in given:
            if "LocalPath" not in place:
                raise validation_error(f"S3{kind}.LocalPath of {name} is required, as AppManaged is false.")
            path = place["LocalPath"].rstrip("/")
            check_local_path(f"S3{kind}.LocalPath", path, below=_PLACE)
            if path in places:
                raise validation_error(
                    f"LocalPath must be unique: {path} is that of {places[path]} and {name}."
                )
            places[path] = name


def _check_quota(call: Call, cluster: dict[str, Any]) -> None:
    """Make sure that the account may use so many instances more, beside those of the jobs that run."""
    instance_type = cluster["InstanceType"]
    clusters = [
        each["ProcessingResources"]["ClusterConfig"]
        for each in call.context.resources.all(KIND, call.region)
        if each["ProcessingJobStatus"] not in TERMINAL
    ]
    used = sum(each["InstanceCount"] for each in clusters if each["InstanceType"] == instance_type)
    check_quota(call, "processing job", instance_type, in_use=used, more=cluster["InstanceCount"])
