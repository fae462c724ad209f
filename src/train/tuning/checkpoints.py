"""Checkpoints that are complete or not used: each gets a mark when everything in it has been written."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

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


def mark_complete(checkpoint: Path) -> None:
    """Record the sizes of all files, as the last thing that is written into a checkpoint."""
    (checkpoint / MARK).unlink(missing_ok=True)
    sizes = {
        str(file.relative_to(checkpoint)): file.stat().st_size
        for file in sorted(checkpoint.rglob("*"))
        if file.is_file()
    }
    partial = checkpoint / f"{MARK}.partial"
    partial.write_text(json.dumps(sizes), encoding="utf-8")
    partial.replace(checkpoint / MARK)


def is_complete(checkpoint: Path) -> bool:
    """Return whether every file that was recorded is there in its full size."""
    try:
        sizes = json.loads((checkpoint / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all(
        (checkpoint / name).is_file() and (checkpoint / name).stat().st_size == size
        for name, size in sizes.items()
    )


def last_complete(output_dir: Path) -> Path | None:
    """Return the newest complete checkpoint, or None."""
    return next((path for path in reversed(all_checkpoints(output_dir)) if is_complete(path)), None)


def remove_incomplete(output_dir: Path) -> list[str]:
    """Delete what a killed or failed save left, and return the names of the folders."""
    broken = [path for path in all_checkpoints(output_dir) if not is_complete(path)]
    for path in broken:
        shutil.rmtree(path, ignore_errors=True)
    return [path.name for path in broken]


def keep_newest(output_dir: Path, limit: int | None) -> None:
    """Delete the oldest checkpoints beyond a limit; called once the newest one is complete."""
    for path in all_checkpoints(output_dir)[: -limit if limit else 0]:
        shutil.rmtree(path, ignore_errors=True)


def remove_all(output_dir: Path) -> None:
    """Delete every checkpoint."""
    for path in all_checkpoints(output_dir):
        shutil.rmtree(path, ignore_errors=True)
