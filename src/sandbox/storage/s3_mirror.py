"""S3 on disk: moto keeps it in memory, and an upload has to outlive the process.

moto's own key store reports which keys a request changes; they are written before the request is answered.
How a bucket is configured (versioning, tags, CORS and the like) is kept as the request that did it, and done
again at the next start. Not kept: access control lists of objects, and uploads in parts before they are
completed.
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from processes.files import atomic_write
from sandbox.api.registry import ACCOUNT_ID
from sandbox.storage import s3_objects, s3_requests
from sandbox.storage.quarantine import quarantine

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
# Part of a query -> it sets one side of a bucket's configuration, as a whole.
CONFIGURATIONS = {
    "accelerate", "acl", "cors", "encryption", "lifecycle", "logging", "notification", "object-lock",
    "ownershipControls", "policy", "publicAccessBlock", "replication", "requestPayment", "tagging",
    "versioning", "website",
}  # fmt: skip
_NUM_LOCKS = 64
_SESSION_TOKEN = "HTTP_X_AMZ_SECURITY_TOKEN"  # a secret of whoever asked: it is not kept with the request
_READERS_GRACE_S = 10.0
_touched = threading.local()


class S3Mirror:
    """The copy of every bucket below a folder.

    Args:
        folder: Holds a folder for every bucket, with bucket.json and what s3_objects describes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bucket_lock = threading.Lock()
        self._locks = [threading.Lock() for _ in range(_NUM_LOCKS)]
        self._garbage: deque[tuple[float, Path]] = deque()

    def load(self, application: WsgiApplication) -> None:
        """Create the buckets in moto and put the objects into them.

        Args:
            application: moto; the configurations of the buckets are requested of it.
        """
        _track_changes()
        for path in sorted(self._folder.glob("*/bucket.json")):
            try:
                described = json.loads(path.read_text(encoding="utf-8"))
                bucket = _backend().create_bucket(path.parent.name, described["region"])
            except (ValueError, KeyError, TypeError) as problem:
                quarantine(path, problem)
                continue
            for query, configuration in described["configurations"].items():
                _configure(application, bucket.name, query, configuration)
            for name, versions in s3_objects.read_all(path.parent, _backend().tagger):
                bucket.keys.setlist(name, versions)

    def handle(
        self,
        application: WsgiApplication,
        environ: dict[str, Any],
        start_response: Callable[..., Any],
        bucket: str,
        key: str,
    ) -> Iterable[bytes]:
        """Let moto answer a request to S3; what it changes is on disk when this returns.

        Raises:
            AwsError: S3 would refuse it, and moto does not.
            OSError: The disk is full or cannot be written. moto has made the change, the disk has not.
        """
        s3_requests.check(environ, bucket, key, _backend().buckets)
        statuses: list[str] = []

        def start(status: str, *rest: Any) -> Any:
            statuses.append(status)
            return start_response(status, *rest)

        _touched.keys = {}
        configuration = _configuration_of(environ) if bucket and not key else None
        answer = application(environ, start)
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return answer
        body = [*answer]
        if hasattr(answer, "close"):
            answer.close()
        if bucket and not key:
            self._save_bucket(bucket, configuration if statuses[-1].startswith("2") else None)
        if key:  # tags of an object do not change the key store
            _touched.keys.setdefault(bucket, set()).add(key)
        for name, keys in _touched.keys.items():
            for changed in keys:
                self._save_key(name, changed)
        return body

    def _save_bucket(self, name: str, configuration: tuple[str, dict[str, Any] | None] | None) -> None:
        folder = self._folder / name
        with self._bucket_lock:
            bucket = _backend().buckets.get(name)
            if bucket is None:
                shutil.rmtree(folder, ignore_errors=True)
                return
            path = folder / "bucket.json"
            is_new = not path.exists()
            if not (is_new or configuration):
                return
            folder.mkdir(parents=True, exist_ok=True)
            described = {"configurations": {}} if is_new else json.loads(path.read_text(encoding="utf-8"))
            if configuration:
                query, request = configuration
                described["configurations"][query] = request
            described["configurations"] = {k: v for k, v in described["configurations"].items() if v}
            atomic_write(path, json.dumps({**described, "region": bucket.region_name}).encode())

    def _save_key(self, bucket_name: str, name: str) -> None:
        bucket = _backend().buckets.get(bucket_name)
        if bucket is None:
            return
        now_s = time.monotonic()
        with self._locks[hash((bucket_name, name)) % _NUM_LOCKS]:
            versions = [*bucket.keys.getlist(name, [])]
            for path in s3_objects.write(self._folder / bucket_name, name, versions, _backend().tagger):
                self._garbage.append((now_s + _READERS_GRACE_S, path))
        while self._garbage and self._garbage[0][0] < now_s:
            self._garbage.popleft()[1].unlink(missing_ok=True)


def _configuration_of(environ: dict[str, Any]) -> tuple[str, dict[str, Any] | None] | None:
    """Return which side of a bucket's configuration a request sets, and all of the request."""
    method = environ["REQUEST_METHOD"]
    names = CONFIGURATIONS & parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True).keys()
    if not names or method not in ("PUT", "DELETE"):
        return None
    (query, *_) = names
    if method == "DELETE":
        return query, None
    body = environ["wsgi.input"].read()
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    headers = {
        name: value
        for name, value in environ.items()
        if name.startswith("HTTP_X_AMZ_") and "SHA256" not in name and name != _SESSION_TOKEN
    }
    return query, {"body": body.decode("utf-8", "replace"), "headers": headers}


def _configure(application: WsgiApplication, bucket: str, query: str, request: dict[str, Any]) -> None:
    """Set one side of a bucket's configuration, as a client did before the restart."""
    from werkzeug.test import EnvironBuilder

    builder = EnvironBuilder(
        path=f"/{quote(bucket)}", query_string=query, method="PUT", data=request["body"].encode()
    )
    statuses: list[str] = []
    answer = application(
        {**builder.get_environ(), **request["headers"]}, lambda status, *_: statuses.append(status)
    )
    text = b"".join(answer)
    if not statuses[0].startswith("2"):
        logging.getLogger("sandbox").error("bucket %s: %s was not set again: %s", bucket, query, text[:200])


def _track_changes() -> None:
    """Let moto's buckets note which keys a thread changes in them."""
    from moto.s3 import models

    class NotingKeyStore(models._VersionedKeyStore):
        bucket_name = ""

        def __setitem__(self, name: str, value: Any) -> None:
            super().__setitem__(name, value)
            self._note(name)

        def setlist(self, name: str, versions: Any) -> None:
            for version in versions:
                # Now, while nobody else can read the bytes: moto makes it without a lock at its first use.
                getattr(version, "etag", None)
            super().setlist(name, versions)
            self._note(name)

        def pop(self, name: str) -> None:
            super().pop(name)
            self._note(name)

        def _note(self, name: str) -> None:
            changed = getattr(_touched, "keys", None)
            if changed is not None:
                changed.setdefault(self.bucket_name, set()).add(name)

    class NotingBucket(models.FakeBucket):
        def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
            super().__init__(name, *args, **kwargs)
            self.keys = NotingKeyStore()
            self.keys.bucket_name = name

    models.FakeBucket = NotingBucket


def _backend() -> Any:
    from moto.s3.models import s3_backends

    return s3_backends[ACCOUNT_ID]["aws"]
