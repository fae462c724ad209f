"""The hosts of a training job: their folders, their programs, and what they leave.

Every host is a folder and a process of its own; all of them are on this machine. They find each other where
SageMaker's drivers say that algo-1 is, which is 127.0.0.1 and a port of the job here.
"""

from __future__ import annotations

import queue
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processes.ports import free_port
from sandbox.container_paths import ContainerPaths
from sandbox.logs import LogStream
from sandbox.s3_files import S3Files
from sandbox.training import container, outputs
from sandbox.training.checkpoints import Checkpoints
from sandbox.training.host_process import HostProcess

if TYPE_CHECKING:
    from sandbox.context import Context
    from sandbox.training.metrics import JobMetrics

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
LOST_GRACE_S = 5.0  # of the other hosts, once one has failed
_NOT_INSTALLED = re.compile(r"No matching distribution found for (\S+)")


class LaunchError(Exception):
    """A host's program cannot be started."""


class Host:
    """One host.

    Args:
        name: algo-1, algo-2 and so on.
        folder: Stands for its /opt/ml.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.paths = ContainerPaths(folder)
        self.checkpoints: Checkpoints | None = None
        self.process: HostProcess | None = None
        self.log: LogStream | None = None
        self.log_stream: str | None = None
        self.missing_packages: list[str] = []

    @property
    def failure(self) -> str:
        """What its program wrote to output/failure."""
        path = self.paths.folder / "output" / "failure"
        told = path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""
        return self.paths.outside(told)


class Cluster:
    """The hosts of one attempt at a job; a job that is interrupted gets new ones.

    Args:
        context: What the sandbox is made of.
        region: Of the job.
        record: Of the job.
        folder: Of the job; each host has a folder of its own in it.
        metrics: Reads the log of the first host, as the step lines of one rank are there.
        stream_number: The last part of the names of its log streams; seconds since the epoch, as on AWS.
    """

    def __init__(
        self,
        context: Context,
        *,
        region: str,
        record: dict[str, Any],
        folder: Path,
        metrics: JobMetrics,
        stream_number: int,
    ) -> None:
        self._context, self._region, self._record, self._metrics = context, region, record, metrics
        self._stream_number = stream_number
        num_hosts = container.num_hosts(record)
        self._s3 = S3Files(context.url)
        self.hosts = [Host(f"algo-{n}", folder / f"algo-{n}") for n in range(1, num_hosts + 1)]
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
        names, port = [host.name for host in self.hosts], free_port()
        config = self._record.get("CheckpointConfig")
        for index, host in enumerate(self.hosts):
            container.prepare(self._record, host.paths, host=host.name, hosts=names)
            container.download_channels(
                self._record, host.paths, self._s3, shard=(index, len(names)), master_port=port
            )
            if config:
                host.checkpoints = Checkpoints(config, host.paths, S3Files(self._context.url))
                host.checkpoints.download()

    def launch(self) -> None:
        """Start the program of every host, each with a log stream of its own.

        Raises:
            LaunchError: One cannot be started.
        """
        for host in self.hosts:
            self._launch(host)

    def wait(self) -> tuple[Host, int]:
        """Wait for the end of every program; when one fails, the others are ended.

        Returns:
            The host that failed first and its exit code, or the first host and 0.
        """
        ends: queue.Queue[tuple[Host, int]] = queue.Queue()

        def wait_for(host: Host) -> None:
            ends.put((host, host.process.wait()))

        for host in self.hosts:
            if host.checkpoints:
                host.checkpoints.watch()
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

    def finish_checkpoints(self) -> None:
        """Upload what is left of the checkpoints; nothing writes any more.

        Raises:
            S3Error: S3 refuses.
        """
        for host in self.hosts:
            if host.checkpoints:
                host.checkpoints.finish()

    def upload(self, *, with_model: bool) -> None:
        """Upload what all hosts leave, as one model and one set of outputs.

        Raises:
            S3Error: S3 refuses.
        """
        outputs.upload(self._record, [host.paths for host in self.hosts], self._s3, with_model=with_model)

    def close(self) -> None:
        """Kill what still runs, and end the logs."""
        for host in self.hosts:
            if host.process:
                host.process.close()
            if host.log and host.missing_packages:
                host.log.write(
                    "The sandbox gives jobs no package index (PIP_NO_INDEX=1): install"
                    f" {host.missing_packages[-1]} into the environment that runs the sandbox, or leave it"
                    " out of the requirements."
                )
            if host.log:
                host.log.close()

    def remove(self) -> None:
        """Remove temporary files and connections; the folders stay."""
        for host in self.hosts:
            host.paths.remove()
        self._s3.close()

    def _launch(self, host: Host) -> None:
        """Start a host's program."""
        stream = f"{self._record['TrainingJobName']}/{host.name}-{self._stream_number}"
        host.log = LogStream(self._context, region=self._region, group=LOG_GROUP, stream=stream)
        host.log_stream = stream
        words = container.command(self._record, host.paths)
        environment = container.environment(
            self._record, host.paths, url=self._context.url, region=self._region
        )
        is_first = host is self.hosts[0]

        def read(line: str) -> None:
            text = host.paths.outside(line)
            host.log.write(text)
            if is_first:
                self._metrics.read(text)
            host.missing_packages.extend(_NOT_INSTALLED.findall(text))

        try:
            process = HostProcess(words, environment, host.paths.root, read)
        except OSError as error:
            raise LaunchError(f"{host.paths.outside(words[0])}: {error.strerror}") from error
        with self._lock:
            host.process = process
            if self._grace_s is not None:
                process.terminate(self._grace_s)
