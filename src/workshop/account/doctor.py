"""Look at everything that a mode needs before it spends: this machine, then the account. Nothing is made.

    make doctor                      # of the mode in workshop.yaml
    make doctor MODE=debug           # of another one

In a notebook, before anything is created: `preflight(settings, "03-SageMaker-Training")`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from workshop.account.checks import Line, run_checks
from workshop.account.containers import container_checks
from workshop.account.machine import machine_checks
from workshop.errors import WorkshopError
from workshop.settings import Settings, load_settings


def examine(settings: Settings, notebook: str | None = None) -> Iterator[Line]:
    """Yield a line for everything that was looked at, this machine before the account.

    Args:
        settings: Of the mode.
        notebook: Look at what this one needs; at the whole mode when None.
    """
    yield from run_checks([*machine_checks(settings, notebook), *container_checks(settings, notebook)])


def preflight(settings: Settings, notebook: str) -> None:
    """Show what a notebook needs, and stop when something is missing, before anything is made or paid.

    Args:
        settings: Of the mode.
        notebook: Its name without .ipynb.

    Raises:
        WorkshopError: At least one check failed.
    """
    lines = _shown(examine(settings, notebook))
    if failures := [line for line in lines if line.status == "FAIL"]:
        subjects = ", ".join(line.subject for line in failures)
        raise WorkshopError(
            found=f"{len(failures)} of {len(lines)} checks failed: {subjects}",
            expected=f"every check of {notebook} to be [OK] or [WARN] before it spends anything",
            next_step=f"do what the lines above say, then run this cell again ({failures[0].next_step})",
        )


def _shown(lines: Iterator[Line]) -> list[Line]:
    shown = []
    for line in lines:
        print(line, flush=True)
        shown.append(line)
    return shown


def main() -> int:
    """Look at what a mode needs, in a terminal; exit status 1 when something failed."""
    try:
        settings = load_settings()
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"mode {settings.mode}", flush=True)
    lines = _shown(examine(settings))
    print(_summary(lines))
    return 1 if any(line.status == "FAIL" for line in lines) else 0


def _summary(lines: Sequence[Line]) -> str:
    counts = {status: sum(line.status == status for line in lines) for status in ("OK", "WARN", "FAIL")}
    return ", ".join(f"{count} {status}" for status, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
