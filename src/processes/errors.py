"""The one kind of error that a person can cause and mend."""

from __future__ import annotations

import os

from processes.secret_values import hider


class UserError(Exception):
    """State what was found, what was expected and what to do next; shown without a traceback.

    What others report (a library, a server, a log) stands in it too, so that secrets are hidden here.

    Args:
        found: What is there, with the name of the file, field or value.
        expected: What should be there instead.
        next_step: One action: the command, the notebook or the line to change.
    """

    def __init__(self, *, found: str, expected: str, next_step: str) -> None:
        found, expected, next_step = map(hider(os.environ), (found, expected, next_step))
        super().__init__(f"found     {found}\nexpected  {expected}\ndo next   {next_step}")
        self.found = found
        self.expected = expected
        self.next_step = next_step

    def __reduce__(self) -> tuple:
        # Exceptions are rebuilt from positional arguments; ours takes keywords, and may cross processes.
        return _rebuild, (type(self), self.found, self.expected, self.next_step)


def _rebuild(kind: type[UserError], found: str, expected: str, next_step: str) -> UserError:
    return kind(found=found, expected=expected, next_step=next_step)
