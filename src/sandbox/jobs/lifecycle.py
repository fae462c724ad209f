"""The life of one job: a thread that takes it from its start to its last status."""

from __future__ import annotations

import logging
import shutil
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.jobs.hosts import Cluster, Host, LaunchError
from sandbox.s3_files import S3Error

if TYPE_CHECKING:
    from sandbox.context import Context

TERMINAL = ("Completed", "Failed", "Stopped")
MAX_REASON_CHARS = 1024
STOP_GRACE_S = 120.0  # as on AWS; managed spot instances get the same
END_GRACE_S = 3.0  # when the sandbox ends: enough for a small model's checkpoint
CAPACITY_REASON = (
    "CapacityError: Unable to provision requested ML compute capacity."
    " Please retry using a different ML instance type."
)
Record = dict[str, Any]


class JobFailedError(Exception):
    """The end of a job, with AWS's reason."""


@dataclass(frozen=True)
class Outcome:
    """The last status of a job."""

    status: str
    secondary: str | None = None
    reason: str | None = None


class Job(ABC):
    """A job that runs; what a kind of jobs does lies in its subclass.

    Args:
        context: Its records, S3 and logs.
        region: Region of the job.
        name: The job's; its record exists.
        has_capacity: False makes it fail as a job that gets no hosts.
        start_delay_s: Time that its start takes.
    """

    kind: ClassVar[str]
    """As in its ARN."""
    status_member: ClassVar[str]
    """Of the record, for example TrainingJobStatus."""
    log_group: ClassVar[str]
    folder_name: ClassVar[str]
    """Of the home's, where the folders of these jobs lie."""
    sandbox_ended: ClassVar[str]
    """Why a job has failed with whose process the sandbox ended."""

    def __init__(
        self, context: Context, region: str, name: str, *, has_capacity: bool = True, start_delay_s: float = 0
    ) -> None:
        self._context, self._region, self._name = context, region, name
        self._has_capacity, self._start_delay_s = has_capacity, start_delay_s
        self._record = context.resources.get(self.kind, region, name)
        self._folder = self.folder(context.home, region, name)
        self._lock = threading.Lock()
        self._end_reason: str | None = None  # stop, time, wait or sandbox
        self._grace_s = STOP_GRACE_S
        self._end_asked = threading.Event()
        self._cluster: Cluster | None = None
        self._thread = threading.Thread(target=self._run, name=f"{self.kind} {name}", daemon=True)

    @abstractmethod
    def _live(self) -> Outcome:
        """Run the job to its end.

        Raises:
            JobFailedError: It has failed, with the reason.
        """

    @abstractmethod
    def _mark_stopping(self, record: Record) -> None:
        """Say in the record that the job is being stopped."""

    @classmethod
    @abstractmethod
    def finish(cls, record: Record, outcome: Outcome) -> None:
        """Move a record to its last status."""

    @classmethod
    def folder(cls, home: Path, region: str, name: str) -> Path:
        """Return where the folders of a job's hosts lie."""
        return home / cls.folder_name / region / name

    def start(self) -> None:
        """Start the job's thread."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the job has its last status."""
        self._thread.join()

    def end(self, why: str, *, grace_s: float = STOP_GRACE_S) -> None:
        """End the job: SIGTERM, then SIGKILL after a grace; it is Stopping when this returns.

        Args:
            why: stop (a call), time (its limit), wait (managed spot's limit of the whole) or sandbox (this
                process ends). The first one counts, except that the end of the sandbox makes the grace of
                another shorter.
            grace_s: Seconds from SIGTERM to SIGKILL.
        """
        with self._lock:
            is_first = self._end_reason is None
            self._end_reason = self._end_reason or why
            if is_first and why != "sandbox":
                with self._changed() as record:
                    if record[self.status_member] == "InProgress":
                        record[self.status_member] = "Stopping"
                        self._mark_stopping(record)
            self._grace_s = min(self._grace_s, grace_s)
            self._end_asked.set()
            if self._cluster is not None:
                self._cluster.terminate(self._grace_s)

    def _run(self) -> None:
        try:
            outcome = self._live()
        except JobFailedError as failure:
            outcome = Outcome("Failed", reason=str(failure))
        except Exception:
            logging.getLogger("sandbox").exception("%s %s", self.kind, self._name)
            reason = "InternalServerError: We encountered an internal error. Please try again."
            outcome = Outcome("Failed", reason=reason)
        # The status comes last: whoever reads it finds the log whole, the outputs in S3 and nothing here.
        shutil.rmtree(self._folder, ignore_errors=True)
        with self._changed() as record:
            for name in ("_scratch", "_launch_ids"):
                record.pop(name, None)
            self._complete(record, outcome)

    def _complete(self, record: Record, outcome: Outcome) -> None:
        """Write the end of this job into its record."""
        self.finish(record, outcome)

    def _outcome(self, end_reason: str | None) -> Outcome:
        """Return the last status of a job that has not failed by itself, by what has ended it."""
        match end_reason:
            case None:
                return Outcome("Completed")
            case "time":
                return Outcome("Stopped", secondary="MaxRuntimeExceeded")
            case "wait":
                return Outcome("Stopped", secondary="MaxWaitTimeExceeded")
            case "sandbox":
                return Outcome("Failed", reason=self.sandbox_ended)
        return Outcome("Stopped")

    def _gets_hosts(self) -> bool:
        """Wait for hosts; False when the job was asked to end before.

        Raises:
            JobFailedError: There are none.
        """
        if self._end_asked.wait(self._start_delay_s):
            return False
        if not self._has_capacity:
            raise JobFailedError(CAPACITY_REASON)
        return True

    @contextmanager
    def _on(self, cluster: Cluster) -> Iterator[None]:
        """Let the job have hosts, of which nothing is left afterwards."""
        with self._lock:
            self._cluster = cluster
        try:
            with self._changed() as record:
                record["_scratch"] = [str(host.paths.scratch) for host in cluster.hosts]
            yield
        finally:
            with self._lock:
                self._cluster = None
            cluster.remove()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _prepare(self, cluster: Cluster) -> None:
        try:
            cluster.prepare()
        except S3Error as error:
            raise JobFailedError(f"ClientError: Data download failed:{error}") from error

    def _execute(self, cluster: Cluster, limit_s: float) -> tuple[Host, int]:
        """Run the programs to their end; return the host that counts and its exit code.

        Args:
            cluster: The hosts.
            limit_s: Seconds that are left to the job.
        """
        timers = [timer(limit_s, self.end, "time")]
        try:
            cluster.launch()
            with self._changed() as record:
                record["_log_streams"] = [
                    *record.get("_log_streams", []),
                    *(host.log.name for host in cluster.hosts),
                ]
                record["_launch_ids"] = [host.process.launch_id for host in cluster.hosts]
            timers += self._timers()
            return cluster.wait()
        except LaunchError as error:
            raise JobFailedError(f"AlgorithmError: {error}, exit code: 127") from error
        finally:
            for each in timers:
                each.cancel()
            cluster.close()

    def _timers(self) -> list[threading.Timer]:
        """Return what else is to happen while the programs run."""
        return []

    def _changed(self) -> Any:
        return self._context.resources.change(self.kind, self._region, self._name)


def algorithm_error(host: Host, exit_code: int, *, text: str, num_hosts: int) -> str:
    """Return the reason of a program that failed: what it said of it, and its exit code.

    With several hosts it also names the one that failed first: the others' errors follow from its end.
    """
    where = f" ({host.name})" if num_hosts > 1 else ""
    end = f", exit code: {exit_code}{where}"
    room = MAX_REASON_CHARS - len("AlgorithmError: ") - len(end)
    return f"AlgorithmError: {text[:room]}{end}"


def timer(after_s: float, function: Callable[..., None], *arguments: Any) -> threading.Timer:
    """Call a function later, on a thread of its own."""
    made = threading.Timer(min(max(after_s, 0.0), threading.TIMEOUT_MAX), function, args=arguments)
    made.daemon = True
    made.start()
    return made
