"""The server process of each MLflow App: started when it is needed, and ended with the app or the sandbox.

On AWS an app has no machine of its own that anybody sees. Here too: after a restart of the sandbox, or when
its server was killed, the next request starts a server on the same database.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from processes.ports import free_port
from sandbox.hosting.connections import Connections
from sandbox.hosting.container_environment import machine_environment
from sandbox.hosting.server_process import ServerProcess

if TYPE_CHECKING:
    from sandbox.context import Context

START_TIMEOUT_S = 300.0  # 5 s on two idle cores
STOP_GRACE_S = 5.0
_PROGRAM = Path(__file__).with_name("program.py")
_NUM_REASON_LINES = 5


class AppFailedError(Exception):
    """The server of an app does not start; the text says why, with the last lines of its log."""


class AppStoppedError(Exception):
    """The app was deleted, or the sandbox ends, while its server started."""


class RunningApp:
    """What runs of one app; safe from any thread.

    Args:
        context: Has the home and the address of the sandbox.
        region: AWS region.
        identity: Last part of its ARN.
    """

    def __init__(self, context: Context, region: str, identity: str) -> None:
        self._context, self._region, self._identity = context, region, identity
        self.folder = context.home / "mlflow" / region / identity
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._server: ServerProcess | None = None
        self._connections: Connections | None = None
        self._artifact_root = ""
        self._last_lines: deque[str] = deque(maxlen=_NUM_REASON_LINES)

    def connections(self, artifact_root: str) -> Connections:
        """Return the connections to its server, started now when there is none with that artifact root.

        Args:
            artifact_root: Where in S3 new experiments keep their artifacts.

        Raises:
            AppFailedError: It does not start.
            AppStoppedError: It is not wanted any more.
        """
        with self._lock:
            is_there = self._connections is not None and not self._server.ended.is_set()
            if not is_there or self._artifact_root != artifact_root:
                self._start(artifact_root)
            return self._connections

    def stop(self) -> None:
        """End its server; requests that are in it are broken off."""
        self.stopped.set()
        with self._lock:
            self._end()

    def _start(self, artifact_root: str) -> None:
        self._end()
        if self.stopped.is_set():
            raise AppStoppedError
        self.folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        command = [sys.executable, "-I", str(_PROGRAM), "--port", str(port)]
        command += ["--database", str(self.folder / "mlflow.db"), "--artifacts", artifact_root]
        self._last_lines.clear()
        try:
            self._server = ServerProcess(
                command, env=self._environment(), cwd=self.folder, port=port, write=self._write,
                health_path="/health",
            )  # fmt: skip
        except OSError as problem:
            raise AppFailedError(f"{command[0]} cannot be started: {problem.strerror}") from None
        if self._server.wait_healthy(START_TIMEOUT_S, self.stopped):
            self._connections, self._artifact_root = Connections(port), artifact_root
            return
        status = self._server.exit_status
        self._end()
        if self.stopped.is_set():
            raise AppStoppedError
        what = f"does not answer after {START_TIMEOUT_S:.0f} s" if status is None else f"ended ({status})"
        lines = "\n".join(self._last_lines)
        raise AppFailedError(f"The MLflow server {what}; its last lines:\n{lines}\nAll: {self._log_path}")

    def _end(self) -> None:
        if self._connections:
            self._connections.close()
        if self._server:
            self._server.close(STOP_GRACE_S)
        self._connections = self._server = None

    @property
    def _log_path(self) -> Path:
        return self.folder / "server.log"

    def _write(self, line: str) -> None:
        self._last_lines.append(line)
        # On a full disk it goes on without a log: one whose output nobody reads would stop.
        with suppress(OSError), self._log_path.open("a", encoding="utf-8") as log:
            log.write(f"{line}\n")

    def _environment(self) -> dict[str, str]:
        return {
            **machine_environment(),
            "HOME": str(self.folder),
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_ENDPOINT_URL": self._context.url,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_EC2_METADATA_DISABLED": "true",
            # It reports its use otherwise, and so would its pages.
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            # Jobs judge traces by language models, which nobody here asks for.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }


class RunningApps:
    """What runs of all apps of this process."""

    def __init__(self) -> None:
        self._apps: dict[tuple[str, str], RunningApp] = {}
        self._lock = threading.Lock()

    def of(self, context: Context, region: str, identity: str) -> RunningApp:
        """Return what runs of an app, which may be nothing yet."""
        with self._lock:
            if (region, identity) not in self._apps:
                self._apps[region, identity] = RunningApp(context, region, identity)
            return self._apps[region, identity]

    def forget(self, region: str, identity: str) -> None:
        """Note that an app is no more."""
        with self._lock:
            self._apps.pop((region, identity), None)

    def end_all(self, _: Context) -> None:
        """End every server, all at the same time."""
        threads = [threading.Thread(target=app.stop, daemon=True) for app in [*self._apps.values()]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


APPS = RunningApps()
