"""Start or stop the sandbox: `python -m sandbox --home DIR`, and the same with `--stop`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from processes.errors import UserError
from sandbox import clock, home_lock
from sandbox.end_signal import EndSignal

if TYPE_CHECKING:
    from sandbox.context import Context
    from sandbox.other_services import OtherServices

FAILED, USER_ERROR, ALREADY_RUNNING = 1, 2, 3
_LAST_PORT = 65_535
_LOOK_FOR_END_S = 0.1
_END_TIMEOUT_S = 25.0  # below what `--stop` gives; watchdogs end what is left when this process has gone


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, or end another sandbox."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder of everything it keeps")
    parser.add_argument("--port", type=_port, default=0, help="on 127.0.0.1; a free one when left out")
    parser.add_argument("--stop", action="store_true", help="end the sandbox of this home and wait for it")
    parser.add_argument(
        "--kill-after", type=float, default=home_lock.KILL_AFTER_S, metavar="SECONDS",
        help="with --stop: how long it may take (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(argv)
    home = options.home.absolute()
    try:
        if options.stop:
            return _stop(home, options.kill_after)
        clock.speed()
        lock = home_lock.take(home)
        if lock is None:
            listens = f", on {url}" if (url := home_lock.where(home)) else ""
            return _report_error(
                f"another sandbox that serves {home}{listens}",
                "one sandbox a home",
                f"use it, or end it: python -m sandbox --home {home} --stop",
                status=ALREADY_RUNNING,
            )
        with lock:
            return serve(home, options.port)
    except clock.ClockError as problem:
        return _report_error(
            str(problem),
            f"a number from {clock.MIN_SPEED:g} to {clock.MAX_SPEED:g}, times as fast as on AWS",
            "correct that, or unset it for waits as long as on AWS",
        )
    except OSError as problem:
        return _report_error(
            f"{problem.filename or home}: {problem.strerror}",
            "a folder that can be read and written, on a disk with room",
            "correct that, or name another folder with --home",
        )


def serve(home: Path, port: int) -> int:
    """Serve a home on a port until a signal comes; the caller holds the home's lock."""
    end_signal = EndSignal()
    _leave_out_settings_of_aws()
    _leave_out_secrets()
    _leave_out_settings_of_libraries()
    from sandbox.memory import freeze_heap, limit_arenas

    limit_arenas()
    from sandbox.context import Context
    from sandbox.http_server import bind
    from sandbox.loopback import write_sdk_defaults
    from sandbox.other_services import OtherServices
    from sandbox.server import Application

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    others, context = OtherServices(home), Context(home)
    try:
        server = bind(Application(context, others), port)
    except OSError as problem:
        return _report_error(f"port {port}: {problem.strerror}", "a free port", "leave --port out")
    context.url = f"http://127.0.0.1:{server.port}"
    serving = threading.Thread(target=server.serve_forever, args=(_LOOK_FOR_END_S,), name="http", daemon=True)
    serving.start()
    others.start()
    write_sdk_defaults(home)
    home_lock.announce(home, context.url)
    print(f"listening on {context.url}", flush=True)
    _recover(context, others)
    freeze_heap()
    end_signal.wait()
    (home / "server.json").unlink(missing_ok=True)
    _end(context)
    # Before the lock is given back: the next one may be meant for the same port.
    server.shutdown()
    serving.join()
    return 0


def _leave_out_settings_of_aws() -> None:
    """Let boto3, ours and moto's, read neither the variables nor the files with which a user reaches AWS.

    A profile in AWS_PROFILE that is not there, for one, would fail every client.
    """
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)


def _leave_out_secrets() -> None:
    """Keep a user's tokens from servers that are forked: they have the variables of this process's start."""
    from processes.secret_values import without_secrets

    for name in os.environ.keys() - without_secrets(os.environ).keys():
        del os.environ[name]


def _leave_out_settings_of_libraries() -> None:
    """Let servers that are forked find what those that start alone find, of all that is read at a start."""
    from processes.warm import READ_AT_START
    from sandbox.hosting.container_environment import machine_environment

    kept = {name: value for name, value in machine_environment().items() if name.startswith(READ_AT_START)}
    for name in [name for name in os.environ if name.startswith(READ_AT_START)]:
        del os.environ[name]
    os.environ.update(kept)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{port} is not a port; expected 0 to {_LAST_PORT}")
    return port


def _stop(home: Path, kill_after_s: float) -> int:
    if home_lock.stop(home, kill_after_s=kill_after_s):
        return 0
    return _report_error(
        f"the sandbox of {home} still runs, or something that it started",
        "all of it to end",
        "again in a minute; then end by hand what `ps` shows with that folder",
        status=FAILED,
    )


def _report_error(found: str, expected: str, next_step: str, *, status: int = USER_ERROR) -> int:
    """Say what is wrong and what to do, and return the exit status."""
    print(UserError(found=found, expected=expected, next_step=next_step), file=sys.stderr)
    return status


def _recover(context: Context, others: OtherServices) -> None:
    """Report what ran when the last sandbox of this home ended as ended."""
    from sandbox import logs
    from sandbox.events import bus
    from sandbox.hosting import lifecycle
    from sandbox.hosting.capture_delivery import captures
    from sandbox.mlflow_apps import apps
    from sandbox.pipelines import running as executions
    from sandbox.processing import jobs as processing_jobs
    from sandbox.scaling import running
    from sandbox.training import jobs

    captures.recover(context)
    others.wait()
    for recover in (
        logs.restore, jobs.RUNNING.recover, processing_jobs.RUNNING.recover, executions.recover,
        lifecycle.components.recover, lifecycle.endpoints.recover, apps.recover, bus.start, running.start
    ):  # fmt: skip
        try:
            recover(context)
        except Exception:  # one record that nobody understands must not keep the rest from being served
            logging.getLogger("sandbox").exception("%s failed", recover.__module__)
    context.recovered.set()


def _end(context: Context) -> None:
    """End every child and say so in its record, all at the same time and within a limit."""
    from processes import warm
    from sandbox.events import bus
    from sandbox.hosting import lifecycle
    from sandbox.hosting.capture_delivery import captures
    from sandbox.mlflow_apps.running import APPS
    from sandbox.pipelines import running as executions
    from sandbox.processing import jobs as processing_jobs
    from sandbox.scaling import running
    from sandbox.training import jobs

    deadline_s = time.monotonic() + _END_TIMEOUT_S
    _run_until(deadline_s, [running.end, bus.end, executions.begin_no_more])  # nothing begins any more
    groups = (jobs.RUNNING, processing_jobs.RUNNING, executions, lifecycle.components, lifecycle.endpoints)
    _run_until(deadline_s, [partial(those.end_all, context) for those in (*groups, APPS)])
    _run_until(deadline_s, [partial(captures.end_all, context)])  # what was answered last is among it
    warm.end()


def _run_until(deadline_s: float, functions: Iterable[Callable[[], None]]) -> None:
    """Run functions at the same time, and wait for them until a deadline of time.monotonic()."""
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline_s - time.monotonic(), 0.0))
    if any(thread.is_alive() for thread in threads):
        logging.getLogger("sandbox").warning("not all has ended in time; its watchdogs end it")


if __name__ == "__main__":
    sys.exit(main())
