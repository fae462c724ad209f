"""The sandbox as it is, but killed at one point of what data capture writes.

python killed_capture.py --home DIR       the file DIR.kill_at says where, when there is one:

frame       half of a frame of the journal is on disk, its invocation is not answered
put         an object is about to be sent to S3
put done    the object is in S3, its file still in the journal
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from sandbox import __main__ as program
from sandbox.hosting import capture_journal

POINT = Path(f"{sys.argv[2]}.kill_at")
content, unlink = capture_journal.Segment.content, Path.unlink


def die_at(point: str) -> None:
    if POINT.exists() and POINT.read_text() == point:
        os.kill(os.getpid(), signal.SIGKILL)


def writev_or_die(file: int, blocks: list[bytes]) -> int:
    data = b"".join(blocks)
    half = len(data) // 2
    os.write(file, data[:half])
    die_at("frame")
    return half + os.write(file, data[half:])


def content_or_die(segment: capture_journal.Segment) -> bytes:
    die_at("put")
    return content(segment)


def unlink_or_die(path: Path, missing_ok: bool = False) -> None:
    if path.suffix == capture_journal.SUFFIX:
        die_at("put done")
    unlink(path, missing_ok)


capture_journal.os = type(sys)("os")
capture_journal.os.__dict__.update(os.__dict__, writev=writev_or_die)
capture_journal.Segment.content = content_or_die
Path.unlink = unlink_or_die
sys.exit(program.main())
