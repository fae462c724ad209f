"""Files to and from the sandbox's own S3, for jobs: as every other caller, through boto3 and HTTP."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

_BLOCK_BYTES = 1 << 20


class S3Error(Exception):
    """What S3 answered instead: "NoSuchBucket (404): The specified bucket does not exist"."""


class S3Files:
    """Files below prefixes of S3; safe from any thread.

    Args:
        client: boto3's.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def has_bucket(self, bucket: str) -> bool:
        """Return whether there is a bucket of this name."""
        try:
            self._client.head_bucket(Bucket=bucket)
        except (ClientError, ParamValidationError):  # the second: no bucket can have this name
            return False
        return True

    def keys(self, uri: str, *, page_size: int = 1000) -> Iterator[str]:
        """Yield the keys that begin with the prefix of a URI, in S3's order.

        Raises:
            S3Error: There is no such bucket.
        """
        bucket, prefix = bucket_and_key(uri)
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": page_size}
        )
        with _s3_errors():
            for page in pages:
                yield from (entry["Key"] for entry in page.get("Contents", ()))

    def download(self, uri: str, folder: Path, *, shard: tuple[int, int] = (0, 1)) -> int:
        """Write every object under a prefix to a folder and return how many there were.

        `s3://b/data/train` is a prefix, not a folder: it takes data/train/a.txt as a.txt, data/train.txt as
        train.txt and data/training/a.txt as training/a.txt. With shard (i, n) it takes every n-th object,
        from the i-th on.

        Raises:
            S3Error: No such bucket; or a key that cannot be a file: it leaves the folder, or is both file and
                folder.
        """
        bucket, prefix = bucket_and_key(uri)
        num_files = 0
        index, num_shards = shard
        for key in list(self.keys(uri))[index::num_shards]:
            target = folder / _relative(key, prefix)
            if not Path(os.path.normpath(target)).is_relative_to(folder):
                raise S3Error(f"The key {key!r} of bucket {bucket} leaves the folder of its channel.")
            try:
                if key.endswith("/"):  # the console's marker of an empty folder
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with _s3_errors(), target.open("wb") as file:
                    body = self._client.get_object(Bucket=bucket, Key=key)["Body"]
                    shutil.copyfileobj(body, file, _BLOCK_BYTES)
            except OSError as error:
                raise S3Error(f"The key {key!r} of bucket {bucket}: {error.strerror}") from error
            num_files += 1
        return num_files

    def read(self, uri: str, *, version: str | None = None) -> bytes:
        """Return an object, its newest version if none is named.

        Raises:
            S3Error: There is none, or it may not be read.
        """
        bucket, key = bucket_and_key(uri)
        with _s3_errors():
            named = {"VersionId": version} if version else {}
            return self._client.get_object(Bucket=bucket, Key=key, **named)["Body"].read()

    def upload(self, path: Path, uri: str) -> None:
        """Upload a file.

        Raises:
            FileNotFoundError: It is gone.
            S3Error: S3 refuses, or the file's name cannot be a key: it is not UTF-8.
        """
        bucket, key = bucket_and_key(uri)
        content = path.read_bytes()  # at once: a checkpoint may be changed while it is sent
        try:
            key.encode()
        except UnicodeEncodeError:
            raise S3Error(f"The name of the file {os.fsencode(path.name)!r} is not UTF-8.") from None
        with _s3_errors():
            self._client.put_object(Bucket=bucket, Key=key, Body=content)


@contextmanager
def _s3_errors() -> Iterator[None]:
    """Turn boto3's errors into an S3Error."""
    try:
        yield
    except ClientError as error:
        answer, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        raise S3Error(f"{answer.get('Code')} ({status}): {answer.get('Message')}") from error
    except BotoCoreError as error:
        raise S3Error(str(error)) from error


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Return bucket and key (or prefix) of an S3 URI."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def files_below(folder: Path, behind: Callable[[Path], Path | None] = lambda path: path) -> list[Path]:
    """Return the regular files below a folder, in the order in which they were written last.

    Args:
        folder: Where to look.
        behind: Returns what is to be read for a path; None leaves it out.
    """
    found = []
    for path in folder.rglob("*"):
        try:
            source = behind(path)
            if source and source.is_file():
                found.append((source.stat().st_mtime_ns, path))
        except OSError:  # removed meanwhile
            continue
    return [path for _, path in sorted(found)]


def _relative(key: str, prefix: str) -> str:
    if prefix.endswith("/") or not prefix:
        return key[len(prefix) :]
    if key.startswith(f"{prefix}/"):
        return key[len(prefix) + 1 :]
    return key[prefix.rfind("/") + 1 :]
