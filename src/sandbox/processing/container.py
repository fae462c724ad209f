"""The container of a processing job: its inputs, outputs and configuration below /opt/ml.

Source: "Build Your Own Processing Container" in AWS's developer guide, with its pages on input and output, on
configuration and on metadata; the SDK's own copy of the files is sagemaker/core/local/image.py of 3.27.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.api.service_model import service_model
from sandbox.container_paths import ContainerPaths
from sandbox.jobs.environment import job_environment, write_interpreters
from sandbox.jobs.synced_folder import SyncedFolder
from sandbox.s3_files import S3Error, S3Files

Record = dict[str, Any]
# Of the SDK's FrameworkProcessor: the script that unpacks the user's code where it expects /opt/ml.
SDK_INPUT, SDK_SCRIPT = "entrypoint", "runproc.sh"
IMAGE_ENVIRONMENT = "_image_environment"  # in a record: the variables of the image's own configuration
_FOLDERS = ("config", "output", "processing", "home")
_TO_S3_AT_ONCE = "Continuous"


def num_hosts(record: Record) -> int:
    """Return the hosts of a job, which share this machine's cores."""
    return record["ProcessingResources"]["ClusterConfig"]["InstanceCount"]


def inputs(record: Record) -> Iterator[tuple[str, Record]]:
    """Yield name and S3Input of what is brought into the container; the rest its program brings by itself."""
    for each in record.get("ProcessingInputs", ()):
        if "S3Input" in each and not each.get("AppManaged"):
            yield each["InputName"], each["S3Input"]


def outputs(record: Record) -> Iterator[tuple[str, Record]]:
    """Yield name and S3Output of what is taken out of the container; the rest its program sends by itself."""
    for each in record.get("ProcessingOutputConfig", {}).get("Outputs", ()):
        if "S3Output" in each and not each.get("AppManaged"):
            yield each["OutputName"], each["S3Output"]


def prepare(record: Record, paths: ContainerPaths, *, host: str, hosts: list[str]) -> None:
    """Make the folders and write the configuration files of one host."""
    for name in _FOLDERS:
        (paths.folder / name).mkdir(parents=True, exist_ok=True)
    write_interpreters(paths)
    members = service_model().operation_model("CreateProcessingJob").input_shape.members
    job = {name: value for name, value in record.items() if name in {"ProcessingJobArn", *members}}
    for name, content in (
        ("processingjobconfig", job),
        ("resourceconfig", {"current_host": host, "hosts": hosts}),
    ):
        text = paths.inside(json.dumps(content, ensure_ascii=False))
        (paths.folder / "config" / f"{name}.json").write_text(text, encoding="utf-8")


def output_folders(
    record: Record, paths: ContainerPaths, s3: S3Files
) -> tuple[list[SyncedFolder], list[SyncedFolder]]:
    """Return the folders that S3 keeps up with, and those that are uploaded at the end of the job."""
    at_once, at_end = [], []
    for _, output in outputs(record):
        place, uri = paths.local(output["LocalPath"]), f"{output['S3Uri'].rstrip('/')}/"
        is_at_once = output["S3UploadMode"] == _TO_S3_AT_ONCE
        (at_once if is_at_once else at_end).append(SyncedFolder(place, uri, s3, behind=_if_no_link))
    return at_once, at_end


def download_inputs(record: Record, paths: ContainerPaths, s3: S3Files, *, shard: tuple[int, int]) -> None:
    """Fill the folders of the inputs from S3.

    Args:
        record: The job's.
        paths: The host's.
        s3: Where from.
        shard: Index of the host and number of hosts; an input that is ShardedByS3Key gives it every n-th
            object. Source: API reference, ProcessingS3Input.

    Raises:
        S3Error: There is nothing of an input, a key cannot be a file, or S3 refuses.
    """
    for name, source in inputs(record):
        folder, uri = paths.local(source["LocalPath"]), source["S3Uri"]
        folder.mkdir(parents=True, exist_ok=True)
        is_sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        num_files = s3.download(uri, folder, shard=shard if is_sharded else (0, 1))
        # With fewer objects than hosts the last hosts have none; the first has one if there is any.
        is_missing = not num_files and (shard[0] == 0 or not is_sharded)
        if is_missing:
            raise S3Error(f'No S3 objects found under S3 URL "{uri}" given in input data source.')
        script = folder / SDK_SCRIPT
        if name == SDK_INPUT and script.is_file():
            script.write_text(paths.inside(script.read_text(encoding="utf-8")), encoding="utf-8")


def command(record: Record, paths: ContainerPaths) -> list[str]:
    """Return the program of the container and its arguments."""
    given = record["AppSpecification"]
    return [
        paths.inside(word) for word in (*given["ContainerEntrypoint"], *given.get("ContainerArguments", ()))
    ]


def environment(record: Record, paths: ContainerPaths, *, url: str, region: str) -> dict[str, str]:
    """Return the whole environment of the job's process: AWS adds no name of the job to it."""
    given = {**record.get(IMAGE_ENVIRONMENT, {}), **record.get("Environment", {})}
    return job_environment(given, paths, num_hosts=num_hosts(record), url=url, region=region)


def _if_no_link(path: Path) -> Path | None:
    """Return a file that is uploaded: "Symlinks are not followed when uploading output data"."""
    return None if path.is_symlink() else path
