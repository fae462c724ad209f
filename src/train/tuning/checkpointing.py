"""Checkpoints that are complete or not used.

Each gets a mark when everything in it is on the disk: a file that names all others with size and checksum,
and says what the run that wrote it must have in common with the one that goes on from it. The mark also tells
a folder that reached or left S3 in part: it counts only with every file that it names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

MARK = "complete.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def all_checkpoints(output_dir: Path) -> list[Path]:
    """Return the checkpoint folders, oldest first, complete or not."""
    folders = [
        (int(match[1]), path)
        for path in output_dir.glob("checkpoint-*")
        if (match := _NAME.fullmatch(path.name))
    ]
    return [path for _, path in sorted(folders)]


def mark_complete(checkpoint: Path, fingerprint: dict[str, Any] | None = None) -> None:
    """Bring every file to the disk, then write the mark, which appears whole or not at all.

    Args:
        checkpoint: a folder that nobody writes into any more.
        fingerprint: what a run that goes on from it must have in common, of `tuning.fingerprint`.
    """
    (checkpoint / MARK).unlink(missing_ok=True)
    files = {
        file.relative_to(checkpoint).as_posix(): {"bytes": file.stat().st_size, "sha256": _sha256(file)}
        for file in sorted(checkpoint.rglob("*"))
        if file.is_file()
    }
    for name in files:
        _flush(checkpoint / name)
    for folder in {(checkpoint / name).parent for name in files}:
        _flush(folder)
    partial = checkpoint / f"{MARK}.partial"
    partial.write_text(json.dumps({"fingerprint": fingerprint or {}, "files": files}), encoding="utf-8")
    _flush(partial)
    partial.replace(checkpoint / MARK)
    _flush(checkpoint)
    _flush(checkpoint.parent)


def what_is_wrong(checkpoint: Path) -> str | None:
    """Return why a checkpoint cannot be used, or None for a complete one: every file is read."""
    if not (checkpoint / MARK).is_file():
        return "it was not written to its end"
    mark = _read_mark(checkpoint)
    if mark is None:
        return f"its {MARK} is damaged"
    for name, facts in mark["files"].items():
        file = checkpoint / name
        if not file.is_file():
            return f"{name} is missing"
        if (size := file.stat().st_size) != facts["bytes"]:
            return f"{name} has {size:,} of {facts['bytes']:,} bytes"
        if _sha256(file) != facts["sha256"]:
            return f"{name} is damaged: its checksum differs"
    return None


def is_complete(checkpoint: Path) -> bool:
    """Return whether every file that was recorded is there as it was written."""
    return what_is_wrong(checkpoint) is None


def fingerprint_of(checkpoint: Path) -> dict[str, Any]:
    """Return the fingerprint in the mark of a complete checkpoint."""
    return (_read_mark(checkpoint) or {}).get("fingerprint", {})


def last_complete(output_dir: Path) -> Path | None:
    """Return the newest complete checkpoint, or None."""
    return next((path for path in reversed(all_checkpoints(output_dir)) if is_complete(path)), None)


def remove_incomplete(output_dir: Path) -> dict[str, str]:
    """Delete what a killed or failed save, or a partial copy, left; return {name: what was wrong}."""
    wrong = {path: reason for path in all_checkpoints(output_dir) if (reason := what_is_wrong(path))}
    for path in wrong:
        _remove(path)
    return {path.name: reason for path, reason in wrong.items()}


def keep_newest(output_dir: Path, limit: int | None) -> None:
    """Delete the oldest checkpoints beyond a limit; called once the newest one is complete."""
    for path in all_checkpoints(output_dir)[: -limit if limit else 0]:
        _remove(path)


def remove_all(output_dir: Path) -> None:
    """Delete every checkpoint."""
    for path in all_checkpoints(output_dir):
        _remove(path)


def _remove(checkpoint: Path) -> None:
    # The mark first: a kill in between leaves a checkpoint that says itself that it is none.
    (checkpoint / MARK).unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)


def _read_mark(checkpoint: Path) -> dict[str, Any] | None:
    try:
        mark = json.loads((checkpoint / MARK).read_text(encoding="utf-8"))
        well_formed = all({"bytes", "sha256"} <= facts.keys() for facts in mark["files"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return mark if well_formed else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Bring a file, or a folder's list of names, to the disk: a rename alone survives no power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
