"""Files to and from the sandbox's own S3, for jobs and endpoints.

Over HTTP, as every other caller, but without boto3: its client costs 15 MB, and the sandbox has a bar of 120.
"""

from __future__ import annotations

import http.client
import os
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

_BLOCK_BYTES = 1 << 20
_TIMEOUT_S = 600.0
# Says who asks; the signature itself is not looked at on loopback.
_SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=sandbox/20000101/us-east-1/s3/aws4_request,"
    " SignedHeaders=host, Signature=0"
}


class S3Error(Exception):
    """What S3 answered instead: "NoSuchBucket (404): The specified bucket does not exist"."""


class S3Files:
    """A connection to the sandbox's S3; for one thread at a time.

    Args:
        url: Of the sandbox.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_TIMEOUT_S)

    def has_bucket(self, bucket: str) -> bool:
        """Return whether there is a bucket of this name."""
        return self._request("HEAD", bucket).status == 200

    def keys(self, uri: str, *, page_size: int = 1000) -> Iterator[str]:
        """Yield the keys that begin with the prefix of a URI, in S3's order.

        Raises:
            S3Error: There is no such bucket.
        """
        bucket, prefix = bucket_and_key(uri)
        query = {"list-type": "2", "prefix": prefix, "max-keys": str(page_size)}
        while True:
            answer = ElementTree.fromstring(self._checked("GET", bucket, query=query).read())
            space = answer.tag.removesuffix("ListBucketResult")
            yield from (entry.findtext(f"{space}Key") or "" for entry in answer.iter(f"{space}Contents"))
            token = answer.findtext(f"{space}NextContinuationToken")
            if not token:
                return
            query["continuation-token"] = token

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
                if key.endswith("/"):  # the console's mark of an empty folder
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(self._checked("GET", bucket, key), file, _BLOCK_BYTES)
            except OSError as error:
                raise S3Error(f"The key {key!r} of bucket {bucket}: {error.strerror}") from error
            num_files += 1
        return num_files

    def upload(self, path: Path, uri: str) -> None:
        """Upload a file.

        Raises:
            FileNotFoundError: It is gone.
            S3Error: S3 refuses.
        """
        bucket, key = bucket_and_key(uri)
        with path.open("rb") as file:
            self._checked("PUT", bucket, key, body=file.read()).read()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _checked(self, method: str, bucket: str, key: str = "", **options) -> http.client.HTTPResponse:
        response = self._request(method, bucket, key, **options)
        if response.status < 300:
            return response
        answer = response.read()
        try:
            facts = {entry.tag.split("}")[-1]: entry.text for entry in ElementTree.fromstring(answer)}
        except ElementTree.ParseError:
            facts = {}
        raise S3Error(f"{facts.get('Code')} ({response.status}): {facts.get('Message')}")

    def _request(
        self, method: str, bucket: str, key: str = "", *, query: dict | None = None, body: bytes | None = None
    ) -> http.client.HTTPResponse:
        path = f"/{quote(bucket)}" + (f"/{quote(key, safe='/~')}" if key else "")
        path += f"?{urlencode(query)}" if query else ""
        try:
            self._connection.request(method, path, body=body, headers=_SIGNED)
            response = self._connection.getresponse()
        except ConnectionError:  # closed while it was idle; all requests here may be repeated
            self._connection.close()
            self._connection.request(method, path, body=body, headers=_SIGNED)
            response = self._connection.getresponse()
        if method == "HEAD":
            response.read()
        return response


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Return bucket and key (or prefix) of an S3 URI."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def files_below(folder: Path) -> list[Path]:
    """Return the regular files below a folder, in the order in which they were written last."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                found.append((path.stat().st_mtime_ns, path))
        except OSError:  # removed meanwhile
            continue
    return [path for _, path in sorted(found)]


def _relative(key: str, prefix: str) -> str:
    if prefix.endswith("/") or not prefix:
        return key[len(prefix) :]
    if key.startswith(f"{prefix}/"):
        return key[len(prefix) + 1 :]
    return key[prefix.rfind("/") + 1 :]
