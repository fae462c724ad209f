"""The result of a training job from S3 to this machine: complete and checked, or not there at all."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes.archives import unpack
from workshop.aws.session import Aws
from workshop.aws.transfer import Transfers, size_text
from workshop.errors import WorkshopError

MAX_FILE_BYTES = 2_000_000_000
"""Larger files stay in S3: an 8B model's weights are 16 GB, and only endpoints need them."""

ADAPTER_FILE = "adapter/adapter_model.safetensors"
REQUIRED_FILES = ("config.json", ADAPTER_FILE)
_SOURCE_FILE = ".s3-source.json"


@dataclass(frozen=True)
class _Object:
    key: str
    num_bytes: int
    etag: str


def download_model(aws: Aws, s3_uri: str, folder: Path, *, max_file_bytes: int = MAX_FILE_BYTES) -> Path:
    """Download what a training job left, check it, and put it into a folder in one step.

    Args:
        s3_uri: Folder of an uncompressed output, or a model.tar.gz.
        folder: Gets the merged model at its root and adapter/; replaced when it holds another model, left
            when it holds this one.
        max_file_bytes: Larger files stay in S3, where they are only looked for by name.

    Raises:
        WorkshopError: Nothing there, a file that is missing or incomplete, or no space on the disk.
    """
    bucket, _, key = s3_uri.removeprefix("s3://").partition("/")
    objects = _objects(aws.client("s3"), bucket, key)
    source = {"uri": s3_uri, "files": {item.key: [item.num_bytes, item.etag] for item in objects.values()}}
    if not objects:
        raise WorkshopError(
            found=f"nothing at {s3_uri}",
            expected="the output of a training job that completed",
            next_step="run the cells that train, and give the job's model_uri",
        )
    if _source_of(folder) == source:
        return folder
    small = {name: item for name, item in objects.items() if item.num_bytes <= max_file_bytes}
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    _check_disk(part, sum(item.num_bytes for item in small.values()))
    with Transfers("download of the model", sum(item.num_bytes for item in small.values())) as shown:
        for name, item in small.items():
            _download(aws.client("s3"), bucket, item, name, part / name, shown)
        for name in sorted(objects.keys() - small.keys()):
            shown.note(f"{name}  {size_text(objects[name].num_bytes)}  stays in S3, endpoints read it there")
        if key.endswith(".tar.gz"):
            _unpack(part / Path(key).name, part)
        _check_model(part, {name: item.num_bytes for name, item in objects.items()}, s3_uri)
    (part / _SOURCE_FILE).write_text(json.dumps(source), encoding="utf-8")
    _replace(folder, part)
    return folder


def _objects(s3: Any, bucket: str, key: str) -> dict[str, _Object]:
    """Return the files below a prefix by their relative name, or the one file with that key."""
    prefix = key if key.endswith(".tar.gz") else key.rstrip("/") + "/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {
        item["Key"].removeprefix(prefix) or Path(key).name: _Object(item["Key"], item["Size"], item["ETag"])
        for page in pages
        for item in page.get("Contents", ())
        if not item["Key"].endswith("/")  # the consoles of S3 make such empty objects as folders
    }


def _download(s3: Any, bucket: str, item: _Object, name: str, path: Path, shown: Transfers) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shown.run(
        name,
        item.num_bytes,
        lambda moved: s3.download_file(bucket, item.key, str(path), Callback=moved),
    )


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack a model.tar.gz; members that point outside of the folder are refused."""
    try:
        with tarfile.open(archive) as tar:
            unpack(tar, folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise WorkshopError(
            found=f"{archive.name} cannot be unpacked ({type(error).__name__}: {error})",
            expected="a complete archive of the training job's output",
            next_step="run the cell again; if it stays so, train again",
        ) from None
    archive.unlink()


def _check_model(folder: Path, listed: Mapping[str, int], s3_uri: str) -> None:
    """Compare the files with the model's own tables of contents.

    Source: safetensors format: 8 bytes with the length of a JSON header, the header with the offsets of
    every tensor, then the data. The index file of a model in several files names them.
    """
    for name in REQUIRED_FILES:
        if not (folder / name).is_file():
            raise _incomplete(s3_uri, f"no {name}")
    index_path = folder / "model.safetensors.index.json"
    weights = {"model.safetensors"}
    if index_path.is_file():
        weights = set(json.loads(index_path.read_text(encoding="utf-8"))["weight_map"].values())
    for name in sorted(weights):
        if name not in listed and not (folder / name).is_file():
            raise _incomplete(s3_uri, f"no {name}")
    for path in sorted(folder.rglob("*.safetensors")):
        if path.stat().st_size != _safetensors_bytes(path):
            raise _incomplete(s3_uri, f"{path.relative_to(folder)} with {path.stat().st_size:,} bytes")


def _safetensors_bytes(path: Path) -> int:
    """Return the size that a safetensors file should have by its own header; -1 without a header."""
    try:
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(header_bytes))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        return 8 + header_bytes + max(ends, default=0)
    except (ValueError, KeyError, TypeError, OverflowError, MemoryError):
        return -1


def _incomplete(s3_uri: str, what: str) -> WorkshopError:
    return WorkshopError(
        found=f"{what} in {s3_uri}",
        expected="a merged model with config.json and complete weights, and adapter/ beside it",
        next_step="look at the job's log for the reason, and train again",
    )


def _check_disk(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < num_bytes * 1.1:
        raise WorkshopError(
            found=f"{size_text(free)} free for {folder.parent}",
            expected=f"{size_text(num_bytes * 1.1)} for the model",
            next_step="free some space, or set WORKSHOP_HOME to a larger disk, then run the cell again",
        )


def _source_of(folder: Path) -> Any:
    try:
        return json.loads((folder / _SOURCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _replace(folder: Path, new: Path) -> None:
    """Put a folder in the place of another; a crash leaves the old one, the new one, or both."""
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
