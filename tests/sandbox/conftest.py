"""A real sandbox process on a home of its own, for every module of these tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from processes.container_view import ContainerView

SRC_DIR = Path(__file__).parents[2] / "src"
START_TIMEOUT_S = 600
END_TIMEOUT_S = 300
_MARK = "SANDBOX_TEST_MARK"


def works_in(process: psutil.Process, folder: Path) -> bool:
    """Tell whether a folder is a process's working folder, whatever it is called there."""
    path = Path(f"/proc/{process.pid}/cwd")
    return os.path.samefile(path if path.exists() else process.cwd(), folder)


class RunningSandbox:
    """`python -m sandbox` on a home.

    Args:
        home: Its folder.
        prefix: Of the environment whose interpreter runs it; that of these tests when None.
        program: What the interpreter runs.
        view: What it takes for this machine's files.
        environ: More variables.

    `environ` counts from the next start on. `url` and `pid` are those of the process that runs now;
    `log_path` holds what all of them wrote.
    """

    def __init__(
        self,
        home: Path,
        *,
        prefix: Path | None = None,
        program: Sequence[str] = ("-m", "sandbox"),
        view: ContainerView | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.home, self._program = home, program
        self._popen, self.environ = view.start if view else subprocess.Popen, environ or {}
        self._python = prefix / Path(sys.executable).relative_to(sys.prefix) if prefix else sys.executable
        self.log_path = home.with_name(f"{home.name}.log")
        self._mark = uuid.uuid4().hex
        self.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self) -> None:
        """Start it and wait until it listens."""
        tied = ("AWS_", "SAGEMAKER_", "WORKSHOP_")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(tied)}
        with self.log_path.open("ab") as log:
            self.process = self._popen(
                [self._python, *self._program, "--home", str(self.home)],
                env={**environ, _MARK: self._mark, "PYTHONPATH": str(SRC_DIR), **self.environ},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), f"{line}\n{self.log_path.read_text()}"
        self.url = line.split()[-1]
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """Return a boto3 client of it, the same one every time."""
        import boto3
        from botocore.config import Config

        if (service, region) not in self._clients:
            session = boto3.session.Session("test", "test", region_name=region)
            config = Config(retries={"total_max_attempts": 1}, max_pool_connections=64, proxies={})
            self._clients[service, region] = session.client(service, endpoint_url=self.url, config=config)
        return self._clients[service, region]

    def stop(self, *, kill: bool = False) -> int:
        """End it, by SIGTERM or by SIGKILL, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        status = self.process.wait(END_TIMEOUT_S)
        self.process.stdout.close()
        return status

    def restart(self, *, kill: bool = False) -> None:
        """End it and start another one on the same home; its address changes, so make new clients."""
        self.stop(kill=kill)
        self.start()

    def processes(self) -> list[psutil.Process]:
        """Return what runs of it: itself, watchdogs, jobs and servers, whoever their parent is."""
        found = []
        for process in psutil.process_iter():
            try:
                words = [*process.environ().values(), *process.cmdline(), process.cwd()]
                if process.status() != psutil.STATUS_ZOMBIE and (
                    any(self._mark in word or str(self.home) in word for word in words)
                    or self._is_mounted_in(process.pid)
                ):
                    found.append(process)
            except (psutil.Error, OSError):  # ended meanwhile, or another user's
                continue
        return found

    def _is_mounted_in(self, pid: int) -> bool:
        """Tell whether a process has a folder of the home for its /opt/ml."""
        # From the root of the home's file system, which may be mounted anywhere.
        end_of_home = f"/{'/'.join(self.home.parts[-3:])}/"
        path = Path(f"/proc/{pid}/mountinfo")
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        fields = [line.replace("\\040", "\0").split() for line in lines]
        return any(end_of_home in f"{each[3]}/".replace("\0", " ") for each in fields if each[4] == "/opt/ml")

    def close(self) -> None:
        """End it and make sure that nothing of it is left.

        Raises:
            AssertionError: A process outlived it, or it does not end; what is left is killed.
        """
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.stop(kill=True)
            raise AssertionError(f"no end within {END_TIMEOUT_S} s of SIGTERM") from None
        deadline_s = time.monotonic() + 300
        while (left := self.processes()) and time.monotonic() < deadline_s:
            time.sleep(0.02)
        reported = [(process.pid, process.cmdline()) for process in left if process.is_running()]
        for process in left:
            process.kill()
        assert reported == [], "outlived the sandbox"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A sandbox that runs as long as the module's tests do."""
    running = RunningSandbox(tmp_path_factory.mktemp("sandbox") / "home")
    try:
        yield running
    finally:
        running.close()
