"""One key of a bucket on disk: a description of its versions, and the bytes of each in a file of its own.

    <sha256 of the key>.json    its versions, oldest first; replaced as a whole
    <random>.bytes              written before a description names it, and never changed

So a process that is killed leaves the old object or the new one, and nothing of both.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from processes.files import PARTIAL_SUFFIX, atomic_write
from sandbox.storage.quarantine import quarantine

_BLOCK_BYTES = 1 << 20
_PLAIN = (str, int, float, bool, type(None))


class StoredBytes:
    """The bytes of an object for moto, in place of its temporary file: opened only while they are read.

    Args:
        path: File that holds them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0

    def seek(self, position: int) -> None:
        """Go to a position from the start."""
        self._position = position

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes from the position on."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._position)
            data = file.readall() if size < 0 else file.read(size)
        self._position += len(data)
        return data

    def close(self) -> None:
        """Do nothing: who reads it may still do so; the mirror removes the file later."""


def write(folder: Path, name: str, versions: list[Any], tagger: Any) -> set[Path]:
    """Bring the files of a key in line with moto's versions of it; none of them removes the key.

    Returns:
        Files of bytes that nothing names any more. Somebody may still be reading them.

    Raises:
        OSError: The disk is full or cannot be written; what was there before stays.
    """
    path = description_path(folder, name)
    before = _named_files(path)
    if not versions:
        path.unlink(missing_ok=True)
        return before
    described = [_described(folder, version, tagger) for version in versions]
    atomic_write(path, json.dumps({"key": name, "versions": described}, ensure_ascii=False).encode())
    return before - {folder / version["bytes"] for version in described if "bytes" in version}


def read(path: Path, tagger: Any) -> tuple[str, list[Any]]:
    """Return a key and moto's versions of it, whose bytes stay on disk until they are read.

    Raises:
        ValueError, KeyError, TypeError: The description is damaged.
    """
    from moto.s3.models import FakeDeleteMarker, FakeKey

    description = json.loads(path.read_text(encoding="utf-8"))
    name, versions = description["key"], []
    for version in description["versions"]:
        modified = datetime.fromisoformat(version["last_modified"])
        if "bytes" not in version:
            marker = FakeDeleteMarker(versions[-1] if versions else None)
            marker.name, marker.last_modified, marker._version_id = name, modified, version["version_id"]
            versions.append(marker)
            continue
        stored = path.with_name(version["bytes"])
        if stored.stat().st_size != version["facts"]["contentsize"]:
            raise ValueError(f"{stored.name} has not the size that {path.name} says")
        key = FakeKey(name, b"", account_id=version["facts"]["account_id"], region_name="")
        vars(key).update(version["facts"])
        key._metadata.update(version["metadata"])
        key.last_modified = modified
        key._value_buffer = StoredBytes(stored)
        tagger.tag_resource(key.arn, [{"Key": k, "Value": v} for k, v in version["tags"].items()])
        versions.append(key)
    return name, versions


def read_all(folder: Path, tagger: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield every key of a folder as `read` does; quarantine damaged ones, and remove bytes nothing names."""
    named: set[Path] = set()
    for path in sorted(folder.glob("*.json")):
        if path.name == "bucket.json":
            continue
        try:
            name, versions = read(path, tagger)
        except (OSError, ValueError, KeyError, TypeError) as problem:
            quarantine(path, problem)
            named |= _named_files(path)
            continue
        named |= {key._value_buffer.path for key in versions if hasattr(key, "_value_buffer")}
        yield name, versions
    for path in [*folder.glob("*.bytes"), *folder.glob(f"*{PARTIAL_SUFFIX}")]:
        if path not in named:
            path.unlink()


def description_path(folder: Path, name: str) -> Path:
    """Return the file that describes a key; keys can be no file names."""
    return folder / f"{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()}.json"


def _described(folder: Path, version: Any, tagger: Any) -> dict[str, Any]:
    modified = version.last_modified.isoformat()
    if not hasattr(version, "_value_buffer"):  # a delete marker
        return {"version_id": version.version_id, "last_modified": modified}
    if not isinstance(version._value_buffer, StoredBytes):
        _move_to_disk(folder, version)
    facts = {
        name: value
        for name, value in vars(version).items()
        if isinstance(value, _PLAIN) and name not in ("disposed", "name")
    }
    return {
        "bytes": version._value_buffer.path.name,
        "last_modified": modified,
        "metadata": {str(name): str(value) for name, value in version.metadata.items()},
        "tags": tagger.get_tag_dict_for_resource(version.arn),
        "facts": facts,
    }


def _move_to_disk(folder: Path, key: Any) -> None:
    """Let moto read the object from our file, and free its memory or temporary file."""
    path = folder / f"{uuid.uuid4().hex}.bytes"
    with key.lock:
        temporary = key._value_buffer
        temporary.seek(0)
        try:
            with path.open("xb") as file:
                shutil.copyfileobj(temporary, file, _BLOCK_BYTES)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            temporary.seek(0)
        key._value_buffer = StoredBytes(path)
        temporary.close()


def _named_files(path: Path) -> set[Path]:
    try:
        versions = json.loads(path.read_text(encoding="utf-8"))["versions"]
        return {path.with_name(version["bytes"]) for version in versions if "bytes" in version}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
