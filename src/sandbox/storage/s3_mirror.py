"""S3's objects on disk: moto keeps them in memory, and an upload has to outlive the process.

After every change of a bucket the folder is brought in line with moto's bucket, whatever the call was (put,
copy, multipart, batch delete). At the start the bucket is filled again from the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

from sandbox.api.registry import ACCOUNT_ID

_BLOCK_BYTES = 1 << 20


class S3Mirror:
    """The copy of every bucket below a folder.

    Args:
        folder: Holds <bucket>/bucket.json, and for every object <sha256 of its key> and the same + ".json".
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._written: dict[str, dict[str, int]] = {}  # bucket -> key -> id of the object that was written

    def load(self) -> None:
        """Create the buckets in moto and put the objects into them."""
        with self._lock:
            for path in sorted(self._folder.glob("*/bucket.json")):
                name = path.parent.name
                _backend().create_bucket(name, json.loads(path.read_text())["region"])
                self._written[name] = {}
                for described in sorted(path.parent.glob("*.object.json")):
                    self._load_object(name, described)

    def sync(self, bucket: str) -> None:
        """Bring the folder of a bucket in line with moto's bucket."""
        with self._lock:
            folder = self._folder / bucket
            ours = _backend().buckets.get(bucket)
            if ours is None:
                shutil.rmtree(folder, ignore_errors=True)
                self._written.pop(bucket, None)
                return
            folder.mkdir(parents=True, exist_ok=True)
            if bucket not in self._written:
                _replace(folder / "bucket.json", json.dumps({"region": ours.region_name}).encode())
            written = self._written.setdefault(bucket, {})
            current = {name: key for name, key in ours.keys.items() if hasattr(key, "_value_buffer")}
            for name in written.keys() - current.keys():
                for path in _paths(folder, name):
                    path.unlink(missing_ok=True)
                del written[name]
            for name, key in current.items():
                if written.get(name) != id(key):
                    _write_object(folder, name, key)
                    written[name] = id(key)

    def _load_object(self, bucket: str, described: Path) -> None:
        facts = json.loads(described.read_text(encoding="utf-8"))
        data, _ = _paths(described.parent, facts["key"])
        if not data.exists():  # killed between the two files: the object was never acknowledged
            described.unlink()
            return
        key = _backend().put_object(bucket, facts["key"], value=data.read_bytes())
        key.set_metadata(facts["metadata"], replace=True)
        self._written[bucket][facts["key"]] = id(key)


def _write_object(folder: Path, name: str, key: Any) -> None:
    data, described = _paths(folder, name)
    partial = data.with_suffix(".partial")
    with key.lock, partial.open("wb") as file:
        key._value_buffer.seek(0)
        shutil.copyfileobj(key._value_buffer, file, _BLOCK_BYTES)
        key._value_buffer.seek(0)
    os.replace(partial, data)
    facts = {"key": name, "metadata": {str(k): str(v) for k, v in key.metadata.items()}}
    _replace(described, json.dumps(facts, ensure_ascii=False).encode())


def _paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Return the files of an object: its bytes and what is known of it. Keys can be no file names."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return folder / f"{digest}.object", folder / f"{digest}.object.json"


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def _backend() -> Any:
    from moto.s3.models import s3_backends

    return s3_backends[ACCOUNT_ID]["aws"]
