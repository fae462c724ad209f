"""Errors that a person can cause and mend."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

RESUME = "free some space and start again: training resumes from the last complete checkpoint"


class UserError(Exception):
    """What was found, what was expected and what to do next; shown without a traceback.

    The same lines as processes/errors.py writes, which is not shipped with this folder.
    """

    def __init__(self, *, found: str, expected: str, next_step: str) -> None:
        super().__init__(f"found     {found}\nexpected  {expected}\ndo next   {next_step}")
        self.parts = {"found": found, "expected": expected, "next_step": next_step}

    def __reduce__(self):
        """Let another process have it, by pickle."""
        return _user_error, (self.parts,)


def _user_error(parts: dict[str, str]) -> UserError:
    return UserError(**parts)


def exit_with(error: UserError) -> NoReturn:
    """Print the error on stderr and end the process at once with status 2, that of wrong use.

    At once: a process group's destructor may hang where other processes are already gone.
    """
    sys.stdout.flush()
    print(f"error\n{error}", file=sys.stderr, flush=True)
    os._exit(2)


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether an error, or one that it comes from, says that the disk (or a quota or limit) is full.

    Writers in Rust and C++ (safetensors, torch.save) say it in words only.
    """
    words = (
        "No space left",
        "os error 28",
        "File too large",
        "os error 27",
        "Disk quota",
        "file write failed",
        "iostream error",  # torch.save, when the last bytes are written
        "inline_container",  # torch.save: "enforce fail at inline_container.cc", "unexpected pos 12 vs 10"
    )
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        if any(word in str(error) for word in words):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def disk_full(folder: Path, *, next_step: str = RESUME) -> UserError:
    """Return the error for a disk that is full while writing below `folder`."""
    free_mib = shutil.disk_usage(folder if folder.exists() else folder.parent).free / 2**20
    return UserError(
        found=f"the disk is full: writing to {folder} failed with {free_mib:,.0f} MiB free",
        expected="room for the checkpoint or the model",
        next_step=next_step,
    )


def cannot_load(model_name_or_path: str, error: Exception) -> UserError:
    """Return the error for a model that cannot be read."""
    return UserError(
        found=f"{model_name_or_path} cannot be loaded: {str(error).strip().splitlines()[0]}",
        expected="a local folder, or a model on the Hugging Face hub that this account may read",
        next_step="correct the name, or accept the model's licence and run `hf auth login`",
    )
