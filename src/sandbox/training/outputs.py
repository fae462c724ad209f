"""What a training job leaves: its model and its output data, to S3."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from sandbox.container_paths import ContainerPaths
from sandbox.s3_files import S3Files, files_below

Record = dict[str, Any]


def artifacts_uri(record: Record) -> str:
    """Return S3ModelArtifacts: a tar file, or the prefix of the files when they are not compressed."""
    return f"{_output_uri(record)}/" + ("model.tar.gz" if _is_compressed(record) else "model/")


def upload(record: Record, paths: ContainerPaths, s3: S3Files, *, with_model: bool) -> None:
    """Upload the model folder (also an empty one, as an empty archive) and what is in output/data.

    Raises:
        S3Error: S3 refuses.
    """
    output = _output_uri(record)
    data = paths.folder / "output" / "data"
    if with_model:
        _upload_folder(record, paths, s3, paths.folder / "model", f"{output}/model")
    if any(data.iterdir()):
        name = "output" if _is_compressed(record) else "data"
        _upload_folder(record, paths, s3, data, f"{output}/{name}")


def _upload_folder(record: Record, paths: ContainerPaths, s3: S3Files, folder: Path, uri: str) -> None:
    if not _is_compressed(record):
        for path in files_below(folder):
            s3.upload(path, f"{uri}/{path.relative_to(folder).as_posix()}")
        return
    archive = paths.tmp / "archive.tar.gz"
    # Weights hardly shrink, whatever the level: 1 takes a third of the default's time.
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)
    s3.upload(archive, f"{uri}.tar.gz")
    archive.unlink()


def _output_uri(record: Record) -> str:
    base = record["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    return f"{base}/{record['TrainingJobName']}/output"


def _is_compressed(record: Record) -> bool:
    return record["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP"
