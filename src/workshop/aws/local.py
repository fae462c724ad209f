"""The AWS on this machine: start it, find the one that runs, end it.

    python -m workshop.aws.local            # start it, or say where it runs
    python -m workshop.aws.local --stop     # end it, and the jobs and endpoints it runs

Its process outlives the notebook's kernel: endpoints keep serving, and the next notebook finds them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processes.secret_values import without_secrets
from workshop.errors import WorkshopError
from workshop.view.process_output import last_lines

START_TIMEOUT_S = 600.0
"""A cold disk, a busy core: it listens after 1 to 2 s when its packages were read before."""

LOG_NAME = "sandbox.log"
CLOCK_SPEED_VARIABLE = "SANDBOX_CLOCK_SPEED"
_STATE_NAME = "server.json"
_ANOTHER_LISTENS = 3
_POLL_S = 0.01
_ANSWER_TIMEOUT_S = 60.0  # it runs beside a training that takes both cores; one that ended refuses at once
_STOP_TIMEOUT_S = 300.0  # `--stop` itself has limits: 30 s, then twice 45 s for what is left
# Loopback is never asked for through a proxy, whatever the environment says.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ensure_running(home: Path, *, clock_speed: float = 1.0) -> str:
    """Return the address of the AWS on this machine; start it when it does not run.

    Two notebooks may call this at the same time: one starts it, both find it.

    Args:
        home: Its folder, made when missing; one server for each folder.
        clock_speed: So many times faster it passes waits that AWS counts in minutes, 1 to 600.

    Returns:
        For example "http://127.0.0.1:45123".

    Raises:
        WorkshopError: It does not start or does not answer (the message shows the end of its log), or one
            with another clock speed runs.
    """
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    if found := _health(home):
        return _with_speed(found, clock_speed)
    process, log_start = _start(home, clock_speed)
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        status = process.poll()
        if found := _health(home):
            return _with_speed(found, clock_speed)
        if status not in (None, _ANOTHER_LISTENS):
            raise no_answer(home, f"ended with exit status {status} before it listened", log_start)
        time.sleep(_POLL_S)
    process.terminate()
    raise no_answer(home, f"does not answer after {START_TIMEOUT_S:.0f} s", log_start)


def find(home: Path) -> str | None:
    """Return the address of the server that runs for a folder, or None."""
    found = _health(home)
    return found and found["url"]


def stop(home: Path) -> bool:
    """End the server of a folder with everything it runs, and wait for it; tell whether one ran.

    Raises:
        WorkshopError: It does not end.
    """
    if not (home / _STATE_NAME).exists():
        return False
    did_run = find(home) is not None
    try:
        done = subprocess.run(
            [*_command(home), "--stop"],
            env=_environment(),
            cwd=home,
            capture_output=True,
            text=True,
            timeout=_STOP_TIMEOUT_S,
            check=False,
        )
        problem = done.stderr.strip() or done.stdout.strip() if done.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"no end within {_STOP_TIMEOUT_S:.0f} s"
    if problem:
        raise WorkshopError(
            found=f"the AWS on this machine does not end: {problem}",
            expected=f"the process named in {home / _STATE_NAME} to end",
            next_step="end that process by its pid",
        )
    return did_run


@contextmanager
def left_as_found(home: Path) -> Iterator[None]:
    """End the server of a folder after the block, unless it ran before."""
    did_run = find(home) is not None
    try:
        yield
    finally:
        if not did_run:
            stop(home)


def no_answer(home: Path, ending: str, log_start: int = 0) -> WorkshopError:
    """Return the error for a server that is not there, with the end of its log.

    Args:
        ending: What it did, for example "does not answer".
        log_start: Where in the log this run begins, in bytes.
    """
    log_path = home / LOG_NAME
    text = log_path.read_bytes()[log_start:].decode("utf-8", errors="replace") if log_path.exists() else ""
    return WorkshopError(
        found=f"the AWS on this machine {ending}; its last lines:{last_lines(text.splitlines())}",
        expected="`python -m sandbox` to listen on a free port of 127.0.0.1",
        next_step="correct what it names, then run the notebook's first cells again "
        f"(`make stop` ends an old one); log: {log_path}",
    )


def _health(home: Path) -> dict[str, Any] | None:
    """Return what the server of a folder reports about itself, with its url; None when there is none."""
    try:
        url = json.loads((home / _STATE_NAME).read_text(encoding="utf-8"))["url"]
        with _OPENER.open(f"{url}/_sandbox/health", timeout=_ANSWER_TIMEOUT_S) as response:
            answer = json.load(response)
        # After a kill -9 the file stays, and another program may have got the port since.
        return answer | {"url": url} if Path(answer["home"]).samefile(home) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _with_speed(found: dict[str, Any], clock_speed: float) -> str:
    """Return a server's address; its speed is read once, at its start, so that another one is an error."""
    runs_at = found.get("clock_speed", 1.0)  # an older one reports none
    if runs_at == clock_speed:
        return found["url"]
    raise WorkshopError(
        found=f"an AWS on this machine with the clock speed {runs_at:g}",
        expected=f"{clock_speed:g}, which is sandbox_clock_speed in workshop.yaml",
        next_step="end it with `make stop` (endpoints and jobs in it end, what is in S3 stays), then run the "
        "notebook's first cells again",
    )


def _start(home: Path, clock_speed: float) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server in a session of its own; return it and where its part of the log begins."""
    with (home / LOG_NAME).open("ab") as log:
        process = subprocess.Popen(
            _command(home),
            env=_environment() | {CLOCK_SPEED_VARIABLE: f"{clock_speed:g}"},
            # not the notebook's folder, whose files could stand in for modules
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log_start = log.tell()
    # Whoever started it must take its exit status, or it would stay in the process table.
    threading.Thread(target=process.wait, name="wait for the sandbox", daemon=True).start()
    return process, log_start


def _command(home: Path) -> list[str]:
    return [sys.executable, "-m", "sandbox", "--home", str(home)]


def _environment() -> dict[str, str]:
    """Return the variables of this process without those that would tie the server to it.

    Without the mark of a launch it survives the launch's end; without the AWS variables it can neither
    talk to itself nor find somebody's credentials, nor has any other secret to hand on.
    """
    tied = ("AWS_", "SAGEMAKER_", "WORKSHOP_LAUNCH", "JPY_", "MPLBACKEND")
    return {name: value for name, value in without_secrets(os.environ).items() if not name.startswith(tied)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Start or end the AWS on this machine for sample mode, and say what was done."""
    from workshop.settings import load_settings

    parser = argparse.ArgumentParser(prog="python -m workshop.aws.local", description=main.__doc__)
    parser.add_argument("--stop", action="store_true", help="end it instead")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings(environ={**os.environ, "WORKSHOP_MODE": "sample"})
        home, clock_speed = settings.home / "sandbox", settings.sandbox_clock_speed
        if options.stop:
            print(f"ended the AWS on this machine ({home})" if stop(home) else "no AWS runs on this machine")
        else:
            url = ensure_running(home, clock_speed=clock_speed)
            print(f"the AWS on this machine listens on {url} ({home})")
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
