"""Errors that a person can cause and mend."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


class UserError(Exception):
    """What was found, what was expected and what to do next; shown without a traceback."""

    def __init__(self, *, found: str, expected: str, next_step: str) -> None:
        super().__init__(f"found: {found}\nexpected: {expected}\nnext: {next_step}")
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
