"""What AWS refuses in CreateTrainingJob beyond the shapes, and what this sandbox cannot do."""

from __future__ import annotations

from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import Call
from sandbox.container_paths import CONTAINER_ROOT
from sandbox.s3_files import S3Error, S3Files, bucket_and_key
from sandbox.training import metrics

MAX_HOSTS = 4  # each is a process with torch in it, 0.5 GB or more


def check(call: Call) -> None:
    """Refuse a request that cannot become a job.

    Raises:
        AwsError: ValidationException, in AWS's words where they are known.
    """
    request = call.request
    _check_algorithm(request["AlgorithmSpecification"])
    _check_resources(request)
    s3 = S3Files(call.context.url)
    _check_output(request, s3)
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    if len(set(names)) < len(names):
        raise validation_error("Channel names must be unique.")
    for channel in request.get("InputDataConfig", []):
        _check_channel(call, channel, s3)
    _check_local_path(request.get("CheckpointConfig", {}).get("LocalPath"))


def _check_algorithm(algorithm: dict[str, Any]) -> None:
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        raise validation_error("Exactly one of TrainingImage and AlgorithmName must be given.")
    if "AlgorithmName" in algorithm:
        raise _unsupported("AlgorithmName", algorithm["AlgorithmName"], "TrainingImage")
    if algorithm["TrainingInputMode"] == "Pipe":
        raise _unsupported("TrainingInputMode", "Pipe", "File and FastFile (copied as File)")
    metrics.check(algorithm.get("MetricDefinitions", []))


def _check_resources(request: dict[str, Any]) -> None:
    resources = request.get("ResourceConfig")
    if resources is None:
        raise validation_error("ResourceConfig is required for a training job with a TrainingImage.")
    for name in ("InstanceGroups", "InstancePreferences", "TrainingPlanArn"):
        if resources.get(name):
            raise _unsupported(f"ResourceConfig.{name}", "a value", "InstanceType and InstanceCount")
    if "InstanceType" not in resources:
        raise validation_error("ResourceConfig.InstanceType is required.")
    if "InstanceCount" not in resources:
        raise validation_error("ResourceConfig.InstanceCount is required.")
    if resources["InstanceCount"] > MAX_HOSTS:
        raise _unsupported("ResourceConfig.InstanceCount", resources["InstanceCount"], f"1 to {MAX_HOSTS}")
    _check_spot(request)
    if "ServerlessJobConfig" in request:
        raise _unsupported("ServerlessJobConfig", "a value", "ResourceConfig")


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
    uri = request["OutputDataConfig"]["S3OutputPath"]
    if not uri.startswith("s3://"):
        raise validation_error(f"S3OutputPath must start with s3://, not {uri}.")
    uris = [uri, *([request["CheckpointConfig"]["S3Uri"]] if "CheckpointConfig" in request else [])]
    for bucket in {bucket_and_key(uri)[0] for uri in uris}:
        if not s3.has_bucket(bucket):
            raise validation_error(f"The S3 bucket {bucket} does not exist or cannot be accessed.")


def _check_channel(call: Call, channel: dict[str, Any], s3: S3Files) -> None:
    name = channel["ChannelName"]
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise _unsupported(f"DataSource of channel {name}", "another source", "S3DataSource")
    if source["S3DataType"] != "S3Prefix":
        raise _unsupported(f"S3DataType of channel {name}", source["S3DataType"], "S3Prefix")
    if channel.get("InputMode") == "Pipe":
        raise _unsupported(f"InputMode of channel {name}", "Pipe", "File")
    if channel.get("CompressionType", "None") != "None":
        # AWS: "CompressionType is used only in Pipe input mode".
        raise _unsupported(f"CompressionType of channel {name}", channel["CompressionType"], "None")
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


def _check_local_path(path: str | None) -> None:
    if path is not None and (not f"{path}/".startswith(f"{CONTAINER_ROOT}/") or ".." in path.split("/")):
        raise _unsupported("CheckpointConfig.LocalPath", path, f"a folder below {CONTAINER_ROOT}")


def _unsupported(what: str, found: Any, expected: str) -> Exception:
    return validation_error(f"The sandbox does not support {what} = {found}; it supports {expected}.")
