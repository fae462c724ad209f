"""How a processing job of the pipeline ends: what it has to say stands in AWS's description of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from processes.errors import UserError

MAX_MESSAGE_BYTES = 1024
"""Of the exit message. Source: API reference, DescribeProcessingJob, ExitMessage."""

WRONG_USE = 2


def run_as_job(step: Callable[[], str], output_dir: Path) -> int:
    """Run a step; its last words become the job's ExitMessage, which DescribeProcessingJob shows.

    Args:
        step: Does the work, writes its outputs at its very end, and returns a line about the result.
        output_dir: Folder of an output; what lies two folders above it is the container's /opt/ml.

    Returns:
        The exit status: 0, or WRONG_USE for an error that a person can mend.

    Source: developer guide, "Save and Access Metadata Information About Your Processing Job".
    """
    message_path = _message_path(output_dir)
    try:
        message = step()
    except UserError as error:
        print(f"error\n{error}", file=sys.stderr, flush=True)
        _write(message_path, str(error))
        return WRONG_USE
    except BaseException as error:
        _write(message_path, next(iter(f"{type(error).__name__}: {error}".splitlines())))
        raise
    print(message, flush=True)
    _write(message_path, message)
    return 0


def _message_path(output_dir: Path) -> Path | None:
    """Return /opt/ml/output/message, by the place of an output: a sandbox without mounts has it elsewhere."""
    for folder in output_dir.absolute().parents:
        is_container = (folder.parent.name, folder.name) == ("ml", "processing")
        if is_container:
            return folder.parent / "output" / "message"
    return None  # started by hand, somewhere else


def _write(path: Path | None, text: str) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut = text.encode("utf-8", "replace")[:MAX_MESSAGE_BYTES]
        path.write_text(cut.decode("utf-8", "ignore"), encoding="utf-8")  # no half of a letter
