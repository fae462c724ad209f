"""A server that this kernel starts, watches and ends: `python -m serve`, or a container in the foreground.

    with start_server(plan, log_path=..., timeout_s=120) as server:
        ...                       # server.url answers
    # or: server = start_server(...); ...; server.stop()

It ends with the kernel, however that ends, and when the cell that started it is run again.
"""

from __future__ import annotations

import http.client
import os
import queue
import signal
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from processes.group import ProcessGroup
from processes.ports import HOST
from processes.secret_values import hider, without_secrets
from workshop.containers.checks import check_serving_container
from workshop.containers.guard import ContainerGuard
from workshop.errors import WorkshopError
from workshop.serving.container import check_port, make_network, was_out_of_memory
from workshop.serving.engines import ENGINES
from workshop.serving.plan import ServingPlan
from workshop.view.live import NotebookView, PlainView, make_view
from workshop.view.process_output import NUM_ERROR_LINES, Reader, last_lines

GRACE_S = 30.0
"""Between SIGTERM and SIGKILL, as on SageMaker."""

_POLL_S = 0.2
_PING_TIMEOUT_S = 5.0
_DRAIN_S = 60.0  # its output ends when its processes have ended: at once
_BLOCK_BYTES = 65_536

_OUT_OF_MEMORY = "was killed by the kernel: it needed more than its memory limit"

_running: dict[Path, Server] = {}
"""One server for each log file: to start it again ends the one before."""


class ServingError(WorkshopError):
    """A server could not be started, ended by itself, or was not ready in time."""


class Server:
    """A running server. Made by `start_server`.

    Attributes:
        plan: What it was started with.
        url: http://127.0.0.1:PORT
        log_path: Everything that it printed.
        ready_s: Seconds from start to the first answer of 200 on /ping.
    """

    def __init__(self, plan: ServingPlan, log_path: Path, grace_s: float) -> None:
        self.plan, self.url, self.log_path = plan, plan.url, log_path
        self.ready_s = 0.0
        self._grace_s, self._has_stopped, self._started_at_s = grace_s, False, time.time()
        environment = {**without_secrets(os.environ), "PYTHONUNBUFFERED": "1", **plan.command_environment}
        with ExitStack() as undo:
            if plan.container_name:
                # First: it ends a container that an earlier kernel left, which may have the port.
                undo.enter_context(ContainerGuard(plan.container_name, run_id=plan.run_id))
                check_port(plan.port)
                make_network(plan.network_command)
            try:
                self._group = ProcessGroup(plan.command, env=environment, watchdog_grace_s=grace_s)
            except OSError as error:
                raise ServingError(
                    found=f"{plan.command[0]!r} cannot be started: {error.strerror}",
                    expected="a program that is there",
                    next_step="run `make sample` once, or choose its environment as the notebook's kernel",
                ) from None
            hide = hider({**os.environ, **plan.environment, **plan.command_environment})
            self._output = _Output(self._group, log_path, hide)
            self._made = undo.pop_all()

    @property
    def pid(self) -> int:
        return self._group.process.pid

    @property
    def is_running(self) -> bool:
        return self._group.process.poll() is None

    def log_lines(self, num_lines: int = NUM_ERROR_LINES) -> list[str]:
        """Return what it printed last."""
        return list(self._output.reader.lines)[-num_lines:]

    def stop(self) -> float:
        """Ask it to end (SIGTERM), wait, and leave nothing of it; harmless when it has ended.

        Returns:
            Seconds that it took.
        """
        started_s = time.monotonic()
        if self._has_stopped:  # its process id may belong to another process by now
            return 0.0
        self._has_stopped = True
        if _running.get(self.log_path) is self:
            del _running[self.log_path]
        if self.ready_s and not self.is_running:
            print(f"{_title(self.plan)} {self._ending()}", flush=True)
        try:
            self._group.terminate()
            self._group.process.wait(self._grace_s)
        except subprocess.TimeoutExpired:
            pass  # what is left is killed now
        finally:
            # Killing Docker's client would leave the container: what has been made with Docker goes, too.
            with self._made:
                self._group.close()
                self._output.close()
        return time.monotonic() - started_s

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_ready(self, view: PlainView | NotebookView, timeout_s: float) -> None:
        started_s = time.monotonic()
        while True:
            is_running = self.is_running  # before the ping: another program may answer on the port
            if is_running and self._answers("/ping") == 200 and self._answers("/health") in (200, 404):
                self.ready_s = time.monotonic() - started_s
                return
            self._output.show(view)
            view.tick()
            lasted_s = time.monotonic() - started_s
            if not is_running:
                self._output.close()  # its last lines
                self._output.show(view)
                raise self._failure(self._ending(), "a server that stays")
            if lasted_s > timeout_s:
                raise self._failure(
                    f"was not ready after {lasted_s:.0f} s", f"200 on /ping within {timeout_s:g} s"
                )
            time.sleep(_POLL_S)

    def _answers(self, path: str) -> int | None:
        """Return the status that it answers with; None for no answer. LMI has no /health."""
        connection = http.client.HTTPConnection(HOST, self.plan.port, timeout=_PING_TIMEOUT_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _ending(self) -> str:
        """Say how it ended by itself."""
        code = self._group.process.returncode
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        if was_out_of_memory(self.plan.container_name, self._started_at_s):
            return f"{_OUT_OF_MEMORY} ({self.plan.memory_limit})"
        return f"ended with exit status {code}"

    def _failure(self, ending: str, expected: str) -> ServingError:
        remedy = "correct what its last lines name"
        if ending.startswith(_OUT_OF_MEMORY):
            remedy = (
                "set serve_with: process in workshop.yaml, which has no such limit, or serve a smaller model"
            )
        return ServingError(
            found=f"{_title(self.plan)} {ending}; its last lines:{last_lines(self.log_lines())}",
            expected=expected,
            next_step=f"{remedy}; everything it printed is in {self.log_path}",
        )


def start_server(
    plan: ServingPlan, *, log_path: Path | str, timeout_s: float, grace_s: float = GRACE_S
) -> Server:
    """Print the plan's command, run it, and show what it prints until it is ready.

    Args:
        plan: What to serve, and how.
        log_path: Where its output is written. A server of an earlier call with the same path is ended.
        timeout_s: It must be ready within so many seconds.
        grace_s: Seconds between SIGTERM and SIGKILL when it is stopped.

    Raises:
        WorkshopError: In a container: Docker, a GPU or the image is missing.
        ServingError: It cannot be started, ended, or is late; with its last lines.
        KeyboardInterrupt: The cell was interrupted; the server was ended.
    """
    log_path = Path(log_path).absolute()
    if log_path in _running:
        _running[log_path].stop()
    if plan.container_name:
        check_serving_container(plan.image, plan.model_dir)
    print(plan.command_text, flush=True)
    title = _title(plan)
    server = Server(plan, log_path, grace_s)
    _running[log_path] = server
    view = make_view(title)
    view.status("starting")
    try:
        server._wait_until_ready(view, timeout_s)
    except BaseException as error:
        is_failure = isinstance(error, ServingError)
        server.stop()
        ending = error.found.splitlines()[0] if is_failure else f"{title} · stopped"
        view.end("failed" if is_failure else "stopped", f"{ending} · log: {log_path}")
        raise
    server._output.show(view)
    server._output.is_shown = False
    view.end("done", f"{title} · ready after {server.ready_s:.1f} s · {server.url} · log: {log_path}")
    return server


class _Output:
    """Reads what a process prints, on a thread of its own, or the pipe would fill and the process stop.

    Lines are handed to the display by `show`, on the thread that owns it.
    """

    def __init__(self, group: ProcessGroup, log_path: Path, hide) -> None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = log_path.open("w", encoding="utf-8", errors="backslashreplace")
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stdout = group.process.stdout
        self.is_shown = True
        self.reader = Reader(self._log, hide, self)
        self._thread = threading.Thread(target=self._read, name="read server", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Keep a line for the display; the reader's view."""
        if self.is_shown:
            self._lines.put(text)

    def progress(self, record: dict[str, float], text: str) -> None:
        self.line(text)

    phase = progress

    def show(self, view: PlainView | NotebookView) -> None:
        """Show what has come since the last time."""
        while not self._lines.empty():
            view.line(self._lines.get())

    def close(self) -> None:
        """Wait for what the ended process wrote last, and close the log."""
        self._thread.join(_DRAIN_S)

    def _read(self) -> None:
        with self._log, self._stdout:
            while block := os.read(self._stdout.fileno(), _BLOCK_BYTES):
                self.reader.feed(block)
            self.reader.close()


def _title(plan: ServingPlan) -> str:
    place = "" if plan.place == "container" else " (python -m serve)"
    return f"{ENGINES[plan.engine].title}{place}"
