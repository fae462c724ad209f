"""Files that a killed process leaves whole."""

from __future__ import annotations

import errno
import fcntl
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


def append_line(path: Path, line: bytes, *, fsync: bool = False) -> None:
    """Add a line to a file that several processes and threads write to.

    A process that is killed meanwhile leaves a torn line, and the next line begins a new one.

    Args:
        path: Made when it is missing, its folder too; nobody else may read it then.
        line: Without a line end.
        fsync: Wait until the disk has it, so that a power failure does not lose it.

    Raises:
        OSError: It could not be written, or not all of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed: another's half-written line is not torn
        size = os.fstat(file).st_size
        is_torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"  # killed, or the disk full, in the middle
        content = (b"\n" if is_torn else b"") + line + b"\n"
        if os.write(file, content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        if fsync:
            os.fsync(file)
    finally:
        os.close(file)
