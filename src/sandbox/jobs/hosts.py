"""The hosts of a job: their folders, their programs, and what they leave.

Every host is a folder and a process of its own; all of them are on this machine. They find each other where
SageMaker's drivers say that algo-1 is, which is 127.0.0.1 and a port of the job here.
"""

from __future__ import annotations

import queue
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.container_paths import ContainerPaths
from sandbox.jobs.host_process import HostProcess
from sandbox.jobs.synced_folder import SyncedFolder
from sandbox.logs import LogStream
from sandbox.s3_files import S3Files

if TYPE_CHECKING:
    from sandbox.context import Context

MAX_HOSTS = 4  # each is a process that may have torch in it, 0.5 GB or more
# Of a file that says how a job ended: AWS takes 1 KB of it, and a program may write gigabytes.
MAX_WRITTEN_BYTES = 65_536
LOST_GRACE_S = 5.0  # of the other hosts, once one has failed
_NOT_INSTALLED = re.compile(r"No matching distribution found for (\S+)")


class LaunchError(Exception):
    """A host's program cannot be started."""


class Cluster(ABC):
    """The hosts of one attempt at a job; a job that is interrupted gets new ones.

    Args:
        context: Its S3 and its logs.
        region: Region of the job.
        name: The job's.
        num_hosts: How many.
        folder: Holds a folder for each host.
        stream_number: The last part of the names of its log streams; seconds since the epoch, as on AWS.
    """

    log_group: str

    def __init__(
        self,
        context: Context,
        *,
        region: str,
        name: str,
        num_hosts: int,
        folder: Path,
        stream_number: int,
    ) -> None:
        self._context, self._region, self._name = context, region, name
        self._stream_number = stream_number
        self._s3 = S3Files(context.client("s3", region))
        names = [f"algo-{number}" for number in range(1, num_hosts + 1)]
        self.hosts = [Host(each, folder / each, hosts=names) for each in names]
        self._lock = threading.Lock()
        self._grace_s: float | None = None  # once it has been asked to end

    @abstractmethod
    def prepare(self) -> None:
        """Make the folders and files of every host, and bring what it reads to each.

        Raises:
            S3Error: There is nothing of it, a key cannot be a file, or S3 refuses.
        """

    @abstractmethod
    def _command(self, host: Host) -> list[str]:
        """Return the program of a host and its arguments."""

    @abstractmethod
    def _environment(self, host: Host) -> dict[str, str]:
        """Return the whole environment of a host's program."""

    def _readers(self, host: Host) -> list[Callable[[str], None]]:
        """Return what looks at every line of a host's log."""
        return []

    @property
    def is_running(self) -> bool:
        """Whether a program of a host runs."""
        return any(host.process is not None and host.process.is_running for host in self.hosts)

    def launch(self) -> None:
        """Start the program of every host, each with a log stream of its own.

        Raises:
            LaunchError: One cannot be started.
        """
        for host in self.hosts:
            stream = f"{self._name}/{host.name}-{self._stream_number}"
            log = LogStream(self._context, region=self._region, group=self.log_group, stream=stream)
            command, environment = self._command(host), self._environment(host)
            process = host.launch(command, environment, log, self._readers(host))
            with self._lock:
                host.process = process
                if self._grace_s is not None:
                    process.terminate(self._grace_s)

    def wait(self) -> tuple[Host, int]:
        """Wait for the end of every program; when one fails, the others are ended.

        Returns:
            The host that failed first and its exit code, or the first host and 0.
        """
        ends: queue.Queue[tuple[Host, int]] = queue.Queue()

        def wait_for(host: Host) -> None:
            ends.put((host, host.process.wait()))

        for host in self.hosts:
            for folder in host.synced_folders:
                folder.watch()
            threading.Thread(target=wait_for, args=(host,), name=f"wait for {host.name}", daemon=True).start()
        failed = None
        for _ in self.hosts:
            host, exit_code = ends.get()
            if exit_code and not failed:
                failed = (host, exit_code)
                self.terminate(LOST_GRACE_S)
        return failed or (self.hosts[0], 0)

    def terminate(self, grace_s: float) -> None:
        """Send SIGTERM to every program, and SIGKILL after a grace; the shortest grace asked for counts."""
        with self._lock:
            self._grace_s = min(grace_s, self._grace_s if self._grace_s is not None else grace_s)
            for host in self.hosts:
                if host.process:
                    host.process.terminate(self._grace_s)

    def finish_synced_folders(self) -> None:
        """Upload what is left of checkpoints and the like; nothing writes any more.

        Raises:
            S3Error: S3 refuses.
        """
        for host in self.hosts:
            for folder in host.synced_folders:
                folder.finish()

    def close(self) -> None:
        """Kill what still runs, and end the logs."""
        for host in self.hosts:
            host.close()

    def remove(self) -> None:
        """Remove temporary files; the folders stay."""
        for host in self.hosts:
            host.paths.remove()


class Host:
    """One host.

    Args:
        name: algo-1, algo-2 and so on.
        folder: Stands for its /opt/ml.
        hosts: The names of all hosts, in order.
    """

    def __init__(self, name: str, folder: Path, *, hosts: Sequence[str]) -> None:
        self.name, self.names = name, list(hosts)
        self.paths = ContainerPaths(folder, host_names=hosts)
        self.synced_folders: list[SyncedFolder] = []
        self.process: HostProcess | None = None
        self.log: LogStream | None = None
        self._missing_packages: list[str] = []

    @property
    def shard(self) -> tuple[int, int]:
        """Its index and the number of hosts."""
        return self.names.index(self.name), len(self.names)

    def launch(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: LogStream,
        readers: Sequence[Callable[[str], None]],
    ) -> HostProcess:
        """Start its program.

        Args:
            command: Program and arguments.
            environment: The program's whole environment.
            log: Gets its lines.
            readers: Called with every line, too.

        Raises:
            LaunchError: It cannot be started.
        """
        self.log = log
        if self.paths.warning:
            log.write(self.paths.warning)

        def read(line: str) -> None:
            text = self.paths.outside(line)
            log.write(text)
            for each in readers:
                each(text)
            self._missing_packages.extend(_NOT_INSTALLED.findall(text))

        try:
            return HostProcess(command, environment, self.paths.root, read, view=self.paths.view)
        except OSError as error:
            raise LaunchError(f"{self.paths.outside(command[0])}: {error.strerror}") from error

    def close(self) -> None:
        """Kill what still runs, and end the log."""
        if self.process:
            self.process.close()
        if self.log and self._missing_packages:
            self.log.write(
                "The sandbox gives jobs no package index (PIP_NO_INDEX=1): install"
                f" {self._missing_packages[-1]} into the environment that runs the sandbox, or leave it"
                " out of the requirements."
            )
        if self.log:
            self.log.close()

    def written(self, name: str) -> bytes:
        """Return the begin of what its program wrote to a file of /opt/ml/output; nothing for none."""
        path = self.paths.folder / "output" / name
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(MAX_WRITTEN_BYTES)
