"""The container of a training job: its folders and files below /opt/ml, its environment and its command.

Source: "How Amazon SageMaker provides training information" in AWS's developer guide, and the drivers that
the SDK ships with a job (sagemaker/train/container_drivers of sagemaker 3.27).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.container_paths import CONTAINER_ROOT, ContainerPaths
from sandbox.jobs.environment import LOOPBACK, job_environment, write_interpreters
from sandbox.s3_files import S3Error, S3Files
from sandbox.training.synced_folders import places

Record = dict[str, Any]
# The SDK's own files, of ModelTrainer and of @remote; every other channel is the user's and is never changed.
DRIVERS_CHANNELS = ("sm_drivers", "sagemaker_remote_function_bootstrap")
GROUP_NAME = "homogeneousCluster"
_FOLDERS = ("input/config", "input/data", "model", "output/data", "checkpoints", "code", "home")
_TEXT_SUFFIXES = (".py", ".sh", ".json")


def prepare(record: Record, paths: ContainerPaths, *, host: str, hosts: list[str]) -> None:
    """Make the folders and write the configuration files of one host."""
    for name in _FOLDERS:
        (paths.folder / name).mkdir(parents=True, exist_ok=True)
    write_interpreters(paths)
    for name, content in (
        ("hyperparameters", hyperparameters(record, paths)),
        ("inputdataconfig", _input_data_config(record)),
        ("resourceconfig", _resource_config(record, host, hosts)),
        *_debugger_configs(record, paths),
    ):
        text = json.dumps(content, ensure_ascii=False)
        (paths.folder / "input" / "config" / f"{name}.json").write_text(text, encoding="utf-8")


def _debugger_configs(record: Record, paths: ContainerPaths) -> Iterator[tuple[str, Record]]:
    """Yield what a library of the job finds of DebugHookConfig and TensorBoardOutputConfig: name and content.

    Source: smdebug, config_constants.py.
    """
    for member, path, _ in places(record):
        if member != "CheckpointConfig":
            yield member.lower(), {**record[member], "LocalPath": paths.inside(path)}


def num_hosts(record: Record) -> int:
    """Return the hosts of a job, which share this machine's cores."""
    return record["ResourceConfig"].get("InstanceCount", 1)


def hyperparameters(record: Record, paths: ContainerPaths) -> dict[str, str]:
    """Return the hyperparameters with the job's paths."""
    return {name: paths.inside(value) for name, value in record.get("HyperParameters", {}).items()}


def download_channels(
    record: Record, paths: ContainerPaths, s3: S3Files, *, shard: tuple[int, int] = (0, 1), master_port: int
) -> None:
    """Fill input/data from S3, and adapt the SDK's drivers to this machine.

    Args:
        record: The job's.
        paths: The host's.
        s3: Where from.
        shard: Index of the host and number of hosts; a channel that is ShardedByS3Key gives it every n-th
            object. Source: API reference, S3DataSource.
        master_port: Where torchrun of the first host listens; the same for every host.

    Raises:
        S3Error: A channel is empty, a key cannot be a file, or S3 refuses.
    """
    for channel in record.get("InputDataConfig", []):
        folder = paths.folder / "input" / "data" / channel["ChannelName"]
        folder.mkdir(parents=True, exist_ok=True)
        source = channel["DataSource"]["S3DataSource"]
        uri = source["S3Uri"]
        is_sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        if not s3.download(uri, folder, shard=shard if is_sharded else (0, 1)):
            raise S3Error(f'No S3 objects found under S3 URL "{uri}" given in input data source.')
        if channel["ChannelName"] in DRIVERS_CHANNELS:
            adapt_drivers(folder, paths, master_port=master_port)


def adapt_drivers(folder: Path, paths: ContainerPaths, *, master_port: int) -> None:
    """Change the SDK's drivers where they count on a container of their own.

    Where /opt/ml is mounted that is a port which no other job has, and a signal that their children get, too.
    """
    for path in folder.rglob("*"):
        if path.suffix not in _TEXT_SUFFIXES or not path.is_file():
            continue
        text = adapted = path.read_text(encoding="utf-8")
        adapted = adapted.replace("SM_MASTER_PORT = 7777", f"SM_MASTER_PORT = {master_port}")
        if not paths.view:
            adapted = _with_names_replaced(path.name, adapted, paths)
        if path.name == "sm_train.sh":
            # A stopped job's script has 120 s to save. Only a handler, not "ignore", is left to the children:
            # they get the signal, and the drivers still hand their last lines to the log.
            adapted = re.sub(r"^set -e$", "set -e\ntrap : TERM", adapted, count=1, flags=re.M)
        elif path.name == "utils.py":
            adapted += "\n\nimport signal\n\nsignal.signal(signal.SIGTERM, lambda *_: None)\n"
        if adapted != text:
            path.write_text(adapted, encoding="utf-8")


def _with_names_replaced(name: str, text: str, paths: ContainerPaths) -> str:
    """Return a driver's text for a host that has neither /opt/ml nor an address for algo-1."""
    text = paths.inside(text)
    text = text.replace('SM_MASTER_ADDR = "algo-1"', 'SM_MASTER_ADDR = "127.0.0.1"')
    if name == "mpi_utils.py":  # it appends the job's variables for programs that other hosts start by ssh
        text = text.replace("/etc/environment", paths.inside(f"{CONTAINER_ROOT}/home/environment"))
    if name == "utils.py":  # algo-1 still says who is first
        text = text.replace('os.environ.get("SM_MASTER_ADDR")', '"algo-1"')
    if name == "job_driver.sh":
        # A module of the installed SDK: it would write why the function failed to this machine's /opt/ml, and
        # end with 0 when it can't.
        failure = paths.inside(f"{CONTAINER_ROOT}/output/failure")
        module = "sagemaker.core.remote_function"
        program = (
            f"import {module}.errors as e, {module}.invoke_function as f, sys;"
            f" e.FAILURE_REASON_PATH = '{failure}'; f.main(sys.argv[1:])"
        )
        text = text.replace(f'python -m {module}.invoke_function "$@"', f'python -c "{program}" "$@"')
    return text


def command(record: Record, paths: ContainerPaths) -> list[str]:
    """Return the program of the container and its arguments."""
    algorithm = record["AlgorithmSpecification"]
    words = [*algorithm["ContainerEntrypoint"], *algorithm.get("ContainerArguments", [])]
    return [paths.inside(word) for word in words]


def environment(record: Record, paths: ContainerPaths, *, url: str, region: str) -> dict[str, str]:
    """Return the whole environment of the job's process; what the job gives wins, except for where AWS is."""
    return {
        **job_environment(
            record.get("Environment", {}), paths, num_hosts=num_hosts(record), url=url, region=region
        ),
        "TRAINING_JOB_NAME": record["TrainingJobName"],
        "TRAINING_JOB_ARN": record["TrainingJobArn"],
    }


def _input_data_config(record: Record) -> dict[str, dict[str, str]]:
    described = {}
    for channel in record.get("InputDataConfig", []):
        source = channel["DataSource"]["S3DataSource"]
        described[channel["ChannelName"]] = {
            "TrainingInputMode": "File",
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
    return described


def _resource_config(record: Record, host: str, hosts: list[str]) -> dict[str, Any]:
    instance_type = record["ResourceConfig"]["InstanceType"]
    group = {"instance_group_name": GROUP_NAME, "instance_type": instance_type, "hosts": hosts}
    return {
        "current_host": host,
        "current_instance_type": instance_type,
        "current_group_name": GROUP_NAME,
        "hosts": hosts,
        "instance_groups": [group],
        "network_interface_name": LOOPBACK,
    }
