"""The one kind of error that a person using the workshop can cause, and how a notebook shows it."""

from __future__ import annotations

RED, BOLD, RESET = "\x1b[31m", "\x1b[1m", "\x1b[0m"


class WorkshopError(Exception):
    """State what was found, what was expected and what to do next.

    Args:
        found: What is there, with the name of the file, field or value.
        expected: What should be there instead.
        next_step: One action: the command, the notebook or the line to change.
    """

    def __init__(self, *, found: str, expected: str, next_step: str) -> None:
        super().__init__(f"found     {found}\nexpected  {expected}\ndo next   {next_step}")
        self.found = found
        self.expected = expected
        self.next_step = next_step

    def __reduce__(self) -> tuple:
        # Exceptions are rebuilt from positional arguments; ours takes keywords, and may cross processes.
        return _rebuild, (type(self), self.found, self.expected, self.next_step)

    def _render_traceback_(self) -> list[str]:
        """Give IPython three lines in place of a traceback.

        IPython asks the exception itself for its display. Unlike a handler set by `set_custom_exc` this
        also covers an error in the cell that would have installed the handler. The kernel still sends an
        error message with name and value, so nbclient and nbmake count the cell as failed.

        Source: IPython 9, InteractiveShell.showtraceback.
        """
        return [
            f"{RED}{BOLD}found    {RESET} {self.found}",
            f"{BOLD}expected {RESET} {self.expected}",
            f"{BOLD}do next  {RESET} {self.next_step}",
        ]


def _rebuild(kind: type[WorkshopError], found: str, expected: str, next_step: str) -> WorkshopError:
    return kind(found=found, expected=expected, next_step=next_step)
