"""The life of one processing job: a thread that takes it from InProgress to its last status."""

from __future__ import annotations

import time
from typing import Any

from sandbox.api.faults import INTERNAL
from sandbox.jobs.lifecycle import MAX_REASON_CHARS, Job, JobFailedError, Outcome, algorithm_error
from sandbox.processing.hosts import LOG_GROUP, ProcessingCluster
from sandbox.s3_files import S3Error

KIND = "processing-job"
Record = dict[str, Any]


class ProcessingJob(Job):
    """A processing job that runs."""

    kind = KIND
    status_member = "ProcessingJobStatus"
    log_group = LOG_GROUP
    folder_name = "processing-jobs"
    sandbox_ended = (
        "InternalServerError: The sandbox ended while the job ran, and the job's process with it. Outputs of"
        " S3UploadMode Continuous have what was uploaded by then."
    )

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._message: str | None = None

    @classmethod
    def finish(cls, record: Record, outcome: Outcome) -> None:
        """Move a record to its last status."""
        record["ProcessingJobStatus"] = outcome.status
        record["ProcessingEndTime"] = record["LastModifiedTime"] = time.time()
        if outcome.reason:
            record["FailureReason"] = outcome.reason[:MAX_REASON_CHARS]

    def _mark_stopping(self, record: Record) -> None:
        record["LastModifiedTime"] = time.time()

    def _complete(self, record: Record, outcome: Outcome) -> None:
        record["ExitMessage"] = self._message
        self.finish(record, outcome)

    def _live(self) -> Outcome:
        if not self._gets_hosts():
            return self._outcome(self._end_reason)
        if "ContainerEntrypoint" not in self._record["AppSpecification"]:
            raise JobFailedError(
                "ClientError: The sandbox has no images: it cannot run the program of"
                f" {self._record['AppSpecification']['ImageUri']}. Give the job its own:"
                " ScriptProcessor(command=...), Processor(entrypoint=...), or ContainerEntrypoint."
            )
        started_s = time.time()
        cluster = ProcessingCluster(
            self._context,
            region=self._region,
            record=self._record,
            folder=self._folder,
            stream_number=int(started_s),
        )
        with self._on(cluster):
            return self._process(cluster, started_s)

    def _process(self, cluster: ProcessingCluster, started_s: float) -> Outcome:
        with self._changed() as record:
            record["ProcessingStartTime"] = record["LastModifiedTime"] = started_s
        self._prepare(cluster)
        if self._end_asked.is_set():
            return self._outcome(self._end_reason)
        if self._context.faults.take("CreateProcessingJob", INTERNAL):
            raise RuntimeError("the fault InternalServerError, which was asked for")
        max_runtime_s = self._record["StoppingCondition"]["MaxRuntimeInSeconds"]
        host, exit_code = self._execute(cluster, started_s + max_runtime_s - time.time())
        end_reason = self._end_reason  # what comes after the program's end changes nothing
        is_failed = end_reason is None and exit_code != 0
        is_completed = end_reason is None and exit_code == 0
        problem = self._read_message(cluster)
        if is_completed:
            problem = problem or cluster.lost_outputs(since_s=started_s)
        self._upload(cluster, with_rest=is_completed and not problem)
        if is_failed:
            raise JobFailedError(algorithm_error(host, exit_code, text="", num_hosts=len(cluster.hosts)))
        if problem and end_reason != "sandbox":
            raise JobFailedError(problem)
        return self._outcome(end_reason)

    def _read_message(self, cluster: ProcessingCluster) -> str | None:
        """Read the exit message; return what is wrong with it."""
        try:
            self._message = cluster.message()
        except UnicodeDecodeError:
            return "ClientError: The exit message in /opt/ml/output/message is not UTF-8 encoded."
        return None

    def _upload(self, cluster: ProcessingCluster, *, with_rest: bool) -> None:
        try:
            cluster.finish_synced_folders()
            if with_rest:
                cluster.upload()
        except S3Error as error:
            raise JobFailedError(f"ClientError: Artifact upload failed:{error}") from error
