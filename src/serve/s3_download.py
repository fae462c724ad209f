"""A model's files from S3, brought once: what LMI does with s5cmd and vLLM with its streamer."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from processes.errors import UserError
from serve.container_paths import ContainerPaths

logger = logging.getLogger(__name__)

SCHEME = "s3://"
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 60
_BLOCK_BYTES = 1 << 20


def download(uri: str, environ: Mapping[str, str], paths: ContainerPaths, *, origin: str) -> Path:
    """Return the folder with all objects under a prefix, downloaded unless it is there.

    Args:
        uri: s3://BUCKET/PREFIX, with or without a slash at its end.
        environ: The container's variables: where S3 is, and where downloads go.
        paths: The container's.
        origin: What named the address, for messages.

    Raises:
        UserError: S3 cannot be asked, or has nothing there.
    """
    uri = uri.strip().rstrip("/*") + "/"
    parent = paths.local(
        environ.get("SERVING_DOWNLOAD_DIR")
        or environ.get("DJL_CACHE_DIR")
        or str(Path(tempfile.gettempdir()) / ".djl.ai")
    )
    target = parent / "download" / hashlib.sha256(uri.encode()).hexdigest()[:32]
    if target.is_dir():
        logger.info("%s has been downloaded already", uri)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix="unfinished-"))
    try:
        num_files, num_bytes = _copy_all(uri, environ, unfinished, origin)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    logger.info("downloaded %d files, %d bytes, from %s", num_files, num_bytes, uri)
    return target


def _copy_all(uri: str, environ: Mapping[str, str], folder: Path, origin: str) -> tuple[int, int]:
    endpoint_url = next((environ[name] for name in ENDPOINT_VARIABLES if environ.get(name)), None)
    if endpoint_url is None:
        raise UserError(
            found=f"{origin} = {uri!r} without AWS_ENDPOINT_URL",
            expected="the address of the S3 that has it: no other one is asked",
            next_step="set AWS_ENDPOINT_URL (a container of the sandbox has it), or download the model and "
            "give its folder",
        )
    from botocore.exceptions import BotoCoreError, ClientError

    place = urlsplit(uri)
    bucket, prefix = place.netloc, place.path.lstrip("/")
    num_files = num_bytes = 0
    try:
        client = _client(endpoint_url, environ)
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                name = entry["Key"].removeprefix(prefix)
                if not name or name.endswith("/"):  # what consoles make for an empty folder
                    continue
                _copy(client, bucket, entry["Key"], _path(folder, name, uri, origin))
                num_files, num_bytes = num_files + 1, num_bytes + entry["Size"]
    except (ClientError, BotoCoreError) as error:
        raise _not_there(uri, origin, f"which cannot be read: {error}") from None
    if not num_files:
        raise _not_there(uri, origin, "with no objects under it")
    return num_files, num_bytes


def _client(endpoint_url: str, environ: Mapping[str, str]) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.session.Session(
        region_name=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    ).client(
        "s3",
        endpoint_url=endpoint_url,
        config=Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"total_max_attempts": 2},
            response_checksum_validation="when_required",
        ),
    )


def _copy(client: Any, bucket: str, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(client.get_object(Bucket=bucket, Key=key)["Body"], file, _BLOCK_BYTES)


def _path(folder: Path, name: str, uri: str, origin: str) -> Path:
    if any(part in ("", ".", "..") for part in name.split("/")) or (os.sep != "/" and os.sep in name):
        raise _not_there(uri, origin, f"with the key {name!r}, which cannot be a file's name")
    return folder / name


def _not_there(uri: str, origin: str, what: str) -> UserError:
    return UserError(
        found=f"{origin} = {uri!r}, {what}",
        expected="the prefix of a model: config.json, tokenizer.json and *.safetensors",
        next_step=f"compare with `aws s3 ls {uri}`, and correct {origin}",
    )
