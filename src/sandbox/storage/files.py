"""Files that a killed process leaves whole."""

from __future__ import annotations

import logging
import os
import uuid
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Write a file so that it is the old one or the new one whenever the process ends.

    Raises:
        OSError: It could not be written; the old one stays.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def set_aside(path: Path, problem: Exception) -> None:
    """Rename a file that cannot be read, and say so in the log."""
    aside = path.with_name(f"{path.name}.damaged")
    logging.getLogger("sandbox").error("%s cannot be read (%s); it is now %s", path, problem, aside.name)
    if path.exists():
        os.replace(path, aside)
