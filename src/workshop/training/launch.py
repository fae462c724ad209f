"""Start a training as a process, show how it goes, and leave nothing running behind.

    result = launch(["torchrun", "--nproc_per_node", "2", "src/train/train.py", "--config", "recipe.yaml"],
                    log_path=Path("train.log"), timeout_s=600)
    result.records      # one dict per progress line, for the plots

The process may print lines `progress {json}` (one per step) and `phase {json}` (seconds by part); every other
line is shown as it is. All of it goes to the log file.
"""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from processes.group import ProcessGroup
from processes.secret_values import hider
from workshop.errors import WorkshopError
from workshop.view.command_text import command_text, short_name
from workshop.view.live import NotebookView, PlainView, make_view
from workshop.view.process_output import Events, Reader, last_lines

GRACE_S = 30.0
"""Seconds between SIGTERM and SIGKILL: enough to save a checkpoint."""

_DRAIN_S = 60.0


class LaunchError(WorkshopError):
    """A process could not be started, failed, or ran longer than it may."""


@dataclass(frozen=True, kw_only=True)
class LaunchResult:
    """What a finished process left.

    Attributes:
        command: Program and arguments.
        returncode: 0.
        wall_s: Seconds from start to end.
        records: The progress lines, in order.
        phases: Seconds by part of the run.
        lines: The last lines that were no progress lines.
        log_path: Everything that was printed.
    """

    command: tuple[str, ...]
    returncode: int
    wall_s: float
    records: list[dict[str, float]]
    phases: dict[str, float]
    lines: list[str]
    log_path: Path


def launch(
    command: Sequence[str],
    *,
    log_path: Path | str,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    grace_s: float = GRACE_S,
) -> LaunchResult:
    """Print a command, run it, and show its progress until it ends.

    Args:
        command: Program and arguments; no shell reads them.
        log_path: Where its output is written.
        timeout_s: After this many seconds it is stopped.
        env: Variables added to this process's own. Values whose name says that they are secret are
            neither printed nor logged.
        grace_s: Seconds between SIGTERM and SIGKILL when it has to be stopped.

    Raises:
        LaunchError: When it cannot be started, ends with an error, or takes longer than timeout_s.
        KeyboardInterrupt: When the cell is interrupted, after everything was stopped.
    """
    env = dict(env or {})
    hide = hider({**os.environ, **env})
    print(hide(command_text(command, env)), flush=True)
    log_path = Path(log_path)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    # Unbuffered, or a Python process would hold its lines back until a block of 8 KiB is full.
    whole_env = {**os.environ, "PYTHONUNBUFFERED": "1", **env}
    with log_path.open("w", encoding="utf-8", errors="backslashreplace") as log:
        start_s = time.monotonic()
        try:
            group = ProcessGroup(command, env=whole_env, cwd=cwd and Path(cwd), watchdog_grace_s=grace_s)
        except OSError as error:
            raise LaunchError(
                found=f"{command[0]!r} cannot be started: {error.strerror} ({error.filename})",
                expected="a program and a working folder that are there",
                next_step="run `make sample` once, or choose its environment as the notebook's kernel",
            ) from None
        reader = Reader(log, hide, make_view(short_name(command)))
        try:
            is_late = _follow(group, reader, short_name(command), start_s + timeout_s, grace_s)
        except KeyboardInterrupt:
            reader.view.end("stopped", f"{short_name(command)} · interrupted and stopped · log: {log_path}")
            raise
    result = LaunchResult(
        command=tuple(command),
        returncode=group.process.returncode,
        wall_s=time.monotonic() - start_s,
        records=reader.records,
        phases=reader.phases,
        lines=list(reader.lines),
        log_path=log_path,
    )
    return _checked(result, reader.view, timeout_s if is_late else None)


def _checked(result: LaunchResult, view: PlainView | NotebookView, late_s: float | None) -> LaunchResult:
    """Return a result that is good; raise for one that is not."""
    name = short_name(result.command)
    if late_s is None and result.returncode == 0:
        view.end("done", f"{name} · done in {result.wall_s:.1f} s")
        return result
    if late_s is not None:
        ending = f"was still running after {late_s:g} s and was stopped"
        expected = f"the end within timeout_s={late_s:g}"
        advice = "take less data or fewer steps, or a larger timeout_s"
    elif result.returncode < 0:
        ending = f"was ended by {signal.Signals(-result.returncode).name}"
        expected = "an end of its own"
        advice = "a SIGKILL often means that memory ran out: close other programs, or take a smaller batch"
    else:
        ending, expected = f"ended with exit status {result.returncode}", "exit status 0"
        advice = "correct what its last lines name"
    view.end("failed", f"{name} · {ending} · log: {result.log_path}")
    raise LaunchError(
        found=f"{name} {ending}; its last lines:{last_lines(result.lines)}",
        expected=expected,
        next_step=f"{advice}; everything it printed is in {result.log_path}",
    )


def _follow(group: ProcessGroup, reader: Reader, name: str, deadline_s: float, grace_s: float) -> bool:
    """Pass the output on until the process ends; stop it when it is late or the cell is interrupted.

    Returns:
        Whether it had to be stopped because it was late.
    """
    with Events(group) as events:
        try:
            is_late = not events.pump(reader, deadline_s)
            if is_late:
                reader.view.line(f"{name}: out of time, stopping it (up to {grace_s:g} s)")
                _stop(group, events, reader, grace_s)
        except KeyboardInterrupt:
            reader.view.line(f"{name}: interrupted, stopping it (up to {grace_s:g} s; again to kill it now)")
            _stop(group, events, reader, grace_s)
            raise
        finally:
            group.close()
            # What the process wrote last is still in the pipe, which ends now that nobody holds it.
            events.drain(reader, time.monotonic() + _DRAIN_S)
            reader.close()
    return is_late


def _stop(group: ProcessGroup, events: Events, reader: Reader, grace_s: float) -> None:
    """Ask the processes to end, and pass on what they say; a second interrupt ends the patience."""
    try:
        group.terminate()
        events.pump(reader, time.monotonic() + grace_s)
    except KeyboardInterrupt:
        return
