"""The records of jobs, models and endpoints: in memory, and on disk after every change."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processes.files import PARTIAL_SUFFIX, atomic_write
from sandbox.storage.file_names import stem_of
from sandbox.storage.quarantine import quarantine

Record = dict[str, Any]


class Resources:
    """Records by kind, region and name; times are seconds since the epoch.

    A record holds the members of AWS's Describe answer under their names; what is ours begins with "_".
    Every change is on disk before it is seen: when the disk is full it has not happened.

    Args:
        folder: One JSON file a record is kept below it; those that cannot be read are quarantined.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._changes = threading.Condition(self._lock)
        self._num_changes = 0
        self._records: dict[tuple[str, str, str], Record] = {}
        for path in sorted(folder.glob("*/*/*.json")):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                self._records[record["_kind"], record["_region"], record["_name"]] = record
            except (ValueError, KeyError, TypeError) as problem:
                quarantine(path, problem)
        for partial in folder.glob(f"*/*/*{PARTIAL_SUFFIX}"):
            partial.unlink()

    def get(self, kind: str, region: str, name: str) -> Record | None:
        """Return a copy of a record, or None."""
        with self._lock:
            return copy.deepcopy(self._records.get((kind, region, name)))

    def all(self, kind: str, region: str | None = None) -> list[Record]:
        """Return copies of the records of a kind, of one region or of all."""
        with self._lock:
            return [
                copy.deepcopy(record)
                for (its_kind, its_region, _), record in self._records.items()
                if its_kind == kind and region in (None, its_region)
            ]

    def names(self, kind: str, region: str) -> list[str]:
        """Return the names of the records of a kind in a region."""
        with self._lock:
            return [
                name
                for its_kind, its_region, name in self._records
                if (its_kind, its_region) == (kind, region)
            ]

    def add(self, kind: str, region: str, name: str, record: Record) -> bool:
        """Add a record; False when the name is taken.

        Raises:
            OSError: It cannot be written.
        """
        with self._lock:
            if (kind, region, name) in self._records:
                return False
            record = {**copy.deepcopy(record), "_kind": kind, "_region": region, "_name": name}
            self._write(record)
            self._records[kind, region, name] = record
            self.wake()
            return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else change a record meanwhile: what is seen of one is true when another is added."""
        with self._lock:
            yield

    @contextmanager
    def change(self, kind: str, region: str, name: str) -> Iterator[Record]:
        """Give a record to change; it is written when the block ends without an error.

        Raises:
            KeyError: There is none of this name.
            OSError: It cannot be written; it stays as it was.
        """
        with self._lock:
            record = copy.deepcopy(self._records[kind, region, name])
            yield record
            self._write(record)
            self._records[kind, region, name] = record
            self.wake()

    def remove(self, kind: str, region: str, name: str) -> None:
        """Remove a record; nothing happens when there is none."""
        with self._lock:
            record = self._records.pop((kind, region, name), None)
            if record:
                self._path(record).unlink(missing_ok=True)
                self.wake()

    @property
    def num_changes(self) -> int:
        """How often a record has changed since the start."""
        with self._lock:
            return self._num_changes

    def wait_for_change(self, since: int, timeout_s: float | None = None) -> None:
        """Wait until there are more changes than `since`, or so many seconds."""
        with self._changes:
            self._changes.wait_for(lambda: self._num_changes > since, timeout_s)

    def wake(self) -> None:
        """Let whoever waits for a change look again."""
        with self._changes:
            self._num_changes += 1
            self._changes.notify_all()

    def _path(self, record: Record) -> Path:
        return self._folder / record["_region"] / record["_kind"] / f"{stem_of(record['_name'])}.json"

    def _write(self, record: Record) -> None:
        path = self._path(record)
        content = json.dumps(record, ensure_ascii=False, indent=1).encode("utf-8")
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content)
