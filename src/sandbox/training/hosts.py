"""The hosts of a training job: their folders, their programs, and what they leave.

Every host is a folder and a process of its own; all of them are on this machine. They find each other where
SageMaker's drivers say that algo-1 is, which is 127.0.0.1 and a port of the job here.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes.container_view import ContainerView
from processes.group import ProcessGroup
from processes.ports import free_port
from sandbox.container_paths import ContainerPaths
from sandbox.logs import LogStream, lines_of
from sandbox.s3_files import S3Files
from sandbox.training import container, outputs, unmounted
from sandbox.training.synced_folders import SyncedFolder, synced_folders

if TYPE_CHECKING:
    from sandbox.context import Context
    from sandbox.training.metrics import JobMetrics

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
LOST_GRACE_S = 5.0  # of the other hosts, once one has failed
_WATCHDOG_GRACE_S = 1  # when the sandbox is killed nobody takes what a job still saves
_NOT_INSTALLED = re.compile(r"No matching distribution found for (\S+)")

Record = dict[str, Any]


class LaunchError(Exception):
    """A host's program cannot be started."""


class Cluster:
    """The hosts of one attempt at a job; a job that is interrupted gets new ones.

    Args:
        context: Its S3 and its logs.
        region: Region of the job.
        record: CreateTrainingJob's request with its defaults.
        folder: Holds a folder for each host.
        metrics: Reads the log of the first host, as the step lines of one rank are there.
        stream_number: The last part of the names of its log streams; seconds since the epoch, as on AWS.
    """

    def __init__(
        self,
        context: Context,
        *,
        region: str,
        record: Record,
        folder: Path,
        metrics: JobMetrics,
        stream_number: int,
    ) -> None:
        self._context, self._region, self._record, self._metrics = context, region, record, metrics
        self._stream_number = stream_number
        self._s3 = S3Files(context.client("s3", region))
        names = [f"algo-{number}" for number in range(1, container.num_hosts(record) + 1)]
        self.hosts = [Host(name, folder / name, hosts=names) for name in names]
        self._lock = threading.Lock()
        self._grace_s: float | None = None  # once it has been asked to end

    @property
    def is_running(self) -> bool:
        """Whether a program of a host runs."""
        return any(host.process is not None and host.process.is_running for host in self.hosts)

    def prepare(self) -> None:
        """Make the folders and files of every host, and bring data and checkpoints to each.

        Raises:
            S3Error: A channel is empty, a key cannot be a file, or S3 refuses.
        """
        master_port = free_port()
        for host in self.hosts:
            host.prepare(self._record, self._s3, master_port=master_port)

    def launch(self) -> None:
        """Start the program of every host, each with a log stream of its own.

        Raises:
            LaunchError: One cannot be started.
        """
        for host in self.hosts:
            stream = f"{self._record['TrainingJobName']}/{host.name}-{self._stream_number}"
            log = LogStream(self._context, region=self._region, group=LOG_GROUP, stream=stream)
            process = host.launch(
                self._record,
                log,
                url=self._context.url,
                region=self._region,
                metrics=self._metrics if host is self.hosts[0] else None,
            )
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

    def upload(self, *, with_model: bool) -> None:
        """Upload what all hosts leave, as one model and one set of outputs.

        Raises:
            S3Error: S3 refuses.
        """
        outputs.upload(self._record, [host.paths for host in self.hosts], self._s3, with_model=with_model)

    def lost_model(self, *, since_s: float) -> str | None:
        """Return why a job that succeeded has failed all the same: see `unmounted.lost_model`."""
        return unmounted.lost_model([host.paths for host in self.hosts], since_s=since_s)

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
        self.name, self._names = name, list(hosts)
        self.paths = ContainerPaths(folder, host_names=hosts)
        self.synced_folders: list[SyncedFolder] = []
        self.process: HostProcess | None = None
        self.log: LogStream | None = None
        self._missing_packages: list[str] = []

    def prepare(self, record: Record, s3: S3Files, *, master_port: int) -> None:
        """Make its folders and configuration files, and bring its part of the data and the checkpoints.

        Args:
            record: The job's.
            s3: Where data and checkpoints are.
            master_port: Where torchrun of the first host listens.

        Raises:
            S3Error: A channel is empty, a key cannot be a file, or S3 refuses.
        """
        container.prepare(record, self.paths, host=self.name, hosts=self._names)
        shard = self._names.index(self.name), len(self._names)
        container.download_channels(record, self.paths, s3, shard=shard, master_port=master_port)
        self.synced_folders = synced_folders(record, self.paths, s3)
        for folder in self.synced_folders:
            folder.prepare()

    def launch(
        self, record: Record, log: LogStream, *, url: str, region: str, metrics: JobMetrics | None
    ) -> HostProcess:
        """Start its program.

        Args:
            record: The job's.
            log: Gets its lines.
            url: Where the program finds AWS.
            region: The region of its clients.
            metrics: Read in its lines, too, unless None.

        Raises:
            LaunchError: It cannot be started.
        """
        self.log = log
        if self.paths.warning:
            log.write(self.paths.warning)
        words = container.command(record, self.paths)
        environment = container.environment(record, self.paths, url=url, region=region)

        def read(line: str) -> None:
            text = self.paths.outside(line)
            log.write(text)
            if metrics:
                metrics.read(text)
            self._missing_packages.extend(_NOT_INSTALLED.findall(text))

        try:
            return HostProcess(words, environment, self.paths.root, read, view=self.paths.view)
        except OSError as error:
            raise LaunchError(f"{self.paths.outside(words[0])}: {error.strerror}") from error

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

    @property
    def failure(self) -> str:
        """What its program wrote to output/failure."""
        path = self.paths.folder / "output" / "failure"
        text = path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""
        return self.paths.outside(text)


class HostProcess:
    """A running program whose lines go to a function.

    Args:
        command: Program and arguments.
        environment: Its whole environment.
        folder: Its working folder.
        read_line: Called with every line, from a thread of its own.
        view: What it finds in place of this machine's files; its working folder is /opt/ml then.

    Raises:
        OSError: The program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        read_line: Callable[[str], None],
        *,
        view: ContainerView | None = None,
    ) -> None:
        self._group = ProcessGroup(
            command, env=environment, cwd=folder, watchdog_grace_s=_WATCHDOG_GRACE_S, view=view
        )
        self._read_line = read_line
        self._lock = threading.Lock()
        self._killer: threading.Timer | None = None
        self._has_ended = False
        self._reader = threading.Thread(target=self._read, name="job log", daemon=True)
        self._reader.start()

    @property
    def launch_id(self) -> str:
        """What every process of the program carries in its environment."""
        return self._group.launch_id

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended."""
        return self._group.process.poll() is None

    def terminate(self, grace_s: float) -> None:
        """Send SIGTERM, and SIGKILL to what runs after a grace; a shorter grace replaces a longer one."""
        with self._lock:
            if self._has_ended:
                return
            if self._killer:
                # Once: a second signal would interrupt the handler that saves what there is.
                self._killer.cancel()
            else:
                self._group.terminate()
            self._killer = threading.Timer(grace_s, self._group.close)
            self._killer.daemon = True
            self._killer.start()

    def wait(self) -> int:
        """Wait for the end of the program and of everything it started, and read its last line.

        Returns:
            Its exit code: 128 + n for a signal n.
        """
        code = self._group.process.wait()
        if self._killer:
            # The first process dies of the signal at once; what still saves a model holds the log open.
            self._reader.join()
        self.close()
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        """Kill what still runs, and read what it wrote."""
        with self._lock:
            self._has_ended = True
            if self._killer:
                self._killer.cancel()
        self._group.close()
        self._reader.join()
        self._group.process.stdout.close()

    def _read(self) -> None:
        for line in lines_of(self._group.process.stdout):
            try:
                self._read_line(line)
            except Exception:
                # A full disk, say. Go on reading: a program that nobody reads stands still for ever.
                logging.getLogger("sandbox").exception("a line of a job's log was lost")
