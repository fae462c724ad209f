"""The life of one training job: a thread that takes it from Starting to its last status."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.api.faults import INTERNAL, SPOT
from sandbox.s3_files import S3Error
from sandbox.training import status
from sandbox.training.hosts import Cluster, Host, LaunchError
from sandbox.training.metrics import JobMetrics

if TYPE_CHECKING:
    from sandbox.api.faults import Fault
    from sandbox.context import Context

KIND = "training-job"
STOP_GRACE_S = 120.0  # as on AWS; managed spot instances get the same
END_GRACE_S = 3.0  # when the sandbox ends: enough for a small model's checkpoint
CAPACITY_REASON = (
    "CapacityError: Unable to provision requested ML compute capacity."
    " Please retry using a different ML instance type."
)
SANDBOX_ENDED = (
    "InternalServerError: The sandbox ended while the job ran, and the job's process with it. A job with"
    " the same CheckpointConfig resumes from its last checkpoint."
)


class JobFailedError(Exception):
    """The end of a job, with AWS's reason."""


@dataclass(frozen=True)
class Outcome:
    """The last status of a job."""

    status: str
    secondary: str | None = None
    reason: str | None = None


_ENDED = {
    None: Outcome("Completed"),
    "stop": Outcome("Stopped"),
    "time": Outcome("Stopped", secondary="MaxRuntimeExceeded"),
    "wait": Outcome("Stopped", secondary="MaxWaitTimeExceeded"),
    "sandbox": Outcome("Failed", reason=SANDBOX_ENDED),
}


class Job:
    """A training job that runs.

    Args:
        context: Its records, S3 and logs.
        region: Region of the job.
        name: The job's; its record exists.
        has_capacity: False makes it fail as a job that gets no hosts.
        start_delay_s: Time that Starting takes.
    """

    def __init__(
        self, context: Context, region: str, name: str, *, has_capacity: bool = True, start_delay_s: float = 0
    ) -> None:
        self._context, self._region, self._name = context, region, name
        self._has_capacity, self._start_delay_s = has_capacity, start_delay_s
        self._record = context.resources.get(KIND, region, name)
        self._folder = context.home / "jobs" / region / name
        self._lock = threading.Lock()
        self._end_reason: str | None = None  # stop, time, wait or sandbox
        self._grace_s = STOP_GRACE_S
        self._end_asked = threading.Event()
        self._cluster: Cluster | None = None
        self._is_interrupted = False
        self._stream_number = 0
        self._trained_s = 0.0  # by attempts before this one
        definitions = self._record["AlgorithmSpecification"].get("MetricDefinitions", [])
        self.metrics = JobMetrics(definitions, region=region, job_name=name)
        self._thread = threading.Thread(target=self._run, name=f"job {name}", daemon=True)

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
                    if record["TrainingJobStatus"] == "InProgress":
                        record["TrainingJobStatus"] = "Stopping"
                        status.enter(record, "Stopping")
            self._grace_s = min(self._grace_s, grace_s)
            self._end_asked.set()
            if self._cluster is not None:
                self._cluster.terminate(self._grace_s)

    def _interrupt(self) -> None:
        """Take the hosts away, as managed spot does; the job resumes on new ones."""
        with self._lock:
            if self._end_reason is None and self._cluster.is_running:
                self._is_interrupted = True
                self._cluster.terminate(STOP_GRACE_S)

    def _run(self) -> None:
        limit_s = self._record["StoppingCondition"].get("MaxWaitTimeInSeconds")
        left_s = None if limit_s is None else self._record["CreationTime"] + limit_s - time.time()
        waits = None if left_s is None else _timer(left_s, self.end, "wait")
        try:
            outcome = self._live()
        except JobFailedError as failure:
            outcome = Outcome("Failed", reason=str(failure))
        except Exception:
            logging.getLogger("sandbox").exception("training job %s", self._name)
            reason = "InternalServerError: We encountered an internal error. Please try again."
            outcome = Outcome("Failed", reason=reason)
        finally:
            if waits:
                waits.cancel()
        # The status comes last: whoever reads it finds the log whole, the outputs in S3 and nothing here.
        shutil.rmtree(self._folder, ignore_errors=True)
        with self._changed() as record:
            record["FinalMetricDataList"] = self.metrics.final() or None
            for name in ("_scratch", "_launch_ids"):
                record.pop(name, None)
            trained_s = self._trained_s if "TrainingStartTime" in record else None
            status.finish(
                record, outcome.status, secondary=outcome.secondary, reason=outcome.reason, billed_s=trained_s
            )

    def _live(self) -> Outcome:
        if self._end_asked.wait(self._start_delay_s):
            return _ENDED[self._end_reason]
        if not self._has_capacity:
            raise JobFailedError(CAPACITY_REASON)
        if "ContainerEntrypoint" not in self._record["AlgorithmSpecification"]:
            raise JobFailedError(
                "ClientError: The sandbox has no images: it cannot run the program of"
                f" {self._record['AlgorithmSpecification']['TrainingImage']}. Give the job its own:"
                " SourceCode(entry_script=...) of ModelTrainer, or ContainerEntrypoint."
            )
        num_retries = self._record.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
        while True:
            self._enter("Starting", "Preparing the instances for training")
            started_s, outcome = time.time(), None
            try:
                outcome = self._attempt(started_s)
            except JobFailedError:
                raise
            except Exception:  # what AWS calls an InternalServerError; nothing else is tried again
                if num_retries == 0 or self._end_asked.is_set():
                    raise
                num_retries -= 1
                logging.getLogger("sandbox").exception("training job %s is tried again", self._name)
                continue
            finally:
                self._trained_s += time.time() - started_s
            if outcome is not None:
                return outcome
            self._enter("Interrupted")

    def _attempt(self, started_s: float) -> Outcome | None:
        """Run the job on new hosts; None when these were taken away and it has to resume on others."""
        # Another one than that of the attempt before, which may have lasted less than a second.
        self._stream_number = max(int(started_s), self._stream_number + 1)
        cluster = Cluster(
            self._context,
            region=self._region,
            record=self._record,
            folder=self._folder,
            metrics=self.metrics,
            stream_number=self._stream_number,
        )
        with self._lock:
            self._cluster, self._is_interrupted = cluster, False
        try:
            with self._changed() as record:
                record["_scratch"] = [str(host.paths.scratch) for host in cluster.hosts]
            self._download(cluster)
            if self._end_asked.is_set():
                return _ENDED[self._end_reason]
            if self._context.faults.take("CreateTrainingJob", INTERNAL):
                raise RuntimeError("the fault InternalServerError, which was asked for")
            host, exit_code = self._execute(cluster, started_s)
            end_reason = self._end_reason  # what comes after the program's end changes nothing
            is_interrupted = self._is_interrupted and end_reason is None
            is_failed = end_reason is None and exit_code != 0 and not is_interrupted
            with_model = not is_failed and not is_interrupted and end_reason != "sandbox"
            if with_model and end_reason is None and (reason := cluster.lost_model(since_s=started_s)):
                raise JobFailedError(f"AlgorithmError: {reason}")
            if with_model:
                self._enter("Uploading")
            self._upload(cluster, with_outputs=not is_interrupted, with_model=with_model)
            if is_failed:
                raise JobFailedError(_failure(host, exit_code, num_hosts=len(cluster.hosts)))
            return None if is_interrupted else _ENDED[end_reason]
        finally:
            with self._lock:
                self._cluster = None
            cluster.remove()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _download(self, cluster: Cluster) -> None:
        with self._changed() as record:
            if record["TrainingJobStatus"] == "InProgress":
                status.enter(record, "Downloading")
            record.setdefault("TrainingStartTime", time.time())
        try:
            cluster.prepare()
        except S3Error as error:
            raise JobFailedError(f"ClientError: Data download failed:{error}") from error

    def _execute(self, cluster: Cluster, started_s: float) -> tuple[Host, int]:
        """Run the programs to their end; return the host that counts and its exit code."""
        self._enter("Training")
        max_runtime_s = self._record["StoppingCondition"]["MaxRuntimeInSeconds"]
        timers = [_timer(started_s + max_runtime_s - self._trained_s - time.time(), self.end, "time")]
        try:
            cluster.launch()
            with self._changed() as record:
                record["_log_streams"] = [
                    *record.get("_log_streams", []),
                    *(host.log.name for host in cluster.hosts),
                ]
                record["_launch_ids"] = [host.process.launch_id for host in cluster.hosts]
            if fault := self._spot_fault():
                timers.append(_timer(fault.delay_s, self._interrupt))
            return cluster.wait()
        except LaunchError as error:
            raise JobFailedError(f"AlgorithmError: {error}, exit code: 127") from error
        finally:
            for timer in timers:
                timer.cancel()
            cluster.close()

    def _spot_fault(self) -> Fault | None:
        """Return the interruption that was asked for, if these hosts can be taken away."""
        if not self._record.get("EnableManagedSpotTraining"):
            return None
        return self._context.faults.take("CreateTrainingJob", SPOT)

    def _upload(self, cluster: Cluster, *, with_outputs: bool, with_model: bool) -> None:
        try:
            cluster.finish_synced_folders()
            if with_outputs:
                cluster.upload(with_model=with_model)
        except S3Error as error:
            raise JobFailedError(f"ClientError: Artifact upload failed:{error}") from error

    def _enter(self, secondary: str, message: str | None = None) -> None:
        with self._changed() as record:
            if record["TrainingJobStatus"] == "InProgress" or secondary == "Uploading":
                status.enter(record, secondary, message)

    def _changed(self) -> Any:
        return self._context.resources.change(KIND, self._region, self._name)


def _failure(host: Host, exit_code: int, *, num_hosts: int) -> str:
    """Return the reason of a program that failed: what it wrote to output/failure, and its exit code.

    With several hosts it also names the one that failed first: the others' errors follow from its end.
    """
    where = f" ({host.name})" if num_hosts > 1 else ""
    end = f", exit code: {exit_code}{where}"
    room = status.MAX_REASON_CHARS - len("AlgorithmError: ") - len(end)
    return f"AlgorithmError: {host.failure[:room]}{end}"


def _timer(after_s: float, function: Callable[..., None], *arguments: Any) -> threading.Timer:
    """Call a function later, on a thread of its own."""
    timer = threading.Timer(min(max(after_s, 0.0), threading.TIMEOUT_MAX), function, args=arguments)
    timer.daemon = True
    timer.start()
    return timer


def remove_left_overs(record: dict[str, Any], home: Path) -> None:
    """Remove processes and files of a job whose sandbox was killed."""
    from processes.group import kill_members

    for launch_id in record.get("_launch_ids", ()):
        kill_members(-1, launch_id)  # by it alone: the process's number may be another's by now
    for folder in record.get("_scratch", ()):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(home / "jobs" / record["_region"] / record["_name"], ignore_errors=True)
