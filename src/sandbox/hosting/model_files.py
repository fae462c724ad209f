"""A model's files: from S3 into the folder used as /opt/ml/model."""

from __future__ import annotations

import os
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from processes.archives import unpack
from sandbox.hosting.errors import DeploymentFailedError

if TYPE_CHECKING:
    from sandbox.context import Context

_BLOCK_BYTES = 1 << 20
_MAX_NAME_BYTES = 255


class ModelDataError(DeploymentFailedError):
    """The files cannot be had; the text is the endpoint's FailureReason, in AWS's words where known."""


def download(context: Context, region: str, container: dict[str, Any], folder: Path) -> None:
    """Fill a folder with the files of a container definition: none, an archive, or all under a prefix.

    Args:
        context: For the S3 client.
        region: Region of the endpoint.
        container: ContainerDefinition with ModelDataUrl or ModelDataSource, or neither.
        folder: Where the files go; made here.

    Raises:
        ModelDataError: They are not there, or are not an archive that can be unpacked.
    """
    folder.mkdir(parents=True)
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        if "ModelDataUrl" in container:
            _unpack(context, region, container["ModelDataUrl"], folder)
    elif source["CompressionType"] == "Gzip":
        _unpack(context, region, source["S3Uri"], folder)
    else:
        is_prefix = source["S3DataType"] == "S3Prefix"
        _copy_objects(context, region, source["S3Uri"], folder, is_prefix=is_prefix)


def duplicate(folder: Path, target: Path) -> None:
    """Give another instance the same files, without a second copy of them where the disk allows it."""
    shutil.copytree(folder, target, copy_function=_link_or_copy, symlinks=True)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _unpack(context: Context, region: str, url: str, folder: Path) -> None:
    bucket, key = _place(url)
    try:
        body = context.client("s3", region).get_object(Bucket=bucket, Key=key)["Body"]
        with tarfile.open(fileobj=body, mode="r|gz") as archive:  # unpacked as it comes
            unpack(archive, folder)
    except (ClientError, BotoCoreError):
        raise _cannot_download(url) from None
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise ModelDataError(
            f'Failed to extract model data archive from URL "{url}" ({error}). Please ensure that the object'
            " located at the URL is a valid tar.gz archive."
        ) from None


def _copy_objects(context: Context, region: str, url: str, folder: Path, *, is_prefix: bool) -> None:
    """Copy one object under its last name, or all under a prefix under what their keys have beyond it.

    Source: API reference, S3ModelDataSource, which also says which names make a deployment fail.
    """
    bucket, prefix = _place(url)
    client = context.client("s3", region)
    try:
        if is_prefix:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        else:
            keys, prefix = [prefix], prefix[: prefix.rfind("/") + 1]
        for key in keys:
            _copy(client, bucket, key, _path(folder, key.removeprefix(prefix), url))
    except (ClientError, BotoCoreError):
        raise _cannot_download(url) from None
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise _no_files(url, "a name is both a file's and a folder's") from None
    if not keys:
        raise _cannot_download(url)


def _copy(client: Any, bucket: str, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(client.get_object(Bucket=bucket, Key=key)["Body"], file, _BLOCK_BYTES)


def _path(folder: Path, name: str, url: str) -> Path:
    parts = name.split("/")
    for part in parts:
        if not part.strip() or part in (".", "..") or "\0" in part or len(part.encode()) > _MAX_NAME_BYTES:
            raise _no_files(url, f"{name!r} cannot be a file's name")
    return folder.joinpath(*parts)


def _place(url: str) -> tuple[str, str]:
    """Return bucket and key of s3://bucket/key, or of an https URL with the bucket in its host or path."""
    parts = urlsplit(url)
    path = parts.path.lstrip("/")
    if parts.scheme == "s3":
        return parts.netloc, path
    host = parts.hostname or ""
    if host.startswith(("s3.", "s3-")):
        bucket, _, key = path.partition("/")
        return bucket, key
    return host.split(".s3", 1)[0], path


def _cannot_download(url: str) -> ModelDataError:
    return ModelDataError(
        f'Failed to download model data for container "container_1" from URL: "{url}". Please ensure that'
        " there is an object located at the URL and that the role passed to CreateModel has permissions to"
        " download the model."
    )


def _no_files(url: str, why: str) -> ModelDataError:
    return ModelDataError(f'Failed to download model data from URL "{url}": {why}.')
