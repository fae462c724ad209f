"""The sandbox as it is, but killed at one point: before or after a certain record is written to disk.

python killed_sandbox.py --home DIR       KILL_AT in the environment says where, as JSON:

{"when": "after", "kind": "pipeline-execution", "step": "Train", "status": "Starting"}
{"when": "before", "kind": "model-package"}         any record of the kind
{"when": "after", "number": 7}                      the seventh write since the first of an execution
{"when": "full", "times": 2, ...}                   the disk is full twice there
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sandbox import __main__ as program
from sandbox.storage import resources

POINT = json.loads(os.environ.get("KILL_AT", "null"))
write = resources.atomic_write
num_writes = 0


def is_there(record: dict[str, Any]) -> bool:
    """Return whether a record that is written is the one that was asked for."""
    global num_writes
    if num_writes or record["_kind"] == "pipeline-execution":
        num_writes += 1
    if "number" in POINT:
        return num_writes == POINT["number"]
    if record["_kind"] != POINT["kind"]:
        return False
    if "step" in POINT:
        record = record["_steps"].get(POINT["step"], {})
    status = [value for name, value in record.items() if name.endswith("Status")]
    return "status" not in POINT or POINT["status"] in status


def write_or_die(path: Path, content: bytes) -> None:
    is_point = POINT is not None and is_there(json.loads(content))
    if is_point and POINT["when"] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    if is_point and POINT["when"] == "full" and POINT["times"]:
        POINT["times"] -= 1
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    write(path, content)
    if is_point and POINT["when"] == "after":
        os.kill(os.getpid(), signal.SIGKILL)


resources.atomic_write = write_or_die
sys.exit(program.main())
