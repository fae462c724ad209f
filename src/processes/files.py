"""Files that a killed process leaves whole."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

PARTIAL_SUFFIX = ".partial"
"""Of what a killed process leaves beside a file; nobody reads it, and it may be removed."""


def atomic_write(path: Path, content: bytes | str, *, fsync: bool = False) -> None:
    """Write a file so that it is the old one or the new one whenever the process ends.

    Args:
        path: Its folder is there.
        content: All of it; text is written as UTF-8.
        fsync: Wait until the disk has it, so that a power failure leaves it whole, too.

    Raises:
        OSError: It could not be written; the old one stays.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{PARTIAL_SUFFIX}")
    try:
        with partial.open("xb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            if fsync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
