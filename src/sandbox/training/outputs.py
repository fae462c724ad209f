"""What a training job leaves: its model and its output data, to S3."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from sandbox.container_paths import ContainerPaths
from sandbox.s3_files import S3Files

Record = dict[str, Any]


def artifacts_uri(record: Record) -> str:
    """Return S3ModelArtifacts: a tar file, or the prefix of the files when they are not compressed."""
    return f"{_output_uri(record)}/" + ("model.tar.gz" if _is_compressed(record) else "model/")


def upload(record: Record, hosts: list[ContainerPaths], s3: S3Files, *, with_model: bool) -> None:
    """Upload the model folder (also an empty one, as an empty archive) and what is in output/data.

    What several hosts leave becomes one folder. Source: SageMaker Developer Guide, "Amazon SageMaker AI
    Training Storage Folders for Training Datasets, Checkpoints, Model Artifacts, and Outputs"; which of two
    files of one name counts is not said there: here the first host's.

    Args:
        record: The job's.
        hosts: Their folders, the first host's first.
        s3: Where to.
        with_model: False uploads the outputs alone.

    Raises:
        S3Error: S3 refuses.
    """
    output = _output_uri(record)
    if with_model:
        model = _files(record, hosts, "model")
        _upload_files(record, model, s3, hosts[0].tmp, f"{output}/model")
    if data := _files(record, hosts, "output/data"):
        name = "output" if _is_compressed(record) else "data"
        _upload_files(record, data, s3, hosts[0].tmp, f"{output}/{name}")


def _files(record: Record, hosts: list[ContainerPaths], name: str) -> dict[str, Path]:
    """Return the files and empty folders below a folder of all hosts by their path in it; the first counts.

    A link stays one in an archive; S3 has no links: there it is what it leads to.
    """
    found: dict[str, Path] = {}
    for paths in hosts:
        folder = paths.folder / name
        for path in sorted(folder.rglob("*")):
            if path.is_file() or path.is_symlink() or not any(path.iterdir()):
                source = path if _is_compressed(record) else paths.behind(path)
                found.setdefault(path.relative_to(folder).as_posix(), source)
    return found


def _upload_files(record: Record, files: dict[str, Path], s3: S3Files, tmp: Path, uri: str) -> None:
    if not _is_compressed(record):
        for name, path in files.items():
            if path.is_file():
                s3.upload(path, f"{uri}/{name}")
        return
    archive = tmp / "archive.tar.gz"
    # Weights hardly shrink, whatever the level: 1 takes a third of the default's time.
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name, path in files.items():
            tar.add(path, arcname=name)
    s3.upload(archive, f"{uri}.tar.gz")
    archive.unlink()


def _output_uri(record: Record) -> str:
    base = record["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    return f"{base}/{record['TrainingJobName']}/output"


def _is_compressed(record: Record) -> bool:
    return record["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP"
