"""A copy in a pool: one server process at a time, started again when it ends by itself."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from processes.ports import free_port
from sandbox import images
from sandbox.container_paths import ContainerPaths
from sandbox.hosting.connections import Connections, Exchange
from sandbox.hosting.container_environment import container_environment
from sandbox.hosting.server_process import ServerProcess, prepare_fork
from sandbox.hosting.specs import ContainerSpec
from sandbox.logs import LogStream

if TYPE_CHECKING:
    from sandbox.context import Context

# Seconds before the next start, by how often it ended since it was last healthy for a while.
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_STEADY_S = 60.0
# What it may be doing when it is asked to end: asking for health (2 s twice), or closing a process (12 s).
_SUPERVISOR_TIMEOUT_S = 15.0
SCRATCH_SUFFIX = ".scratch"


def new_id() -> str:
    """Return the id of a new instance."""
    return f"i-{secrets.token_hex(9)[:17]}"


def remove_scratch(folder: Path) -> None:
    """Remove the temporary files that instances below a folder left when the sandbox was killed."""
    for path in folder.rglob(f"i-*{SCRATCH_SUFFIX}"):
        shutil.rmtree(path.read_text(encoding="utf-8"), ignore_errors=True)


class Stoppable(Protocol):
    """An instance, or what has instances: an endpoint, a component."""

    def stop(self, grace_s: float) -> None: ...


def stop_together(those: Iterable[Stoppable], grace_s: float) -> None:
    """End instances, or all that endpoints and components have, side by side: each may take long to be gone.

    Args:
        those: What is to end; they share nothing.
        grace_s: Seconds between SIGTERM and SIGKILL.
    """
    ending = [threading.Thread(target=each.stop, args=(grace_s,), name="stop", daemon=True) for each in those]
    for thread in ending:
        thread.start()
    for thread in ending:
        thread.join()


class NoServerError(ConnectionError):
    """The server process of an instance is not there: it ended and is being started again."""


class Instance:
    """An instance of a variant; a ComponentCopy is one of an inference component, with a place on a machine.

    Args:
        context: For the log stream.
        region: AWS region.
        spec: What it runs.
        command: Program that runs in place of the container.
        folder: Folder of its pool; the instance gets one of its own in it.
        variant_name: The production variant, first part of the log stream's name.
        log_group: Where its output goes.
        id: Its name; one like that of an EC2 instance when None.
    """

    def __init__(
        self,
        context: Context,
        *,
        region: str,
        spec: ContainerSpec,
        command: list[str],
        folder: Path,
        variant_name: str,
        log_group: str,
        id: str | None = None,
    ) -> None:
        self.id, self.spec = id or new_id(), spec
        self._paths = ContainerPaths(folder / self.id)
        # Outside of the home: the start after a kill -9 finds it by this file.
        self._paths.folder.with_suffix(SCRATCH_SUFFIX).write_text(str(self._paths.scratch), encoding="utf-8")
        self.model_folder = self._paths.local("/opt/ml/model")
        self.num_in_flight = 0
        self._region, self._command, self._url = region, command, context.url
        self._log = LogStream(context, region=region, group=log_group, stream=f"{variant_name}/{self.id}")
        # The servers of `serve` are told where their model is.
        if self._paths.warning and not images.is_serve(command):
            self._log.write(self._paths.warning)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._is_draining = False
        self._process: ServerProcess | None = None
        self._connections: Connections | None = None
        self._supervisor: threading.Thread | None = None

    @property
    def is_healthy(self) -> bool:
        return self._connections is not None

    def write(self, line: str) -> None:
        """Add a line of the sandbox's own to the instance's log stream."""
        self._log.write(f"[sandbox] {line}")

    def start(self) -> bool:
        """Start the server process; False when it cannot be started or the instance is no longer wanted."""
        try:
            port, env = self._port_and_environment()
            is_forked = prepare_fork(self._command, self.spec.environment)
            with self._lock:  # not beside stop(), which would miss the process
                if self._stopped.is_set():
                    return False
                self._process = ServerProcess(
                    self._command, env=env, cwd=self._paths.root, port=port, write=self._write_output,
                    is_forked=is_forked, view=self._paths.view,
                )  # fmt: skip
        except OSError as error:
            self.write(f"{self._command[0]} cannot be started: {error.strerror or error}")
            return False
        return True

    def wait_healthy(self) -> bool:
        """Wait until the server process answers GET /ping with 200; say why in the log when it does not."""
        process, timeout_s = self._process, self.spec.startup_timeout_s
        if process.wait_healthy(timeout_s, self._stopped):
            self._begin_to_serve(Connections(process.port))
            self._health_changed()
            return True
        if self._stopped.is_set():
            return False
        if process.ended.is_set():
            process.close()  # its last lines come before ours
            self.write(
                f"the server process ended with exit status {process.exit_status} before it was healthy"
            )
        else:
            self.write(f"GET /ping did not answer 200 within {timeout_s:g} s")
        return False

    def supervise(self) -> None:
        """From now on start the server process again whenever it ends."""
        self._supervisor = threading.Thread(target=self._supervise, name=f"instance {self.id}", daemon=True)
        self._supervisor.start()

    def send(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        deadline_s: float,
        through: Connections | None = None,
    ) -> Exchange:
        """Send a request to the server process; see Connections.send.

        Args:
            through: Connections that invocations do not have yet.

        Raises:
            NoServerError: There is none at the moment.
        """
        connections = through or self._connections
        if connections is None:
            raise NoServerError
        return connections.send(method, path, body, headers, deadline_s=deadline_s)

    def begin(self) -> bool:
        """Count a request that is sent to it; False when it takes no more: choose another one."""
        with self._lock:
            if self._is_draining:
                return False
            self.num_in_flight += 1
            return True

    def finish(self) -> None:
        """Count the end of a request."""
        with self._lock:
            self.num_in_flight -= 1
            self._idle.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Take no more requests, and wait until those that are with it have ended; False when it was late."""
        with self._lock:
            self._is_draining = True
            return self._idle.wait_for(lambda: not self.num_in_flight, timeout_s)

    def terminate(self) -> None:
        """Ask the server process to end, and start none again."""
        self._stopped.set()
        with self._lock:
            if self._process:
                self._process.terminate()

    def stop(self, grace_s: float) -> None:
        """End the server process: SIGTERM, up to grace_s seconds, SIGKILL."""
        self.terminate()
        self._drop_connections()
        if self._process:
            self._process.close(grace_s)
        if self._supervisor:
            self._supervisor.join(_SUPERVISOR_TIMEOUT_S)
        self._paths.remove()
        self._log.close()

    def release(self) -> None:
        """Give back what it holds beside its process, once it is stopped: its folder."""
        shutil.rmtree(self._paths.folder, ignore_errors=True)
        self._paths.folder.with_suffix(SCRATCH_SUFFIX).unlink(missing_ok=True)

    def _port_and_environment(self) -> tuple[int, dict[str, str]]:
        port, given = free_port(), self.spec.environment
        env = container_environment(given, paths=self._paths, port=port, region=self._region, url=self._url)
        return port, env

    def _begin_to_serve(self, connections: Connections) -> None:
        """Take requests from now on."""
        self._connections = connections

    def _health_changed(self) -> None:
        """Report to whom it concerns that it became healthy, or no longer is."""

    def _supervise(self) -> None:
        num_ends, since_s = 0, time.monotonic()
        while True:
            self._process.ended.wait()
            self._drop_connections()
            if self._stopped.is_set():
                return
            self._process.close()
            num_ends = 0 if time.monotonic() - since_s > _STEADY_S else num_ends
            pause_s = BACKOFF_S[min(num_ends, len(BACKOFF_S) - 1)]
            num_ends += 1
            status = self._process.exit_status
            self.write(
                f"the server process ended with exit status {status}; it starts again in {pause_s:g} s"
            )
            if self._stopped.wait(pause_s):
                return
            since_s = time.monotonic()
            if self.start() and self.wait_healthy():
                self.write("the server process is healthy again")
            elif not self._stopped.is_set() and self._process:
                self._process.close()

    def _drop_connections(self) -> None:
        connections, self._connections = self._connections, None
        if connections:
            connections.close()
            self._health_changed()

    def _write_output(self, line: str) -> None:
        self._log.write(self._paths.outside(line))
