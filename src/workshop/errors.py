"""How a notebook shows the one kind of error that a person using the workshop can cause."""

from __future__ import annotations

from processes.errors import UserError

RED, BOLD, RESET = "\x1b[31m", "\x1b[1m", "\x1b[0m"


class WorkshopError(UserError):
    """State what was found, what was expected and what to do next, in a notebook as three lines."""

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
