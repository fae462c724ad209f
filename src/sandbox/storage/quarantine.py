"""Files that cannot be read: kept under another name, so that the rest is served."""

from __future__ import annotations

import logging
import os
from pathlib import Path


def quarantine(path: Path, problem: Exception) -> None:
    """Rename a file that cannot be read to *.damaged, and say so in the log."""
    damaged = path.with_name(f"{path.name}.damaged")
    logging.getLogger("sandbox").error("%s cannot be read (%s); it is now %s", path, problem, damaged.name)
    if path.exists():
        os.replace(path, damaged)
