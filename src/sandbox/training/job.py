"""The life of one training job: a thread that takes it from Starting to its last status."""

from __future__ import annotations

import logging
import re
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.container_paths import ContainerPaths
from sandbox.logs import LogStream
from sandbox.s3_files import S3Error, S3Files
from sandbox.training import container, outputs, status
from sandbox.training.checkpoints import Checkpoints
from sandbox.training.host_process import HostProcess
from sandbox.training.metrics import JobMetrics

if TYPE_CHECKING:
    from sandbox.context import Context

KIND = "training-job"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
STOP_GRACE_S = 120.0  # as on AWS
END_GRACE_S = 3.0  # when the sandbox ends: enough for a small model's checkpoint
CAPACITY_REASON = (
    "CapacityError: Unable to provision requested ML compute capacity."
    " Please retry using a different ML instance type."
)
SANDBOX_ENDED = (
    "InternalServerError: The sandbox ended while the job ran, and the job's process with it. A job with"
    " the same CheckpointConfig goes on from its last checkpoint."
)
_NOT_INSTALLED = re.compile(r"No matching distribution found for (\S+)")


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
    "sandbox": Outcome("Failed", reason=SANDBOX_ENDED),
}


class Job:
    """A training job that runs.

    Args:
        context: What the sandbox is made of.
        region: Of the job.
        name: Of the job; its record exists.
        has_capacity: False makes it fail as a job without machines.
        start_delay_s: Time that Starting takes.
    """

    def __init__(
        self, context: Context, region: str, name: str, *, has_capacity: bool = True, start_delay_s: float = 0
    ) -> None:
        self._context, self._region, self._name = context, region, name
        self._has_capacity, self._start_delay_s = has_capacity, start_delay_s
        self._record = context.resources.get(KIND, region, name)
        self._hosts = ["algo-1"]  # one process a host; more of them share the loop below
        self._folder = context.home / "jobs" / region / name
        self._s3 = S3Files(context.url)
        self._lock = threading.Lock()
        self._end_reason: str | None = None  # stop, time or sandbox
        self._grace_s = STOP_GRACE_S
        self._end_asked = threading.Event()
        self._process: HostProcess | None = None
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
            why: stop (a call), time (its limit) or sandbox (this process ends). The first one counts, except
                that the end of the sandbox makes the grace of another shorter.
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
            if self._process is not None:
                self._process.terminate(self._grace_s)

    def _run(self) -> None:
        paths = ContainerPaths(self._folder)
        with self._changed() as record:
            record["_scratch"] = str(paths.scratch)
        try:
            outcome = self._live(paths)
        except JobFailedError as failure:
            outcome = Outcome("Failed", reason=str(failure))
        except Exception:
            logging.getLogger("sandbox").exception("training job %s", self._name)
            reason = "InternalServerError: We encountered an internal error. Please try again."
            outcome = Outcome("Failed", reason=reason)
        # The status comes last: whoever reads it finds the log whole, the outputs in S3 and nothing here.
        paths.remove()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._s3.close()
        with self._changed() as record:
            record["FinalMetricDataList"] = self.metrics.final() or None
            for name in ("_scratch", "_mark"):
                record.pop(name, None)
            status.finish(record, outcome.status, secondary=outcome.secondary, reason=outcome.reason)

    def _live(self, paths: ContainerPaths) -> Outcome:
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
        self._enter("Starting", "Preparing the instances for training")
        checkpoints = self._download(paths)
        if self._end_asked.is_set():
            return _ENDED[self._end_reason]
        exit_code = self._execute(paths, checkpoints)
        end_reason = self._end_reason  # what comes after the program's end changes nothing
        is_failed = end_reason is None and exit_code != 0
        with_model = not is_failed and end_reason != "sandbox"
        if with_model:
            self._enter("Uploading")
        self._upload(paths, checkpoints, with_model=with_model)
        if is_failed:
            raise JobFailedError(self._failure(paths, exit_code))
        return _ENDED[end_reason]

    def _download(self, paths: ContainerPaths) -> Checkpoints | None:
        with self._changed() as record:
            if record["TrainingJobStatus"] == "InProgress":
                status.enter(record, "Downloading")
            record["TrainingStartTime"] = time.time()
        self._record = self._context.resources.get(KIND, self._region, self._name)
        config = self._record.get("CheckpointConfig")
        try:
            container.prepare(self._record, paths, host=self._hosts[0], hosts=self._hosts)
            container.download_channels(self._record, paths, self._s3)
            checkpoints = Checkpoints(config, paths, S3Files(self._context.url)) if config else None
            if checkpoints:
                checkpoints.download()
        except S3Error as error:
            raise JobFailedError(f"ClientError: Data download failed:{error}") from error
        return checkpoints

    def _execute(self, paths: ContainerPaths, checkpoints: Checkpoints | None) -> int:
        """Run the container's program to its end and return its exit code."""
        stream = f"{self._name}/{self._hosts[0]}-{int(time.time())}"
        log = LogStream(self._context, region=self._region, group=LOG_GROUP, stream=stream)
        self._enter("Training")
        process, missing_packages = self._launch(paths, log)
        limit = threading.Timer(self._seconds_left(), self.end, args=("time",))
        limit.daemon = True
        try:
            with self._changed() as record:
                record.update({"_log_stream": stream, "_mark": process.mark})
            limit.start()
            if checkpoints:
                checkpoints.watch()
            exit_code = process.wait()
        finally:
            limit.cancel()
            process.close()
        if missing_packages:
            log.write(
                f"The sandbox gives jobs no package index (PIP_NO_INDEX=1): install {missing_packages[-1]}"
                " into the environment that runs the sandbox, or leave it out of the requirements."
            )
        log.close()
        return exit_code

    def _launch(self, paths: ContainerPaths, log: LogStream) -> tuple[HostProcess, list[str]]:
        """Start the program; the list is of packages that pip did not find, as the log tells of them."""
        words = container.command(self._record, paths)
        environment = container.environment(self._record, paths, url=self._context.url, region=self._region)
        missing_packages: list[str] = []

        def read(line: str) -> None:
            text = paths.outside(line)
            log.write(text)
            self.metrics.read(text)
            missing_packages.extend(_NOT_INSTALLED.findall(text))

        try:
            process = HostProcess(words, environment, paths.root, read)
        except OSError as error:
            log.close()
            raise JobFailedError(
                f"AlgorithmError: {paths.outside(words[0])}: {error.strerror}, exit code: 127"
            ) from error
        with self._lock:
            self._process = process
            if self._end_asked.is_set():
                process.terminate(self._grace_s)
        return process, missing_packages

    def _upload(self, paths: ContainerPaths, checkpoints: Checkpoints | None, *, with_model: bool) -> None:
        try:
            if checkpoints:
                checkpoints.finish()
            outputs.upload(self._record, paths, self._s3, with_model=with_model)
        except S3Error as error:
            raise JobFailedError(f"ClientError: Artifact upload failed:{error}") from error

    def _failure(self, paths: ContainerPaths, exit_code: int) -> str:
        """Return the reason of a program that failed: what it wrote to output/failure, and its exit code."""
        path = paths.folder / "output" / "failure"
        told = path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""
        end = f", exit code: {exit_code}"
        room = status.MAX_REASON_CHARS - len("AlgorithmError: ") - len(end)
        return f"AlgorithmError: {paths.outside(told)[:room]}{end}"

    def _enter(self, secondary: str, message: str | None = None) -> None:
        with self._changed() as record:
            if record["TrainingJobStatus"] == "InProgress" or secondary == "Uploading":
                status.enter(record, secondary, message)

    def _seconds_left(self) -> float:
        limit_s = self._record["StoppingCondition"]["MaxRuntimeInSeconds"]
        return max(0.0, self._record["TrainingStartTime"] + limit_s - time.time())

    def _changed(self) -> Any:
        return self._context.resources.change(KIND, self._region, self._name)


def remove_left_overs(record: dict[str, Any], home: Path) -> None:
    """Remove processes and files of a job whose sandbox was killed."""
    from processes.group import kill_members

    if "_mark" in record:
        kill_members(-1, record["_mark"])  # by the mark alone: the number may be another's by now
    if "_scratch" in record:
        shutil.rmtree(record["_scratch"], ignore_errors=True)
    shutil.rmtree(home / "jobs" / record["_region"] / record["_name"], ignore_errors=True)
