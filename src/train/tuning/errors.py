"""Errors that a person can cause and mend."""

from __future__ import annotations

import sys
from typing import NoReturn


class UserError(Exception):
    """What was found, what was expected and what to do next; shown without a traceback."""

    def __init__(self, *, found: str, expected: str, next_step: str) -> None:
        super().__init__(f"found: {found}\nexpected: {expected}\nnext: {next_step}")


def exit_with(error: UserError) -> NoReturn:
    """Print the error on stderr and end the process with status 2, as command line tools do for wrong use."""
    print(f"error\n{error}", file=sys.stderr, flush=True)
    raise SystemExit(2)
