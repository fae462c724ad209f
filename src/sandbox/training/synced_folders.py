"""Folders of a job that S3 keeps up with while it runs and at its end: checkpoints, TensorBoard's, tensors.

Source: API reference, CheckpointConfig, TensorBoardOutputConfig and DebugHookConfig; below which key the last
two are uploaded is what the SDK's version 2 says (latest_job_tensorboard_artifacts_path and its like).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.container_paths import CONTAINER_ROOT, ContainerPaths
from sandbox.jobs.synced_folder import SyncedFolder
from sandbox.s3_files import S3Files

# Member of the request -> its default LocalPath, name of its URI, and what follows that and the job's name.
_FOLDERS = {
    "CheckpointConfig": (f"{CONTAINER_ROOT}/checkpoints", "S3Uri", None),
    "TensorBoardOutputConfig": (f"{CONTAINER_ROOT}/output/tensorboard", "S3OutputPath", "tensorboard-output"),
    "DebugHookConfig": (f"{CONTAINER_ROOT}/output/tensors", "S3OutputPath", "debug-output"),
}


def synced_folders(record: dict[str, Any], paths: ContainerPaths, s3: S3Files) -> list[SyncedFolder]:
    """Return the folders of a host that S3 keeps up with; checkpoints alone come from there, too."""
    return [
        SyncedFolder(paths.local(path), uri, s3, is_fetched=member == "CheckpointConfig", behind=paths.behind)
        for member, path, uri in places(record)
    ]


def places(record: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the member of the request, the path in the container and the URI of every synced folder."""
    for member, (default, uri_member, name) in _FOLDERS.items():
        if config := record.get(member):
            uri = config[uri_member].rstrip("/")
            if name is not None:
                uri = f"{uri}/{record['TrainingJobName']}/{name}"
            yield member, config.get("LocalPath", default), f"{uri}/"
